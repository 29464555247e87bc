"""A connection that the server cancels, in every place where it can be."""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any

import pytest
from asgiref.current_thread_executor import CurrentThreadExecutor
from asgiref.sync import AsyncToSync, sync_to_async

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.threads import pool_state
from channels.typing import Message
from tests.behaviours.tools import written_for
from tests.client import CONNECT, Client, frame, leave, settle
from tests.failing import Failed, Steps, failing, no_task_left, nothing_left, provoke
from tests.sync_calls import Gate, entered, making_gates

families = pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with no_task_left():
        yield


@families
@pytest.mark.parametrize("stage", ["receive()", "a handler", "a layer handler", "connect"])
async def test_cancelled_anywhere_it_leaves_as_cancelled_after_the_end(
    base: type, stage: str
) -> None:
    log: list[Any] = []
    inside = asyncio.Event()
    loop = asyncio.get_running_loop()

    with making_gates() as make_gate:
        gate = make_gate()

        async def wait_async() -> None:
            inside.set()
            await asyncio.Event().wait()

        def wait_sync() -> None:
            loop.call_soon_threadsafe(inside.set)
            gate()

        wait = wait_sync if base is WebsocketConsumer else wait_async

        def connect(self: Any) -> Steps:
            yield self.accept()
            if stage == "connect":
                yield wait()

        def handler(self: Any, *_: Any, **__: Any) -> Steps:
            yield wait()

        def disconnect(self: Any, code: int) -> Steps:
            log.append(code)
            yield None

        consumer = written_for(
            base,
            groups=["room"],
            connect=connect,
            receive=handler,
            note=handler,
            disconnect=disconnect,
        )
        async with Client(consumer(), CONNECT) as client:
            await client.answers(1)
            if stage == "a handler":
                client.says(frame("x"))
            elif stage == "a layer handler":
                await get_channel_layer().group_send("room", {"type": "note"})
            if stage != "receive()":
                await inside.wait()
            await settle()
            client.task.cancel()
            await settle()
            gate.released.set()
            with pytest.raises(asyncio.CancelledError):
                await client.ended()
        assert client.task.cancelled()
        assert log == [1006]
        assert "websocket.close" not in client.types
        nothing_left()


async def test_cancelled_while_it_waits_for_its_turn() -> None:
    """The client's event is there, a handler of the layer is at it, and the server cancels."""
    log: list[Any] = []
    inside, go_on = asyncio.Event(), asyncio.Event()

    class Slow(AsyncWebsocketConsumer):
        groups = ["room"]

        async def note(self, event: Message) -> None:
            inside.set()
            try:
                await go_on.wait()
            finally:
                log.append("note is over")

        async def receive(self, **_: Any) -> None:
            log.append("received")

        async def disconnect(self, code: int) -> None:
            log.append(code)

    for in_the_same_turn in (False, True):
        log.clear()
        inside.clear()
        go_on.clear()
        async with Client(Slow(), CONNECT) as client:
            await client.answers(1)
            await get_channel_layer().group_send("room", {"type": "note"})
            await inside.wait()
            client.says(frame("x"))
            await settle()
            if in_the_same_turn:
                go_on.set()
            client.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await client.ended()
        assert log == ["note is over", 1006]


async def test_cancelled_at_every_step_disconnect_runs_at_most_once() -> None:
    """Walk through the whole life of a connection and cancel it after each step of the loop."""
    completed = 0
    for step in range(60):
        log: list[Any] = []

        class Walks(AsyncWebsocketConsumer):
            groups = ["room", "other"]
            log_ = log

            async def connect(self) -> None:
                await asyncio.sleep(0)
                await self.accept()

            async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
                await asyncio.sleep(0)
                await self.channel_layer.group_send("room", {"type": "note"})
                await asyncio.sleep(0)

            async def note(self, event: Message) -> None:
                await asyncio.sleep(0)
                await self.send("note")

            async def disconnect(self, code: int) -> None:
                self.log_.append(code)
                await asyncio.sleep(0)

        async with Client(Walks(), CONNECT, frame("x"), frame("y"), leave(1001)) as client:
            for _ in range(step):
                await asyncio.sleep(0)
            client.task.cancel()
            try:
                await client.ended()
                completed += 1
            except asyncio.CancelledError:
                pass
        started = step > 0
        assert len(log) == started, (step, log)
        nothing_left()
    assert completed > 5, "the walk came to the end"


async def test_cancelled_twice_disconnect_still_begins() -> None:
    log: list[Any] = []

    class Stubborn(AsyncWebsocketConsumer):
        groups = ["room"]

        async def receive(self, **_: Any) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.Event().wait()

        async def disconnect(self, code: int) -> None:
            log.append(code)

    async with Client(Stubborn(), CONNECT, frame("x")) as client:
        await client.answers(1)
        await settle()
        for _ in range(2):
            client.task.cancel()
            await settle()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert log == [1006]
    nothing_left()


async def test_cancelled_in_disconnect_it_is_not_run_again() -> None:
    log: list[Any] = []

    class Slow(AsyncWebsocketConsumer):
        groups = ["room"]

        async def disconnect(self, code: int) -> None:
            log.append(code)
            await asyncio.Event().wait()

    async with Client(Slow(), CONNECT, leave(1001)) as client:
        await client.answers(1)
        await settle()
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert log == [1001]
    nothing_left()


async def test_a_timeout_around_the_application_stays_a_timeout() -> None:
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    client = Client(application, CONNECT)
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(TimeoutError):  # noqa: PT012
        async with asyncio.timeout(None) as limit:
            asyncio.get_running_loop().call_soon(limit.reschedule, 0)
            await application(client.scope, client.receive, client.send)
    assert task.cancelling() == 0
    assert log == ["connect", 1006]


@pytest.mark.parametrize("where", ["receive", "note"])
async def test_a_cancellation_that_nobody_asked_for_is_an_error_like_others(where: str) -> None:
    """A handler that awaits a task of its own which was cancelled."""
    application, log = failing(AsyncWebsocketConsumer, where, asyncio.CancelledError("stray"))
    async with Client(application, CONNECT) as client:
        await provoke(client, where)
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert log == ["connect", 1011]
    assert client.sent[-1] == {"type": "websocket.close", "code": 1011}


async def test_an_error_that_was_there_before_the_cancellation_leaves() -> None:
    """As from a TaskGroup: what went wrong is the news."""
    application, log = failing(AsyncWebsocketConsumer, "note", Failed("first"))
    async with Client(application, CONNECT) as client:
        await client.answers(1)
        await get_channel_layer().group_send("room", {"type": "note"})
        while client.task.cancelling() == 0:
            await asyncio.sleep(0)
        # The failure has interrupted receive(), and its task has not run yet.
        client.task.cancel()
        with pytest.raises(Failed, match="first"):
            await client.ended()
    assert log == ["connect", 1011]


async def test_an_error_that_a_handler_makes_of_the_cancellation_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who cancels a task is to see that it is cancelled; the error is not lost for it."""

    class Fails(AsyncWebsocketConsumer):
        async def receive(self, **_: Any) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise Failed("in reply")

    async with Client(Fails(), CONNECT, frame("x")) as client:
        await client.answers(1)
        await settle()
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert_logged_once(caplog, "in reply")


def assert_logged_once(caplog: pytest.LogCaptureFixture, text: str) -> None:
    (record,) = (r for r in caplog.records if r.levelno >= logging.ERROR)
    assert record.exc_info is not None
    error = record.exc_info[1]
    assert str(error) == text
    assert error is not None
    assert "user id" in error.__notes__[0]


async def test_cancelled_while_disconnect_runs_after_an_error_that_error_leaves() -> None:
    log: list[Any] = []

    class Slow(AsyncWebsocketConsumer):
        groups = ["room"]

        async def receive(self, **_: Any) -> None:
            raise Failed("first")

        async def disconnect(self, code: int) -> None:
            log.append(code)
            await asyncio.Event().wait()

    async with Client(Slow(), CONNECT, frame("x")) as client:
        await client.answers(2)
        await settle()
        client.task.cancel()
        with pytest.raises(Failed, match="first"):
            await client.ended()
    assert log == [1011]
    nothing_left()


async def test_a_cancelled_sync_handler_finishes_before_disconnect_runs() -> None:
    log: list[Any] = []
    with making_gates() as make_gate:
        gate: Gate = make_gate()

        class Slow(WebsocketConsumer):
            def receive(self, **_: Any) -> None:
                gate()
                log.append("receive is over")

            def disconnect(self, code: int) -> None:
                log.append(code)

        async with Client(Slow(), CONNECT, frame("x")) as client:
            await entered(gate)
            client.task.cancel()
            await settle()
            assert log == []
            gate.released.set()
            with pytest.raises(asyncio.CancelledError):
                await client.ended()
    assert log == ["receive is over", 1006]


async def test_what_a_cancelled_sync_call_left_in_the_context_does_not_reach_disconnect() -> None:
    """asgiref copies the context of a cancelled call back, and in it, if the call happened to be
    in async_to_sync() at that moment, the place of sync code: a thread that takes none any more."""
    log: list[Any] = []
    quit_already = CurrentThreadExecutor(None)
    done: Future[None] = Future()
    done.set_result(None)
    quit_already.run_until_future(done)

    class Unlucky(AsyncWebsocketConsumer):
        async def receive(self, **_: Any) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                AsyncToSync.executors.current = quit_already

        async def disconnect(self, code: int) -> None:
            await sync_to_async(log.append)(code)

    async with Client(Unlucky(), CONNECT, frame("x")) as client:
        await client.answers(1)
        await settle()
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert log == [1006]


async def test_disconnect_under_cancellation_gets_its_grace_and_no_more() -> None:
    log: list[Any] = []

    class Slow(AsyncWebsocketConsumer):
        grace_seconds = 0.01

        async def disconnect(self, code: int) -> None:
            log.append(code)
            try:
                await asyncio.Event().wait()
            finally:
                log.append("over")

    async with Client(Slow(), CONNECT) as client:
        await client.answers(1)
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert log == [1006, "over"]


async def test_a_sync_disconnect_that_outlives_its_grace_is_left_behind(settings: Any) -> None:
    settings.CHANNELS = {"SYNC_THREADS": 2}
    with making_gates() as make_gate:
        gate = make_gate()

        class Slow(WebsocketConsumer):
            grace_seconds = 0.01

            def disconnect(self, code: int) -> None:
                gate()

        async with Client(Slow(), CONNECT) as client:
            await client.answers(1)
            client.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await client.ended()
        assert gate.entered.is_set()
        assert pool_state().left_behind == 1


@families
async def test_an_error_of_disconnect_under_cancellation_is_one_line(
    base: type, caplog: pytest.LogCaptureFixture
) -> None:
    application, log = failing(base, "disconnect", Failed("two\nlines"))
    async with Client(application, CONNECT) as client:
        await client.answers(1)
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert log == ["connect", 1006]
    (record,) = (r for r in caplog.records if r.levelno >= logging.ERROR)
    text = record.getMessage()
    assert record.exc_info is None
    assert "\n" not in text
    assert "Failed('two\\nlines')" in text
    assert "failing.py, line " in text
    nothing_left()


async def test_a_disconnect_that_swallows_the_cancellation_does_not_hide_it() -> None:
    class Swallows(AsyncWebsocketConsumer):
        async def disconnect(self, code: int) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return

    async with Client(Swallows(), CONNECT, leave()) as client:
        await client.answers(1)
        await settle()
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()


async def test_a_sync_handler_that_outlives_a_cancellation_is_left_behind(settings: Any) -> None:
    settings.CHANNELS = {"SYNC_THREADS": 1, "GRACE_SECONDS": 0.5}
    log: list[Any] = []
    with making_gates() as make_gate:
        gate = make_gate()

        class Slow(WebsocketConsumer):
            def receive(self, **_: Any) -> None:
                gate()

            def disconnect(self, code: int) -> None:
                log.append(code)

        async with Client(Slow(), CONNECT, frame("x")) as client:
            await entered(gate)
            client.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await client.ended()
        assert log == [1006]
        assert pool_state().left_behind == 1
