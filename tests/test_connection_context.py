"""Context variables: one connection's handlers share them, whatever lane they run in."""

import asyncio
import contextvars
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.local import Local
from asgiref.sync import sync_to_async
from django.utils import translation

from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import channel_layers, get_channel_layer
from channels.layers.senders import Sender, sender
from channels.typing import Message
from tests.behaviours.tools import written_for
from tests.client import CONNECT, Client, frame, leave, request

Steps = Iterator[Any]
families = pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
pushed_or_pumped = pytest.mark.parametrize("pumped", [False, True], ids=["pushed", "pumped"])
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
local = Local()


def say(self: Any) -> str:
    return f"{variable.get()} {getattr(local, 'value', 'unset')} {translation.get_language()}"


def change(value: str) -> None:
    variable.set(value)
    local.value = value


def connect(self: Any) -> Steps:
    change(f"connect {self.scope['path']}")
    translation.activate("de")
    yield self.accept()


def receive(self: Any, text_data: str) -> Steps:
    yield self.send(say(self))
    change(text_data)


def note(self: Any, event: Message) -> Steps:
    yield self.send(say(self))
    change(event["value"])


def disconnect(self: Any, code: int) -> Steps:
    self.last.append(say(self))
    yield None


def consumer(base: type, last: list[str] | None = None) -> Any:
    body = {"connect": connect, "receive": receive, "note": note, "disconnect": disconnect}
    return written_for(base, groups=["room"], last=[] if last is None else last, **body).as_asgi()  # type: ignore[attr-defined]


@pytest.fixture
def layer(pumped: bool) -> Any:
    made = channel_layers.make_backend("default")
    if pumped:
        made.attach = lambda channel, wake: None
    channel_layers.set("default", made)
    yield made
    del channel_layers.backends["default"]


@families
@pushed_or_pumped
async def test_handlers_of_both_lanes_see_what_the_last_one_left(base: type, layer: Any) -> None:
    last: list[str] = []
    variable.set("sender")
    async with Client(consumer(base, last), CONNECT, scope={"type": "x", "path": "/a"}) as client:
        await client.answers(1)
        await layer.group_send("room", {"type": "note", "value": "layer 1"})
        await client.answers(2)
        await layer.group_send("room", {"type": "note", "value": "layer 2"})
        await client.answers(3)
        client.says(frame("client 1"))
        await client.answers(4)
        client.says(frame("client 2"))
        await client.answers(5)
        await layer.group_send("room", {"type": "note", "value": "layer 3"})
        await client.answers(6)
        client.says(leave())
        await client.ended()
    values = ["connect /a", "layer 1", "layer 2", "client 1", "client 2", "layer 3"]
    expected = [f"{value} {value} de" for value in values]
    assert [*client.texts, *last] == expected
    assert variable.get() == "sender"
    assert translation.get_language() != "de"


@families
@pushed_or_pumped
async def test_connections_are_apart_and_from_the_sender(base: type, layer: Any) -> None:
    application = consumer(base)

    async def served(scope: Any, receive: Any, send: Any) -> None:
        await application(scope, receive, send)

    scopes = [{"type": "x", "path": path} for path in ("/a", "/b")]
    async with (
        Client(served, CONNECT, scope=scopes[0]) as first,
        Client(served, CONNECT, scope=scopes[1]) as second,
    ):
        for client in (first, second):
            await client.answers(1)
        variable.set("sender")
        await layer.group_send("room", {"type": "note", "value": "both"})
        for client in (first, second):
            await client.answers(2)
        first.says(frame("mine"))
        await first.answers(3)
        second.says(frame("ask"))
        await second.answers(3)
        for client in (first, second):
            client.says(leave())
            await client.ended()
    assert first.texts == ["connect /a connect /a de", "both both de"]
    assert second.texts == ["connect /b connect /b de", "both both de"]


@families
@pushed_or_pumped
async def test_a_connection_is_one_sender_and_another_than_its_server(
    base: type, layer: Any
) -> None:
    """As the Redis layer has it: what one sender sends by several servers is put in order."""
    senders: list[list[Sender]] = []

    def connect(self: Any) -> Steps:
        self.senders = [sender()]
        senders.append(self.senders)
        yield self.accept()

    def receive(self: Any, text_data: str) -> Steps:
        self.senders.append(sender())
        yield self.send("frame")

    def note(self: Any, event: Message) -> Steps:
        self.senders.append(sender())
        yield self.send("note")

    made = written_for(base, groups=["room"], connect=connect, receive=receive, note=note)
    of_server = sender()
    scope = {"type": "x", "path": "/"}
    async with (
        Client(made.as_asgi(), CONNECT, scope=scope) as first,
        Client(made.as_asgi(), CONNECT, scope=scope) as second,
    ):
        for client in (first, second):
            await client.answers(1)
        await layer.group_send("room", {"type": "note"})
        for client in (first, second):
            await client.answers(2)
            client.says(frame("text"))
            await client.answers(3)
            client.says(leave())
            await client.ended()
    assert list(map(len, senders)) == [3, 3]
    assert list(map(len, map(set, senders))) == [1, 1]
    assert len({of_server, *senders[0], *senders[1]}) == 3
    assert sender() is of_server


@pytest.mark.parametrize("fails", ["receive", "note"])
async def test_disconnect_sees_what_the_handler_left_that_failed(fails: str) -> None:
    seen: list[str] = []

    class Fails(AsyncWebsocketConsumer):
        groups = ["room"]

        async def receive(self, **_: Any) -> None:
            variable.set("receive")
            raise ValueError("mine")

        async def note(self, event: Message) -> None:
            variable.set("note")
            raise ValueError("mine")

        async def disconnect(self, code: int) -> None:
            seen.append(variable.get())

    async with Client(Fails(), CONNECT) as client:
        await client.answers(1)
        if fails == "note":
            await get_channel_layer().group_send("room", {"type": "note"})
        else:
            client.says(frame("x"))
        with pytest.raises(ValueError, match="mine"):
            await client.ended()
    assert seen == [fails]


async def test_what_middleware_set_is_there_in_every_handler() -> None:
    application = consumer(AsyncWebsocketConsumer)

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        outer.set("middleware")
        await application(scope, receive, send)

    outer: contextvars.ContextVar[str] = contextvars.ContextVar("outer", default="unset")
    seen: list[str] = []
    real = application.consumer_class.note

    async def look(self: Any, event: Message) -> None:
        seen.append(outer.get())
        await real(self, event)

    application.consumer_class.note = look
    async with Client(middleware, CONNECT) as client:
        await client.answers(1)
        await get_channel_layer().group_send("room", {"type": "note", "value": "x"})
        await client.answers(2)
        client.says(leave())
        await client.ended()
    assert seen == ["middleware"]


async def test_threads_of_the_connection_see_it_too() -> None:
    class Asks(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            variable.set("connect")
            await self.accept()

        async def receive(self, **_: Any) -> None:
            await self.send(await sync_to_async(variable.get)())
            await sync_to_async(variable.set)("thread")
            await self.send(variable.get())

    async with Client(Asks(), CONNECT, frame("x"), leave()) as client:
        await client.ended()
    assert client.texts == ["connect", "thread"]


async def test_handle_sees_what_came_before_it() -> None:
    """``handle`` runs in a task of its own, with a copy of the connection's context."""

    class Asks(AsyncHttpConsumer):
        async def http_request(self, message: Message) -> None:
            variable.set("http_request")
            await super().http_request(message)

        async def handle(self, body: bytes) -> None:
            await self.send_response(200, variable.get().encode())

    async with Client(Asks(), request()) as client:
        await client.ended()
    assert client.sent[1]["body"] == b"http_request"
    assert asyncio.current_task() is not None
