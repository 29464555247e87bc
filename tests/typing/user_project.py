"""The asgi.py, the middleware, the layer and the tests of an application."""

from typing import Any, assert_type

from django.core.asgi import get_asgi_application
from django.urls import path, re_path

from channels.auth import AuthMiddlewareStack
from channels.draining import Drained, drain
from channels.layers import BaseChannelLayer, InMemoryChannelLayer
from channels.layers.log import Position
from channels.middleware import BaseMiddleware
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator, OriginValidator
from channels.sessions import SessionMiddlewareStack
from channels.testing import HttpCommunicator, WebsocketCommunicator
from channels.typing import ASGIApplication, Message, Receive, Scope, Send
from tests.typing.user_consumers import Chat, Feed, SyncEcho


class TokenMiddleware(BaseMiddleware):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        return await super().__call__({**scope, "token": ""}, receive, send)


class QueryMiddleware:
    """Written without a base class, as tutorials do."""

    def __init__(self, app: ASGIApplication) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        return await self.app(scope, receive, send)


routes = URLRouter([path("ws/<slug:room>/", Chat.as_asgi(), name="chat")])
application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                path("feed/", Feed.as_asgi()),
                # Django's stubs know of views here, not of Django's own ASGI application.
                re_path(r"", get_asgi_application()),  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
            ],
        ),
        "websocket": AllowedHostsOriginValidator(
            SessionMiddlewareStack(
                AuthMiddlewareStack(TokenMiddleware(QueryMiddleware(URLRouter([path("", routes)]))))
            )
        ),
        "channel": ChannelNameRouter({"thumbnails": SyncEcho.as_asgi()}),
    }
)
validated = OriginValidator(routes, [".example.com"], allow_missing_origin=True)


class RecordingLayer(BaseChannelLayer):
    extensions = ["groups"]

    async def send(self, channel: str, message: Message) -> None:
        self.require_valid_channel_name(channel)

    async def receive(self, channel: str) -> Message:
        return {"type": "nothing"}

    async def new_channel(self, prefix: str = "specific.") -> str:
        return prefix + "1"


async def use_a_layer() -> None:
    layer = InMemoryChannelLayer(capacity=10, channel_capacity={"chat.*": 5})
    assert_type(await layer.group_send("lobby", {"type": "x"}), Position)
    assert_type(await layer.new_channel(), str)


async def test_the_project() -> None:
    async with WebsocketCommunicator(application, "/ws/tea/", headers=[(b"a", b"b")]) as client:
        connected, _ = await client.connect()
        assert_type(connected, bool)
        await client.send_json_to({"text": "hello"})
        assert_type(await client.receive_from(), str | bytes)
        assert_type(await client.receive_nothing(), bool)
    response = await HttpCommunicator(application, "GET", "/feed/").get_response()
    assert response["status"] == 200


async def stop_serving() -> None:
    """Where there is no lifespan."""
    assert_type(await drain(), Drained)
    assert_type((await drain(seconds=5, deadline=20.5)).late, int)
