"""The base consumers: instances, attributes, endings."""

import asyncio
import functools
import inspect
import logging
from typing import Any

import pytest
from django.test.utils import override_settings

from channels.consumer import AsyncConsumer, SyncConsumer
from channels.exceptions import StopConsumer
from channels.layers import get_channel_layer
from channels.testing import ApplicationCommunicator, WebsocketCommunicator
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.plain import AsyncPlain, SyncPlain
from tests.behaviours.tools import Message, connected, run, turns, websocket_scope

SCOPE = {"type": "test"}


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
