"""sentry-sdk: errors and transactions of consumers.

Its integration patches Django's ASGI handler and decides by `channels.__version__` and by the
absence of `channels.http` what there is to patch; its middleware wraps the whole application. It
reports an error with its notes, and so with the consumer, the path and the user.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_settings
from django.urls import path
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.transport import Transport

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.testing import HttpCommunicator, WebsocketCommunicator


class Kept(Transport):
    """Keeps what would be sent to the service."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Any) -> None:
        for item in envelope.items:
            self.events.append(item.payload.json)

    def errors(self) -> list[str]:
        return [
            event["exception"]["values"][-1]["value"]
            for event in self.events
            if "exception" in event
        ]


@pytest.fixture
def kept() -> Iterator[Kept]:
    transport = Kept()
    with warnings.catch_warnings():
        # sentry-sdk itself uses what asyncio and Django deprecate.
        warnings.simplefilter("ignore", DeprecationWarning)
        sentry_sdk.init(
            dsn="http://key@127.0.0.1/1",
            transport=transport,
            traces_sample_rate=1.0,
            integrations=[DjangoIntegration()],
        )
    yield transport
    sentry_sdk.get_client().close()
    sentry_sdk.init()


class Fragile(AsyncWebsocketConsumer):
    groups = ["fragile"]

    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "break":
            raise RuntimeError("broken by the client")
        await self.send(text_data)

    async def group_says(self, event):
        if event["text"] == "break":
            raise RuntimeError("broken by the group")
        await self.send(event["text"])


class FragileSync(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        raise RuntimeError("broken in a thread")


def breaking(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken in a view")


urlpatterns = [path("breaking/", breaking)]


@pytest.fixture
def application(kept: Kept) -> Any:
    sockets = URLRouter([path("a/", Fragile.as_asgi()), path("s/", FragileSync.as_asgi())])
    router = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": sockets})
    return SentryAsgiMiddleware(router)


async def test_messages_pass_and_the_connection_is_a_transaction(
    application: Any, kept: Kept
) -> None:
    client = WebsocketCommunicator(application, "/a/")
    assert await client.connect() == (True, None)
    await client.send_to("hello")
    assert await client.receive_from() == "hello"
    layer = get_channel_layer()
    await layer.group_send("fragile", {"type": "group.says", "text": "hi all"})
    assert await client.receive_from() == "hi all"
    await client.disconnect()
    assert layer.groups == {}
    assert kept.errors() == []
    (transaction,) = kept.events
    assert (transaction["type"], transaction["transaction"]) == ("transaction", "/a/")


@pytest.mark.parametrize(
    ("where", "by_group", "error"),
    [
        ("/a/", False, "broken by the client"),
        ("/a/", True, "broken by the group"),
        ("/s/", False, "broken in a thread"),
    ],
)
async def test_an_error_is_reported_once(
    application: Any, kept: Kept, where: str, by_group: bool, error: str
) -> None:
    client = WebsocketCommunicator(application, where)
    assert await client.connect() == (True, None)
    if by_group:
        message = {"type": "group.says", "text": "break"}
        await get_channel_layer().group_send("fragile", message)
    else:
        await client.send_to("break")
    with pytest.raises(RuntimeError, match=error):
        await client.receive_from()
    (reported,) = kept.errors()
    assert reported.startswith(f"{error}\nIn consumer Fragile")
    assert f"path '{where}'" in reported


@override_settings(ROOT_URLCONF="tests.packages.test_sentry", DEBUG_PROPAGATE_EXCEPTIONS=False)
async def test_django_behind_the_router(application: Any, kept: Kept) -> None:
    response = await HttpCommunicator(application, "GET", "/breaking/").get_response(timeout=5)
    assert response["status"] == 500
    assert kept.errors() == ["broken in a view"]
