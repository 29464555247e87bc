"""However a connection ends: disconnect once, groups left, one exception, nothing left behind."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils.functional import SimpleLazyObject

from channels.consumer import AsyncConsumer, SyncConsumer
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.typing import Message
from tests.behaviours.tools import written_for
from tests.client import CONNECT, PATIENCE, Client, frame, leave, settle
from tests.failing import Failed, failing, no_task_left, nothing_left, provoke
from tests.sync_calls import entered, making_gates

families = pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with no_task_left():
        yield


# The ends that are not errors.


@families
async def test_the_client_leaves(base: type) -> None:
    application, log = failing(base, "nowhere")
    async with Client(application, CONNECT, frame("x"), leave(4001)) as client:
        assert await client.ended() is None
    assert log == ["connect", 4001]
    assert client.types == ["websocket.accept", "websocket.send"]
    nothing_left()


@families
@pytest.mark.parametrize("where", ["connect", "after accept", "receive", "note", "disconnect"])
async def test_stop_consumer_anywhere_is_a_quiet_end(base: type, where: str) -> None:
    application, log = failing(base, where, StopConsumer())
    async with Client(application, CONNECT) as client:
        await provoke(client, where)
        assert await client.ended() is None
    assert log == ["connect", 4001 if where == "disconnect" else 1000]
    # Some servers leave the client's side open where they are not told.
    closes = [message for message in client.sent if message["type"] == "websocket.close"]
    assert closes == [{"type": "websocket.close", "code": 1000}] * (where != "disconnect")
    nothing_left()


@families
async def test_the_server_denies_itself_a_further_event(base: type) -> None:
    """The loop ends with the disconnect event though its handler raises nothing."""

    def handle(self: Any, message: Message) -> None:
        log.append(message["code"])

    log: list[Any] = []
    plain = SyncConsumer if base is WebsocketConsumer else AsyncConsumer
    if plain is AsyncConsumer:

        async def handle(self: Any, message: Message) -> None:  # type: ignore[no-redef]
            log.append(message["code"])

    consumer = type("Plain", (plain,), {"websocket_disconnect": handle})
    async with Client(consumer(), leave(1001), leave(1002)) as client:
        await client.ended()
        assert client.events.qsize() == 1
    assert log == [1001]


@pytest.mark.parametrize("ending", ["websocket.disconnect", "http.disconnect"])
@pytest.mark.parametrize("plain", [AsyncConsumer, SyncConsumer])
async def test_an_end_that_nobody_handles_is_quiet(plain: Any, ending: str) -> None:
    async with Client(plain(), {"type": ending, "code": 1000}) as client:
        assert await client.ended() is None


async def test_an_end_that_comes_through_the_layer_ends_the_consumer_once() -> None:
    log: list[Any] = []

    class Plain(AsyncConsumer):
        async def websocket_connect(self, event: Message) -> None:
            await self.channel_layer.send(
                self.channel_name, {"type": "websocket.disconnect", "code": 1}
            )

        async def websocket_disconnect(self, event: Message) -> None:
            log.append(event["code"])

    async with Client(Plain(), CONNECT) as client:
        await client.ended()
    assert log == [1]


# Exceptions.


@families
@pytest.mark.parametrize("where", ["connect", "after accept", "receive", "note", "disconnect"])
async def test_an_exception_closes_with_1011_and_leaves_after_the_end(
    base: type, where: str
) -> None:
    error = Failed("mine")
    application, log = failing(base, where, error)
    async with Client(application, CONNECT) as client:
        await provoke(client, where)
        with pytest.raises(Failed) as caught:
            await client.ended()
    assert caught.value is error
    assert log == ["connect", 4001 if where == "disconnect" else 1011]
    closes = [message for message in client.sent if message["type"] == "websocket.close"]
    told = where in ("after accept", "receive", "note")  # else it is not open
    assert closes == [{"type": "websocket.close", "code": 1011}] * told
    assert client.task.cancelling() == 0, "nobody outside cancelled it"
    nothing_left()


async def test_the_client_is_told_before_disconnect_runs() -> None:
    application, log = failing(AsyncWebsocketConsumer, "receive")
    order: list[Any] = []

    class Notes(Client):
        async def send(self, message: Message) -> None:
            order.append((message["type"], list(log)))

    async with Notes(application, CONNECT, frame("x")) as client:
        with pytest.raises(Failed):
            await client.ended()
    assert order == [("websocket.accept", ["connect"]), ("websocket.close", ["connect"])]


async def test_the_note_names_consumer_path_and_user() -> None:
    application, _ = failing(AsyncWebsocketConsumer, "receive")
    user = type("User", (), {"pk": 42})()
    scope = {"type": "websocket", "path": "/ws/lobby/", "user": user}
    async with Client(application, CONNECT, frame("x"), scope=scope) as client:
        with pytest.raises(Failed) as caught:
            await client.ended()
    assert caught.value.__notes__ == [
        "In consumer TriedAsyncWebsocketConsumer, path '/ws/lobby/', user id 42."
    ]


async def test_the_note_does_not_look_a_lazy_user_up() -> None:
    def look_up() -> Any:
        raise AssertionError("the database was asked")

    application, _ = failing(AsyncWebsocketConsumer, "receive")
    scope = {"type": "websocket", "path": "/", "user": SimpleLazyObject(look_up)}
    async with Client(application, CONNECT, frame("x"), scope=scope) as client:
        with pytest.raises(Failed) as caught:
            await client.ended()
    assert "user id None" in caught.value.__notes__[0]


async def test_what_disconnect_raises_after_a_failure_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Both(AsyncWebsocketConsumer):
        async def receive(self, **_: Any) -> None:
            raise Failed("first")

        async def disconnect(self, code: int) -> None:
            raise Failed("second")

    async with Client(Both(), CONNECT, frame("x")) as client:
        with pytest.raises(Failed, match="first"):
            await client.ended()
    (record,) = (r for r in caplog.records if r.levelno >= logging.ERROR)
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "second"
    assert record.name == "django.channels"


async def test_what_disconnect_raises_after_a_quiet_stop_leaves() -> None:
    class Both(AsyncWebsocketConsumer):
        async def receive(self, **_: Any) -> None:
            raise StopConsumer

        async def disconnect(self, code: int) -> None:
            raise Failed("only")

    async with Client(Both(), CONNECT, frame("x")) as client:
        with pytest.raises(Failed, match="only") as caught:
            await client.ended()
    assert caught.value.__notes__


async def test_of_two_failures_the_first_leaves_and_the_other_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The layer's pump fails while a handler of the client is at it, which then fails as well."""
    broken = asyncio.Event()

    class Layer:
        async def new_channel(self) -> str:
            return "x!y"

        async def receive(self, channel: str) -> Message:
            await busy.wait()
            broken.set()
            raise Failed("first")

    busy = asyncio.Event()

    class Both(AsyncConsumer):
        channel_layer_alias = None

        async def websocket_connect(self, event: Message) -> None:
            busy.set()
            await broken.wait()
            await settle()
            raise Failed("second")

    consumer = Both()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("channels.consumer.get_channel_layer", lambda alias: Layer())
        async with Client(consumer, CONNECT) as client:
            with pytest.raises(Failed, match="first"):
                await client.ended()
    (record,) = (r for r in caplog.records if r.levelno >= logging.ERROR)
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "second"


async def test_a_server_that_fails_to_receive_or_send() -> None:
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    error = ConnectionError("gone")

    class Fails(Client):
        async def receive(self) -> Message:
            if self.events.empty():
                raise error
            return await super().receive()

    async with Fails(application, CONNECT) as client:
        with pytest.raises(ConnectionError) as caught:
            await client.ended()
    assert caught.value is error
    assert log == ["connect", 1011]
    nothing_left()


class ServersOwn(OSError):
    """What servers derive from OSError to say that the client has gone."""


@families
@pytest.mark.parametrize("error", [ConnectionResetError("reset"), ServersOwn("gone")])
async def test_a_server_whose_send_says_that_the_client_has_gone(
    base: type, error: OSError
) -> None:
    class Mute(Client):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if message["type"] == "websocket.send":
                raise error

    answers: list[Any] = []

    def receive(self: Any, text_data: str) -> Any:
        for _ in range(3):
            # The first one of a sync consumer goes ahead of the server, which says so later.
            answers.append((yield self.send(text_data)))
            yield self.accept()

    application, log = failing(base, "nowhere")
    consumer = written_for(application.consumer_class, receive=receive)
    async with Mute(consumer.as_asgi(), CONNECT, frame("x"), leave(4001)) as client:
        assert await client.ended() is None
    assert log == ["connect", 4001]
    assert answers[1:] == [False, False]
    # What goes ahead of the server may be answered before the server was asked.
    assert answers[0] is False or base is WebsocketConsumer
    assert client.types == ["websocket.accept", "websocket.send"], "it is not asked again"
    nothing_left()


@pytest.mark.parametrize("finished", [True, False], ids=["finished frame", "by its handler"])
async def test_a_group_member_whose_client_has_gone_is_no_error(finished: bool) -> None:
    class Mute(Client):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if message["type"] == "websocket.send":
                raise BrokenPipeError

    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    async with Mute(application, CONNECT) as client:
        await client.answers(1)
        kind = {"type": "websocket.send", "text": "frame"} if finished else {"type": "note"}
        for _ in range(3):
            await get_channel_layer().group_send("room", dict(kind))
            await settle()
        client.says(leave(4001))
        assert await client.ended() is None
    assert log == ["connect", 4001]
    assert len(client.sent) == 2
    nothing_left()


async def test_an_error_of_the_middleware_around_send_is_an_error() -> None:
    for error in (TimeoutError("slow"), FileNotFoundError("a log"), ValueError("bad")):

        class Wrapped(Client):
            raised = error

            async def send(self, message: Message) -> None:
                await super().send(message)
                if message["type"] == "websocket.send":
                    raise self.raised

        application, log = failing(AsyncWebsocketConsumer, "nowhere")
        async with Wrapped(application, CONNECT, frame("x")) as client:
            with pytest.raises(type(error)):
                await client.ended()
        assert log == ["connect", 1011]


async def test_an_error_of_one_connection_is_nobody_elses() -> None:
    application, _ = failing(AsyncWebsocketConsumer, "receive")
    async with Client(application, CONNECT) as good, Client(application, CONNECT) as bad:
        for client in (good, bad):
            await client.answers(1)
        bad.says(frame("x"))
        with pytest.raises(Failed):
            await bad.ended()
        await get_channel_layer().group_send("room", {"type": "note"})
        await good.answers(2)
        good.says(leave())
        await good.ended()


async def test_no_message_is_handled_while_disconnect_runs_after_a_failure() -> None:
    order: list[Any] = []

    class Says(AsyncWebsocketConsumer):
        groups = ["room"]

        async def receive(self, **_: Any) -> None:
            raise Failed

        async def note(self, event: Message) -> None:
            order.append("note")

        async def disconnect(self, code: int) -> None:
            order.append("disconnect begins")
            await self.channel_layer.send(self.channel_name, {"type": "note"})
            await self.channel_layer.group_send("room", {"type": "note"})
            await settle()
            order.append("disconnect ends")

    async with Client(Says(), CONNECT, frame("x")) as client:
        with pytest.raises(Failed):
            await client.ended()
        await settle()
    assert order == ["disconnect begins", "disconnect ends"]
    nothing_left()


async def test_a_call_of_another_thread_that_comes_after_the_end_starts_nothing() -> None:
    names: list[str] = []

    class Named(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            names.append(self.channel_name)
            await self.accept()

    async with Client(Named(), CONNECT) as client:
        await client.answers(1)
        sender = threading.Thread(
            target=lambda: asyncio.run(
                get_channel_layer().send(names[0], {"type": "websocket.send", "text": ""})
            )
        )
        sender.start()
        sender.join(PATIENCE)
        # The message is in the mailbox; the call that tells of it waits for this loop's next turn.
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    nothing_left()


# Overrides.


@pytest.mark.parametrize("method", ["__call__", "dispatch", "websocket_connect"])
async def test_overrides_around_super_keep_every_promise(method: str) -> None:
    application, log = failing(AsyncWebsocketConsumer, "note")
    base: Any = application.consumer_class
    seen: list[str] = []

    async def around(self: Any, *args: Any) -> None:
        seen.append("before")
        try:
            await getattr(base, method)(self, *args)
        finally:
            seen.append("after")

    async with Client(type("Own", (base,), {method: around})(), CONNECT) as client:
        await provoke(client, "note")
        with pytest.raises(Failed):
            await client.ended()
    assert log == ["connect", 1011]
    assert seen.count("before") == seen.count("after") >= 1
    nothing_left()


async def test_futures_of_the_server_are_awaited_and_cancelled_like_coroutines() -> None:
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Future[Message]] = []
    sent: list[Message] = []

    def receive() -> "asyncio.Future[Message]":
        waiting.append(loop.create_future())
        return waiting[-1]

    def send(message: Message) -> "asyncio.Future[None]":
        sent.append(message)
        future = loop.create_future()
        future.set_result(None)
        return future

    application, log = failing(AsyncWebsocketConsumer, "note")
    task = asyncio.create_task(application({"type": "websocket", "path": "/"}, receive, send))
    await settle()
    waiting[-1].set_result(CONNECT)
    await settle()
    waiting[-1].set_result(frame("x"))
    await settle()
    assert sent[-1]["text"] == "x"
    await get_channel_layer().group_send("room", {"type": "note"})
    with pytest.raises(Failed):
        await task
    assert waiting[-1].cancelled()
    assert log == ["connect", 1011]


async def test_a_handler_that_left_sync_code_behind_does_not_delay_the_end() -> None:
    with making_gates() as make_gate:
        gate = make_gate()
        background: list[asyncio.Task[Any]] = []

        class Starts(AsyncWebsocketConsumer):
            async def receive(self, **_: Any) -> None:
                background.append(asyncio.create_task(sync_to_async(gate)()))

        async with Client(Starts(), CONNECT, frame("x")) as client:
            await entered(gate)
            client.says(leave())
            await client.ended()
        assert not background[0].done()
        gate.released.set()
        await background[0]
