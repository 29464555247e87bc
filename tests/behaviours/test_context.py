"""Context variables: what handlers of one connection share, and nobody else sees."""

import asyncio
import contextvars
from collections.abc import Iterator
from typing import Any

import pytest

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, connected, written_for

Steps = Iterator[Any]
families = pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def connect(self: Any) -> Steps:
    variable.set(f"connect of {self.scope['name']}")
    yield self.accept()


def receive(self: Any, text_data: str) -> Steps:
    yield self.send(variable.get())
    if text_data != "ask":
        variable.set(text_data)


def note(self: Any, event: Message) -> Steps:
    yield self.send(variable.get())
    variable.set("layer handler")


def consumer(base: type) -> Any:
    methods = {"connect": connect, "receive": receive, "note": note}
    return written_for(base, groups=["room"], **methods).as_asgi()


async def ask(client: Any, text: str = "ask") -> str:
    await client.send_to(text_data=text)
    return await client.receive_from()


@families
@behaviour("Context: what connect() sets is there in later handlers of the connection")
async def test_connect_sets(base: type) -> None:
    async with connected(consumer(base), scope={"name": "ann"}) as client:
        assert await ask(client) == "connect of ann"


@families
@behaviour("Context: what one handler sets the next sees, be it the client's or the layer's")
async def test_handlers_share(base: type) -> None:
    async with connected(consumer(base), scope={"name": "ann"}) as client:
        assert await ask(client, "client handler") == "connect of ann"
        await get_channel_layer().group_send("room", {"type": "note"})
        assert await client.receive_from() == "client handler"
        assert await ask(client) == "layer handler"


@families
@behaviour("Context: connections do not see each other's")
async def test_connections_apart(base: type) -> None:
    app = consumer(base)
    async with (
        connected(app, scope={"name": "ann"}) as ann,
        connected(app, scope={"name": "bob"}) as bob,
    ):
        await ask(ann, "ann's own")
        assert await ask(bob) == "connect of bob"
        assert await ask(ann) == "ann's own"


@families
@behaviour("Context: a handler never runs in the context of whoever sent the message")
async def test_not_the_senders(base: type) -> None:
    async with connected(consumer(base), scope={"name": "ann"}) as client:
        variable.set("sender")
        await get_channel_layer().group_send("room", {"type": "note"})
        assert await client.receive_from() == "connect of ann"


@families
@behaviour("Context: what middleware sets around the consumer is there in its handlers")
async def test_middleware_sets(base: type) -> None:
    inner = written_for(base, receive=receive).as_asgi()

    async def middleware(scope: Message, receive: Any, send: Any) -> None:
        variable.set("middleware")
        await inner(scope, receive, send)

    async with connected(middleware) as client:
        assert await ask(client) == "middleware"


@behaviour("Context: handlers of the client's events run in the task that called the application")
async def test_same_task() -> None:
    tasks: list[Any] = []

    class Looks(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            tasks.append(asyncio.current_task())
            await self.accept()

        async def receive(self, text_data: str) -> None:  # type: ignore[override]
            tasks.append(asyncio.current_task())

        async def disconnect(self, code: int) -> None:
            tasks.append(asyncio.current_task())

    async with connected(Looks.as_asgi()) as client:
        await client.send_to(text_data="x")
        future = client.future
    assert tasks == [future] * 3


@behaviour("Context: the task that handlers of the layer's messages run in")
@differs(
    upstream="is the one that called the application",
    ours="is a second one of the connection, which takes turns with it and shares its context",
)
async def test_task_of_layer_handlers() -> None:
    tasks: list[Any] = []

    class Looks(AsyncWebsocketConsumer):
        groups = ["room"]

        async def note(self, event: Message) -> None:
            tasks.append(asyncio.current_task())
            await self.send("noted")

    async with connected(Looks.as_asgi()) as client:
        for _ in range(2):
            await get_channel_layer().group_send("room", {"type": "note"})
            await client.receive_from()
        same = tasks[0] is client.future
    assert tasks[0] is tasks[1]
    assert same is expected(upstream=True, ours=False)
