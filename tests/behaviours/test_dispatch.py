"""From an event to its handler: names, overrides, order."""

import asyncio
from typing import Any

import pytest

from channels.consumer import AsyncConsumer, SyncConsumer, get_handler_name
from channels.exceptions import StopConsumer
from channels.layers import get_channel_layer
from tests.behaviours.lines import behaviour
from tests.behaviours.plain import AsyncPlain, SyncPlain
from tests.behaviours.tools import Message, run, turns

SCOPE = {"type": "test"}
both = pytest.mark.parametrize("consumer", [AsyncPlain, SyncPlain])


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("websocket.receive", "websocket_receive"),
        ("chat_message", "chat_message"),
        ("a.b.c", "a_b_c"),
        ("send-it", "send-it"),
    ],
)
@behaviour("Consumers: dispatch takes the type with '.' turned into '_' as the handler's name")
def test_handler_name(type_: str, name: str) -> None:
    assert get_handler_name({"type": type_}) == name


@pytest.mark.parametrize("type_", ["_private", "._odd", ".odd", "_"])
@behaviour("Consumers: a leading '_' is ValueError('Malformed type ...')")
def test_leading_underscore(type_: str) -> None:
    with pytest.raises(ValueError) as caught:
        get_handler_name({"type": type_})
    assert str(caught.value) == "Malformed type in message (leading underscore)"


@behaviour("Consumers: a message without type is ValueError")
def test_no_type() -> None:
    with pytest.raises(ValueError) as caught:
        get_handler_name({"text": "hello"})
    assert str(caught.value) == "Incoming message has no 'type' attribute"


@both
@behaviour(
    "Consumers: an unknown type is ValueError('No handler for message type ...') and ends it"
)
async def test_unknown_type(consumer: type[AsyncConsumer]) -> None:
    client = await run(consumer.as_asgi(), SCOPE, {"type": "test.unheard"})
    with pytest.raises(ValueError) as caught:
        await client.wait()
    assert str(caught.value) == "No handler for message type test.unheard"
    assert client.future.done()


@both
@behaviour("Consumers: an unknown type from the layer ends the consumer in the same way")
async def test_unknown_type_from_the_layer(consumer: type[AsyncConsumer]) -> None:
    class Joins(consumer):  # type: ignore[misc, valid-type]
        if issubclass(consumer, SyncConsumer):

            def test_name(self, message: Message) -> None:
                self.send({"type": "test.name", "name": self.channel_name})

        else:

            async def test_name(self, message: Message) -> None:
                await self.send({"type": "test.name", "name": self.channel_name})

    client = await run(Joins.as_asgi(), SCOPE, {"type": "test.name"})
    name = (await client.receive_output())["name"]
    layer = get_channel_layer()
    await layer.send(name, {"type": "test.unheard"})
    with pytest.raises(ValueError) as caught:
        await client.wait()
    assert str(caught.value) == "No handler for message type test.unheard"


@both
@behaviour("Consumers: a message from the layer goes to the handler of its type")
async def test_layer_message(consumer: type[AsyncConsumer]) -> None:
    class Joins(consumer):  # type: ignore[misc, valid-type]
        if issubclass(consumer, SyncConsumer):

            def test_name(self, message: Message) -> None:
                self.send({"type": "test.name", "name": self.channel_name})

        else:

            async def test_name(self, message: Message) -> None:
                await self.send({"type": "test.name", "name": self.channel_name})

    client = await run(Joins.as_asgi(), SCOPE, {"type": "test.name"})
    name = (await client.receive_output())["name"]
    await get_channel_layer().send(name, {"type": "test.ping", "said": [1, {"two": None}]})
    assert await client.receive_output() == {"type": "test.pong", "said": [1, {"two": None}]}
    await client.send_input({"type": "test.stop"})
    await client.wait()


@both
@behaviour("Consumers: dispatch may be overridden; it sees every message, known or not")
async def test_override_dispatch(consumer: type[AsyncConsumer]) -> None:
    seen: list[str] = []

    class Filters(consumer):  # type: ignore[misc, valid-type]
        if issubclass(consumer, SyncConsumer):
            # Upstream's synchronous dispatch is awaited by the loop: wrappers are coroutines.
            async def dispatch(self, message: Message) -> None:
                seen.append(message["type"])
                if message["type"] != "test.unheard":
                    await super().dispatch(message)

        else:

            async def dispatch(self, message: Message) -> None:
                seen.append(message["type"])
                if message["type"] != "test.unheard":
                    await super().dispatch(message)

    client = await run(
        Filters.as_asgi(), SCOPE, {"type": "test.unheard"}, {"type": "test.ping", "said": 1}
    )
    assert await client.receive_output() == {"type": "test.pong", "said": 1}
    await client.send_input({"type": "test.stop"})
    await client.wait()
    assert seen == ["test.unheard", "test.ping", "test.stop"]


@behaviour("Consumers: send may be overridden, and super().send takes a raw ASGI dict")
async def test_override_send() -> None:
    class Stamps(AsyncPlain):
        async def send(self, message: Message) -> None:
            await super().send({**message, "stamp": 7})

    client = await run(Stamps.as_asgi(), SCOPE, {"type": "test.ping"}, {"type": "test.stop"})
    assert await client.receive_output() == {"type": "test.pong", "said": None, "stamp": 7}
    await client.wait()


@behaviour(
    "Consumers: a synchronous send may be overridden, and super().send takes a raw ASGI dict"
)
async def test_override_send_sync() -> None:
    class Stamps(SyncPlain):
        def send(self, message: Message) -> None:
            super().send({**message, "stamp": 7})

    client = await run(Stamps.as_asgi(), SCOPE, {"type": "test.ping"}, {"type": "test.stop"})
    assert await client.receive_output() == {"type": "test.pong", "said": None, "stamp": 7}
    await client.wait()


@behaviour("Consumers: __call__ may be overridden around super().__call__")
async def test_override_call() -> None:
    order: list[str] = []

    class Wraps(AsyncPlain):
        async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
            order.append("before")
            await super().__call__({**scope, "extra": 1}, receive, send)
            order.append("after")

        async def test_ping(self, message: Message) -> None:
            order.append(f"extra={self.scope['extra']}")

    client = await run(Wraps.as_asgi(), SCOPE, {"type": "test.ping"}, {"type": "test.stop"})
    await client.wait()
    assert order == ["before", "extra=1", "after"]


@behaviour("Consumers: an override of __call__ without super() is the application")
async def test_replace_call() -> None:
    class Own(AsyncConsumer):
        async def __call__(self, scope: Message, receive: Any, send: Any) -> str:
            await send({"type": "test.own", "heard": (await receive())["type"]})
            return "done"

    client = await run(Own.as_asgi(), SCOPE, {"type": "anything"})
    assert await client.receive_output() == {"type": "test.own", "heard": "anything"}
    await client.wait()
    assert client.future.result() == "done"


@behaviour("Consumers: handling is strictly sequential, however slow one handler is")
async def test_sequential() -> None:
    order: list[str] = []
    go_on = asyncio.Event()

    class Slow(AsyncPlain):
        async def test_slow(self, message: Message) -> None:
            order.append("slow starts")
            await go_on.wait()
            order.append("slow ends")

        async def test_fast(self, message: Message) -> None:
            order.append("fast")

    client = await run(
        Slow.as_asgi(), SCOPE, {"type": "test.slow"}, {"type": "test.fast"}, {"type": "test.stop"}
    )
    await turns()
    assert order == ["slow starts"]
    go_on.set()
    await client.wait()
    assert order == ["slow starts", "slow ends", "fast"]


class Ordered(AsyncConsumer):
    """Blocks in one kind of handler until the test lets it go, and says what it handled."""

    def __init__(self, gate: asyncio.Event, order: list[str]) -> None:
        self.gate, self.order = gate, order

    async def test_name(self, message: Message) -> None:
        await self.send({"type": "test.name", "name": self.channel_name})

    async def test_block(self, message: Message) -> None:
        self.order.append("block")
        await self.gate.wait()

    async def test_client(self, message: Message) -> None:
        self.order.append("client")

    async def test_layer(self, message: Message) -> None:
        self.order.append("layer")

    async def test_stop(self, message: Message) -> None:
        raise StopConsumer


@pytest.mark.parametrize(
    ("blocked_by", "then"),
    [("layer", ["block", "client", "layer"]), ("client", ["block", "layer", "client"])],
)
@behaviour("Consumers: client and layer events take turns when both are ready")
async def test_turns(blocked_by: str, then: list[str]) -> None:
    gate, order = asyncio.Event(), list[str]()
    client = await run(Ordered.as_asgi(gate=gate, order=order), SCOPE, {"type": "test.name"})
    name = (await client.receive_output())["name"]
    layer = get_channel_layer()
    if blocked_by == "layer":
        await layer.send(name, {"type": "test.block"})
    else:
        await client.send_input({"type": "test.block"})
    await turns()
    assert order == ["block"]
    await layer.send(name, {"type": "test.layer"})
    await client.send_input({"type": "test.client"})
    await turns()
    gate.set()
    await turns()
    await client.send_input({"type": "test.stop"})
    await client.wait()
    assert order == then


@behaviour("Consumers: the client's event is looked at before the layer's when both are ready")
async def test_client_first() -> None:
    order: list[str] = []
    client = await run(
        Ordered.as_asgi(gate=asyncio.Event(), order=order), SCOPE, {"type": "test.name"}
    )
    name = (await client.receive_output())["name"]
    await turns()
    # Both arrive while the consumer is idle, in the same turn of the loop, the layer's first.
    await get_channel_layer().send(name, {"type": "test.layer"})
    await client.send_input({"type": "test.client"})
    await turns()
    await client.send_input({"type": "test.stop"})
    await client.wait()
    assert order == ["client", "layer"]


@behaviour("Consumers: a handler that is not callable for the type is not found")
async def test_falsy_attribute_is_no_handler() -> None:
    class Empty(AsyncConsumer):
        test_nothing = None

    client = await run(Empty.as_asgi(), SCOPE, {"type": "test.nothing"})
    with pytest.raises(ValueError, match="No handler for message type"):
        await client.wait()
