"""The tutorials' code samples run as they were published."""

import asyncio
import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.urls import path

from channels.layers import channel_layers, get_channel_layer
from channels.routing import URLRouter
from channels.testing import ApplicationCommunicator, WebsocketCommunicator
from tests.seeds import async_echo, async_websocket, http, sync_echo, sync_websocket
from tests.seeds.json_guide import answering, consumers, routing, skeleton

Message = dict[str, Any]


@pytest.fixture(autouse=True)
def own_layer() -> None:
    channel_layers.backends.clear()


async def connected(app: Any, path_: str = "/", **scope: Any) -> WebsocketCommunicator:
    client = WebsocketCommunicator(app, path_)
    client.scope.update(scope)
    assert await client.connect() == (True, None)
    return client


# Echo, without a disconnect handler


@pytest.mark.parametrize("module", [sync_echo, async_echo])
async def test_echo(module: Any) -> None:
    client = await connected(module.EchoConsumer.as_asgi())
    for text in ("hello", "世界"):
        await client.send_to(text_data=text)
        assert await client.receive_from() == text
    await client.disconnect()
    assert client.future.done()
    assert client.future.exception() is None


# WebsocketConsumer and AsyncWebsocketConsumer, every call in a row

websocket_samples = pytest.mark.parametrize("module", [sync_websocket, async_websocket])


@websocket_samples
async def test_accept_accept_close(module: Any) -> None:
    """`accept()`, `accept("subprotocol")`, `close()`: accepted once, then closed."""
    client = WebsocketCommunicator(module.MyConsumer.as_asgi(), "/", subprotocols=["subprotocol"])
    assert await client.connect() == (True, None)
    assert await client.receive_output() == {"type": "websocket.close"}
    # A frame that was under way: its answers have nowhere to go, and nothing fails.
    await client.send_to(text_data="late")
    assert await client.receive_nothing(timeout=0.05)
    await client.disconnect(1000)
    assert client.future.exception() is None
    assert get_channel_layer().groups == {}


@websocket_samples
async def test_every_kind_of_send(module: Any) -> None:
    """`receive()` as published, behind a `connect()` that only accepts."""

    class Open(module.MyConsumer):  # type: ignore[misc, name-defined]
        connect = next(c for c in module.MyConsumer.__mro__[1:] if "connect" in vars(c)).connect

    client = await connected(Open.as_asgi())
    await client.send_to(text_data="anything")
    assert await client.receive_from() == "Hello world!"
    assert await client.receive_from() == b"Hello world!"
    # The first close counts; the second, with its code, comes too late.
    assert await client.receive_output() == {"type": "websocket.close"}
    assert await client.receive_nothing(timeout=0.05)
    await client.disconnect()
    assert client.future.exception() is None


# AsyncHttpConsumer


class Clock:
    """Stands in for `asyncio` in the samples: their sleeps end when the test says so."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.ticks: asyncio.Queue[None] = asyncio.Queue()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self.ticks.get()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(http, "asyncio", SimpleNamespace(sleep=clock.sleep))
    return clock


async def request(consumer: Any) -> ApplicationCommunicator:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    client = ApplicationCommunicator(consumer.as_asgi(), scope)
    await client.send_input({"type": "http.request", "body": b""})
    return client


async def test_basic_response(clock: Clock) -> None:
    client = await request(http.BasicHttpConsumer)
    assert await client.receive_nothing(timeout=0.02)
    assert clock.asked == [10]
    clock.ticks.put_nowait(None)
    assert await client.receive_output() == {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"Content-Type", b"text/plain")],
    }
    assert await client.receive_output() == {
        "type": "http.response.body",
        "body": b"Your response bytes",
        "more_body": False,
    }
    await client.wait()


async def test_long_poll() -> None:
    class Joins(http.LongPollConsumer):
        """The sample leaves open how its messages find it: by a group, as elsewhere."""

        async def handle(self, body: bytes) -> None:
            await self.channel_layer.group_add("poll", self.channel_name)
            await super().handle(body)

    client = await request(Joins)
    start = await client.receive_output()
    assert start["headers"] == [(b"Content-Type", b"application/json")]
    assert await client.receive_output() == {
        "type": "http.response.body",
        "body": b"",
        "more_body": True,
    }
    assert await client.receive_nothing(timeout=0.02)
    message = {"type": "chat.message", "text": "news"}
    await get_channel_layer().group_send("poll", message)
    final = await client.receive_output()
    assert json.loads(final["body"]) == message
    assert final["more_body"] is False
    await client.wait()
    assert not client.future.cancelled()
    assert get_channel_layer().groups == {}


async def test_long_poll_abandoned() -> None:
    client = await request(http.LongPollConsumer)
    for _ in range(2):
        await client.receive_output()
    await client.send_input({"type": "http.disconnect"})
    await client.wait()
    assert not client.future.cancelled()
    assert client.future.exception() is None


async def test_server_sent_events(clock: Clock) -> None:
    client = await request(http.ServerSentEventsConsumer)
    start = await client.receive_output()
    # The server frames the response; Transfer-Encoding of our own would frame it twice.
    assert start["headers"] == [
        (b"Cache-Control", b"no-cache"),
        (b"Content-Type", b"text/event-stream"),
    ]
    for _ in range(3):
        part = await client.receive_output()
        assert re.fullmatch(rb"data: \d{4}-\d\d-\d\dT[\d:.]+\n\n", part["body"])
        assert part["more_body"] is True
        clock.ticks.put_nowait(None)
    assert set(clock.asked) == {1}
    await client.send_input({"type": "http.disconnect"})
    await client.wait()
    assert not client.future.cancelled()
    assert client.future.exception() is None


# The JSON guide


async def test_json_skeleton() -> None:
    """Nothing is accepted yet, and nothing fails."""
    client = WebsocketCommunicator(skeleton.MyConsumer.as_asgi(), "/")
    await client.send_input({"type": "websocket.connect"})
    await client.send_input({"type": "websocket.receive", "text": "{}"})
    assert await client.receive_nothing(timeout=0.05)
    await client.disconnect()
    assert client.future.exception() is None


async def test_json_anonymous_is_denied() -> None:
    """`close()` and, further down, `accept()` all the same."""
    app = URLRouter(routing.websocket_urlpatterns)
    client = WebsocketCommunicator(app, "/ws/my_group/")
    client.scope["user"] = AnonymousUser()
    assert await client.connect() == (False, 1000)
    assert await client.receive_nothing(timeout=0.05)
    await client.disconnect(1006)
    assert client.future.exception() is None
    assert get_channel_layer().groups == {}


async def test_json_group() -> None:
    app = URLRouter(routing.websocket_urlpatterns)
    ann = await connected(app, "/ws/my_group/", user=User(username="ann"))
    bob = await connected(app, "/ws/my_group/", user=User(username="bob"))
    await ann.send_json_to({"type": "message", "content": "Hello, server!"})
    for client in (ann, bob):
        assert await client.receive_json_from() == {
            "type": "response",
            "content": "response_message",
        }
    await ann.disconnect()
    assert len(get_channel_layer().groups["my_group"]) == 1
    await bob.disconnect()
    assert get_channel_layer().groups == {}


async def test_json_script_of_the_page() -> None:
    """What the tutorial's JavaScript sends and prints."""
    app = URLRouter([path("ws/<str:group_name>/", answering.MyConsumer.as_asgi())])
    client = await connected(app, "/ws/my_group/", user=User(username="ann"))
    await client.send_json_to({"type": "message", "content": "Hello, server!"})
    assert (await client.receive_json_from())["content"] == "Message received: Hello, server!"
    await client.send_json_to({"type": "something else"})
    assert await client.receive_nothing(timeout=0.02)
    await client.disconnect()
    assert issubclass(answering.MyConsumer, consumers.MyConsumer)
