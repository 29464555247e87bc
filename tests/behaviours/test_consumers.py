"""The base consumers: dispatch, attributes, order, endings."""

import asyncio
import functools
import inspect
import logging
from typing import Any

import pytest
from django.test.utils import override_settings

from channels.consumer import AsyncConsumer, SyncConsumer, get_handler_name
from channels.exceptions import StopConsumer
from channels.layers import get_channel_layer
from channels.testing import ApplicationCommunicator, WebsocketCommunicator
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, connected, run, turns, websocket_scope

SCOPE = {"type": "test"}


class AsyncPlain(AsyncConsumer):
    async def test_ping(self, message: Message) -> None:
        await self.send({"type": "test.pong", "said": message.get("said")})

    async def test_stop(self, message: Message) -> None:
        raise StopConsumer


class SyncPlain(SyncConsumer):
    def test_ping(self, message: Message) -> None:
        self.send({"type": "test.pong", "said": message.get("said")})

    def test_stop(self, message: Message) -> None:
        raise StopConsumer


both = pytest.mark.parametrize("consumer", [AsyncPlain, SyncPlain])


@behaviour("Consumers: as_asgi(**initkwargs) makes one instance per connection from its initkwargs")
async def test_one_instance_per_connection() -> None:
    made = []

    class Numbered(AsyncPlain):
        def __init__(self, start: int) -> None:
            self.start = start
            made.append(self)

        async def test_ping(self, message: Message) -> None:
            self.start += 1
            await self.send({"type": "test.pong", "count": self.start})

    app = Numbered.as_asgi(start=10)
    first, second = [await run(app, SCOPE, {"type": "test.ping"}) for _ in range(2)]
    await first.send_input({"type": "test.ping"})
    assert (await first.receive_output())["count"] == 11
    assert (await first.receive_output())["count"] == 12
    assert (await second.receive_output())["count"] == 11
    assert len(made) == 2
    assert made[0] is not made[1]
    for client in (first, second):
        await client.send_input({"type": "test.stop"})
        await client.wait()


@both
@behaviour(
    "Consumers: the callable has consumer_class and consumer_initkwargs, and the class's name"
)
def test_as_asgi_attributes(consumer: type[AsyncConsumer]) -> None:
    app = consumer.as_asgi(colour="blue")
    assert app.consumer_class is consumer
    assert app.consumer_initkwargs == {"colour": "blue"}
    assert app.__name__ == consumer.__name__
    assert app.__doc__ == consumer.__doc__
    assert inspect.iscoroutinefunction(app)


@behaviour("Consumers: initkwargs that the class does not take fail when a connection comes")
async def test_wrong_initkwargs() -> None:
    class Strict(AsyncConsumer):
        def __init__(self) -> None: ...

    app = Strict.as_asgi(colour="blue")
    client = await run(app, SCOPE, {"type": "test.ping"})
    with pytest.raises(TypeError, match="colour"):
        await client.wait()


@both
@behaviour("Consumers: scope, channel_layer, channel_name, channel_receive and base_send are set")
async def test_attributes(consumer: type[AsyncConsumer]) -> None:
    seen: dict[str, Any] = {}

    class Looks(consumer):  # type: ignore[misc, valid-type]
        def look(self) -> None:
            names = ("scope", "channel_layer", "channel_name", "channel_receive", "base_send")
            seen.update({name: getattr(self, name) for name in names})

        if issubclass(consumer, SyncConsumer):

            def test_look(self, message: Message) -> None:
                self.look()
                raise StopConsumer

        else:

            async def test_look(self, message: Message) -> None:
                self.look()
                raise StopConsumer

    scope = {"type": "test", "colour": "blue"}
    client = ApplicationCommunicator(Looks.as_asgi(), scope)
    await client.send_input({"type": "test.look"})
    await client.wait()
    assert seen["scope"]["colour"] == "blue"
    assert seen["channel_layer"] is get_channel_layer()
    assert seen["channel_name"].startswith("specific.")
    assert "!" in seen["channel_name"]
    assert callable(seen["channel_receive"])
    assert callable(seen["base_send"])


@behaviour("Consumers: _sync tells the families apart and channel_layer_alias names the layer")
def test_class_attributes() -> None:
    assert AsyncConsumer._sync is False
    assert SyncConsumer._sync is True
    assert issubclass(SyncConsumer, AsyncConsumer)
    assert AsyncConsumer.channel_layer_alias == "default"


@behaviour("Consumers: channel_receive() gives the next message sent to the consumer's channel")
async def test_channel_receive_reads_the_channel() -> None:
    got: list[Message] = []

    class Asks(AsyncConsumer):
        async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
            self.channel_layer = get_channel_layer()
            self.channel_name = await self.channel_layer.new_channel()
            self.channel_receive = functools.partial(self.channel_layer.receive, self.channel_name)
            await self.channel_layer.send(self.channel_name, {"type": "note", "n": 1})
            got.append(await self.channel_receive())

    client = await run(Asks.as_asgi(), SCOPE)
    await client.wait()
    assert got == [{"type": "note", "n": 1}]


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
@behaviour("Consumers: StopConsumer ends the application silently, and it returns None")
async def test_stop_consumer(
    consumer: type[AsyncConsumer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    client = await run(consumer.as_asgi(), SCOPE, {"type": "test.stop"})
    await client.wait()
    assert client.future.result() is None
    assert client.output_queue.empty()
    assert caplog.records == []


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


@both
@behaviour("Consumers: an unhandled exception leaves the application as it was raised")
async def test_exception_leaves(consumer: type[AsyncConsumer]) -> None:
    boom = RuntimeError("boom")

    class Fails(consumer):  # type: ignore[misc, valid-type]
        if issubclass(consumer, SyncConsumer):

            def test_fail(self, message: Message) -> None:
                raise boom

        else:

            async def test_fail(self, message: Message) -> None:
                raise boom

    client = await run(Fails.as_asgi(), SCOPE, {"type": "test.fail"})
    with pytest.raises(RuntimeError) as caught:
        await client.wait()
    assert caught.value is boom
    assert str(caught.value) == "boom"


@both
@behaviour(
    "Consumers: get_channel_layer() gives None when not configured, and consumers work without"
)
async def test_without_a_layer(consumer: type[AsyncConsumer]) -> None:
    seen: list[Any] = []

    class Looks(consumer):  # type: ignore[misc, valid-type]
        if issubclass(consumer, SyncConsumer):

            def test_look(self, message: Message) -> None:
                seen.append(self.channel_layer)

        else:

            async def test_look(self, message: Message) -> None:
                seen.append(self.channel_layer)

    with override_settings(CHANNEL_LAYERS={}):
        assert get_channel_layer() is None
        client = await run(
            Looks.as_asgi(),
            SCOPE,
            {"type": "test.look"},
            {"type": "test.ping", "said": 1},
            {"type": "test.stop"},
        )
        assert await client.receive_output() == {"type": "test.pong", "said": 1}
        await client.wait()
    assert seen == [None]


@behaviour(
    "Consumers: channel_layer_alias chooses the layer; an alias that is not there gives None"
)
async def test_layer_alias() -> None:
    seen: list[Any] = []

    class Looks(AsyncPlain):
        async def test_look(self, message: Message) -> None:
            seen.append(self.channel_layer)

    class Other(Looks):
        channel_layer_alias = "other"

    class Missing(Looks):
        channel_layer_alias = "missing"

    class Without(Looks):
        channel_layer_alias = None

    memory = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    with override_settings(CHANNEL_LAYERS={"default": memory, "other": memory}):
        for consumer in (Looks, Other, Missing, Without):
            client = await run(
                consumer.as_asgi(), SCOPE, {"type": "test.look"}, {"type": "test.stop"}
            )
            await client.wait()
        assert seen == [get_channel_layer(), get_channel_layer("other"), None, None]
        assert seen[0] is not seen[1]


@behaviour("Consumers: one instance may serve several connections in turn")
async def test_instance_as_application() -> None:
    consumer = AsyncPlain()
    names = []
    for said in (1, 2):
        client = ApplicationCommunicator(consumer, {"type": "test", "n": said})
        await client.send_input({"type": "test.ping", "said": said})
        assert await client.receive_output() == {"type": "test.pong", "said": said}
        assert consumer.scope["n"] == said
        names.append(consumer.channel_name)
        await client.send_input({"type": "test.stop"})
        await client.wait()
    assert names[0] != names[1]


@behaviour("Consumers: __init__ may be overridden without super()")
async def test_init_without_super() -> None:
    class Own(AsyncPlain):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.mine = True

    client = await run(Own.as_asgi(), SCOPE, {"type": "test.ping"}, {"type": "test.stop"})
    assert (await client.receive_output())["type"] == "test.pong"
    await client.wait()


@behaviour("Consumers: receive and send may return Futures")
async def test_futures() -> None:
    loop = asyncio.get_running_loop()
    events = [{"type": "test.ping", "said": 1}, {"type": "test.stop"}]
    sent: list[Message] = []

    def receive() -> asyncio.Future[Message]:
        future = loop.create_future()
        if events:
            loop.call_soon(future.set_result, events.pop(0))
        return future

    def send(message: Message) -> asyncio.Future[None]:
        sent.append(message)
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        return future

    await AsyncPlain.as_asgi()(SCOPE, receive, send)
    assert sent == [{"type": "test.pong", "said": 1}]


@behaviour("Consumers: cancelling the application cancels the handler and leaves as CancelledError")
async def test_cancellation() -> None:
    ends: list[str] = []

    class Waits(AsyncPlain):
        async def test_wait(self, message: Message) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ends.append("cancelled")
                raise

    client = await run(Waits.as_asgi(), SCOPE, {"type": "test.wait"})
    await turns()
    client.future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.future
    assert ends == ["cancelled"]


@behaviour("Consumers: http.disconnect and websocket.disconnect without a handler")
@differs(
    upstream="ends with ValueError('No handler for message type ...')",
    ours="ends quietly",
)
@pytest.mark.parametrize("type_", ["websocket.disconnect", "http.disconnect"])
@both
async def test_disconnect_without_handler(consumer: type[AsyncConsumer], type_: str) -> None:
    client = await run(consumer.as_asgi(), SCOPE, {"type": type_, "code": 1000})
    problem = None
    try:
        await client.wait()
    except ValueError as error:
        problem = str(error)
    assert problem == expected(upstream=f"No handler for message type {type_}", ours=None)
    assert client.future.done()


@behaviour("Consumers: a disconnect handler that does not raise StopConsumer")
@differs(upstream="waits for further events for ever", ours="ends after the disconnect event")
async def test_disconnect_handler_without_stop() -> None:
    class Quiet(AsyncConsumer):
        async def websocket_connect(self, event: Message) -> None:
            await self.send({"type": "websocket.accept"})

        async def websocket_disconnect(self, event: Message) -> None:
            await self.send({"type": "test.bye"})

    client = WebsocketCommunicator(Quiet.as_asgi(), "/")
    await client.connect()
    await client.send_input({"type": "websocket.disconnect", "code": 1001})
    assert await client.receive_output() == {"type": "test.bye"}
    await turns()
    assert client.future.done() is expected(upstream=False, ours=True)
    client.stop()


@behaviour("Consumers: a handler that is not callable for the type is not found")
async def test_falsy_attribute_is_no_handler() -> None:
    class Empty(AsyncConsumer):
        test_nothing = None

    client = await run(Empty.as_asgi(), SCOPE, {"type": "test.nothing"})
    with pytest.raises(ValueError, match="No handler for message type"):
        await client.wait()


@behaviour("Consumers: the scope that the consumer sees is the one it was called with")
async def test_scope_identity() -> None:
    seen: list[Any] = []

    class Looks(AsyncPlain):
        async def websocket_connect(self, message: Message) -> None:
            seen.append(self.scope)
            await self.send({"type": "websocket.accept"})

        async def websocket_disconnect(self, message: Message) -> None:
            raise StopConsumer

    scope = websocket_scope("/x/", user="me")
    async with connected(Looks.as_asgi(), scope=scope) as client:
        assert seen[0] is client.scope
        assert seen[0]["user"] == "me"
