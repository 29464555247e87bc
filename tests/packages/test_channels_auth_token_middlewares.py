"""channels-auth-token-middlewares: a user from a token, by subclassing `AuthMiddleware`.

It builds on `UserLazyObject`, assigns its `_wrapped` and tests it for Django's `empty`.
"""

import pytest
from channels_auth_token_middlewares.middleware import (
    CookieAuthTokenMiddleware,
    DRFAuthTokenMiddlewareStack,
    QueryStringDRFAuthTokenMiddleware,
)
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token

from channels.auth import AuthMiddlewareStack
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter
from channels.testing import HttpCommunicator, WebsocketCommunicator

pytestmark = pytest.mark.django_db(transaction=True)


class WhoAmI(AsyncJsonWebsocketConsumer):
    groups = ["everybody"]

    async def receive_json(self, content, **kwargs):
        await self.send_json({"user": self.scope["user"].username, "said": content})

    async def greeting(self, event):
        await self.send_json({"greeting": event["text"], "user": str(self.scope["user"])})


class WhoAmISync(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(f"{self.scope['user'].username}: {User.objects.count()} users")


class WhoAmIOverHttp(AsyncHttpConsumer):
    async def handle(self, body):
        await self.send_response(200, self.scope["user"].username.encode())


@pytest.fixture
def token() -> str:
    user = User.objects.create_user("anna", password="secret")
    return Token.objects.create(user=user).key


def headers(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Token {token}".encode())]


async def test_header_message_group_and_end(token: str) -> None:
    application = DRFAuthTokenMiddlewareStack(WhoAmI.as_asgi())
    client = WebsocketCommunicator(application, "/", headers=headers(token))
    assert await client.connect() == (True, None)
    await client.send_json_to("hello")
    assert await client.receive_json_from() == {"user": "anna", "said": "hello"}
    layer = get_channel_layer()
    await layer.group_send("everybody", {"type": "greeting", "text": "good morning"})
    assert await client.receive_json_from() == {"greeting": "good morning", "user": "anna"}
    await client.disconnect()
    assert layer.groups == {}


async def test_query_string(token: str) -> None:
    application = QueryStringDRFAuthTokenMiddleware(WhoAmI.as_asgi())
    async with WebsocketCommunicator(application, f"/?token={token}") as client:
        await client.send_json_to(1)
        assert await client.receive_json_from() == {"user": "anna", "said": 1}


async def test_a_wrong_token_is_nobody(token: str) -> None:
    application = DRFAuthTokenMiddlewareStack(WhoAmI.as_asgi())
    async with WebsocketCommunicator(application, "/", headers=headers("0" * 40)) as client:
        await client.send_json_to(1)
        assert await client.receive_json_from() == {"user": "", "said": 1}


async def test_behind_the_session_and_before_a_sync_consumer(token: str) -> None:
    """The user whom Channels' own stack did not find, the token's middleware finds."""
    application = AuthMiddlewareStack(DRFAuthTokenMiddlewareStack(WhoAmISync.as_asgi()))
    async with WebsocketCommunicator(application, "/", headers=headers(token)) as client:
        await client.send_to("?")
        assert await client.receive_from() == "anna: 1 users"


async def test_a_subclass_of_our_own(token: str) -> None:
    class FromCookie(CookieAuthTokenMiddleware):
        cookie_name = "token"
        token_regex = "[0-9a-f]{40}"

        async def get_user_instance(self, token_key):
            found = await Token.objects.select_related("user").aget(key=token_key)
            return found.user

    cookie = [(b"cookie", f"a=b; token={token}".encode())]
    async with WebsocketCommunicator(FromCookie(WhoAmI.as_asgi()), "/", headers=cookie) as client:
        await client.send_json_to(1)
        assert await client.receive_json_from() == {"user": "anna", "said": 1}


async def test_over_http(token: str) -> None:
    application = ProtocolTypeRouter(
        {"http": DRFAuthTokenMiddlewareStack(WhoAmIOverHttp.as_asgi())}
    )
    client = HttpCommunicator(application, "GET", "/", headers=headers(token))
    response = await client.get_response()
    assert (response["status"], response["body"]) == (200, b"anna")
