"""A client that goes while a handler runs: it is noticed, and the handler gets its grace."""

import asyncio
import contextvars
import logging
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured

from channels import ahead, watch
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.live import live_here
from channels.threads import pool_state
from channels.typing import Message
from channels.watch import Watch, watch_of
from tests.client import CONNECT, Client, frame, leave, settle
from tests.failing import no_task_left, nothing_left
from tests.sync_calls import Gate, entered, making_gates

GRACE = 7.0


class Time:
    """The clock of the loop's watch, and its ticks, by hand."""

    def __init__(self, looked_at: Watch) -> None:
        self.now = 1000.0
        self._watch = looked_at
        looked_at.clock = lambda: self.now

    async def tick(self, times: int = 1, passing: float = 0.5) -> None:
        for _ in range(times):
            self.now += passing
            self._watch.tick()
            await settle()


@pytest.fixture
async def time(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Time]:
    monkeypatch.setattr(watch, "TICK_SECONDS", 3600)
    looked_at = watch_of(asyncio.get_running_loop())
    async with no_task_left():
        yield Time(looked_at)
        looked_at.tick()
        assert looked_at._timer is None, "no connection is left, and so no tick"


class Hangs(AsyncWebsocketConsumer):
    """Hangs in the handler of a frame or of a note until it is let go."""

    groups = ["room"]
    grace_seconds = GRACE

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []
        self.go_on = asyncio.Event()

    async def hang(self, name: str) -> None:
        self.log.append(f"{name} begins")
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.log.append(f"{name} is cancelled")
            raise
        self.log.append(f"{name} ends")

    async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        await self.hang(text_data or "")

    async def note(self, event: Message) -> None:
        await self.hang("note")

    async def disconnect(self, code: int) -> None:
        self.log.append(code)


async def hanging(client: Client, consumer: Hangs, lane: str) -> None:
    await client.answers(1)
    if lane == "client":
        client.says(frame("x"))
    else:
        await get_channel_layer().group_send("room", {"type": "note"})
    await settle()
    assert consumer.log == [f"{'x' if lane == 'client' else 'note'} begins"]


lanes = pytest.mark.parametrize("lane", ["client", "layer"])


@lanes
@pytest.mark.parametrize("before", [0, 1, 31], ids=lambda n: f"{n} frames before")
async def test_a_handler_is_cancelled_when_its_grace_is_over(
    time: Time, lane: str, before: int
) -> None:
    consumer = Hangs()
    name = "x" if lane == "client" else "note"
    async with Client(consumer, CONNECT) as client:
        await hanging(client, consumer, lane)
        client.says(*[frame(str(number)) for number in range(before)], leave(4001))
        await time.tick(2, passing=0)
        await time.tick(passing=GRACE - 0.1)
        assert consumer.log == [f"{name} begins"]
        await time.tick(passing=0.1)
        assert await client.ended() is None
        assert client.task.cancelling() == 0
    assert consumer.log == [f"{name} begins", f"{name} is cancelled", 4001]
    nothing_left()


@lanes
async def test_a_handler_that_ends_in_its_grace_is_not_cancelled_and_the_queue_is_worked_off(
    time: Time, lane: str
) -> None:
    consumer = Hangs()
    name = "x" if lane == "client" else "note"
    async with Client(consumer, CONNECT) as client:
        await hanging(client, consumer, lane)
        client.says(frame("1"), frame("2"), leave(4001))
        await time.tick(3)
        consumer.go_on.set()
        assert await client.ended() is None
    assert consumer.log == [
        f"{name} begins",
        f"{name} ends",
        "1 begins",
        "1 ends",
        "2 begins",
        "2 ends",
        4001,
    ]


async def test_once_the_end_was_read_sends_answer_false(time: Time) -> None:
    answers: list[Any] = []

    class Answers(Hangs):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            await self.hang("x")
            answers.append(await self.send("late"))
            answers.append(await self.close())

    consumer = Answers()
    async with Client(consumer, CONNECT) as client:
        await hanging(client, consumer, "client")
        client.says(leave(4001))
        await time.tick(2)
        consumer.go_on.set()
        await client.ended()
    assert answers == [False, False]
    assert client.types == ["websocket.accept"]


async def test_a_setting_that_is_none_ends_the_connection_and_not_the_tick(
    time: Time, settings: Any
) -> None:
    settings.CHANNELS = {"GRACE_SECONDS": "long"}
    consumer = Hangs()
    consumer.grace_seconds = None
    async with Client(consumer, CONNECT) as client:
        await hanging(client, consumer, "client")
        client.says(leave(4001))
        await time.tick(3)
        with pytest.raises(ImproperlyConfigured, match="GRACE_SECONDS"):
            await client.ended()
    assert consumer.log[-1] == 1011


async def test_the_grace_is_for_all_that_waits_and_not_for_each(time: Time) -> None:
    consumer = Hangs()
    async with Client(consumer, CONNECT) as client:
        await hanging(client, consumer, "client")
        client.says(frame("1"), frame("2"), leave(4001))
        await time.tick(2, passing=0)
        await time.tick(passing=GRACE - 1)
        consumer.go_on.set()
        consumer.go_on = asyncio.Event()
        await settle()
        assert consumer.log[-1] == "1 begins"
        await time.tick(passing=1)
        await client.ended()
    assert consumer.log == ["x begins", "x ends", "1 begins", "1 is cancelled", 4001]


async def test_the_client_that_stays_is_served_in_order_after_reading_ahead(time: Time) -> None:
    consumer = Hangs()
    async with Client(consumer, CONNECT) as client:
        await hanging(client, consumer, "client")
        before = len(asyncio.all_tasks())
        await time.tick(2)
        assert len(asyncio.all_tasks()) == before + 1, "one task reads ahead"
        client.says(*[frame(str(number)) for number in range(100)])
        await settle()
        assert client.events.qsize() == 100 - ahead.MOST_EVENTS, "and not without end"
        consumer.go_on.set()
        while consumer.log[-1] != "99 ends":
            await settle()
        await settle()
        assert len(asyncio.all_tasks()) == before, "an idle connection is one task again"
        client.says(frame("after"), leave(4001))
        await client.ended()
    order = [entry.split()[0] for entry in consumer.log[:-1] if "begins" in entry]
    assert order == ["x", *map(str, range(100)), "after"]
    assert consumer.log[-1] == 4001


async def test_reading_ahead_ends_at_a_mebibyte(time: Time) -> None:
    consumer = Hangs()
    async with Client(consumer, CONNECT) as client:
        await hanging(client, consumer, "client")
        client.says(*[frame("x" * 300_000) for _ in range(10)])
        await time.tick(2)
        assert client.events.qsize() == 6
        consumer.go_on.set()
        client.says(leave())
        await client.ended()


async def test_there_is_no_reading_ahead_of_short_handlers(time: Time) -> None:
    class Short(Hangs):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            await self.send(text_data)

    async with Client(Short(), CONNECT) as client:
        await client.answers(1)
        before = len(asyncio.all_tasks())
        for number in range(10):
            client.says(frame(str(number)))
            await client.answers(number + 2)
            await time.tick()
            assert len(asyncio.all_tasks()) == before
        client.says(leave())
        await client.ended()


async def test_an_error_of_receive_while_it_reads_ahead_ends_the_connection(time: Time) -> None:
    class Fails(Client):
        async def receive(self) -> Message:
            event = await super().receive()
            if event["type"] == "fail":
                raise ConnectionError("mine")
            return event

    for lets_go in (True, False):
        consumer = Hangs()
        async with Fails(consumer, CONNECT) as client:
            await hanging(client, consumer, "client")
            client.says({"type": "fail"})
            await time.tick(2)
            if lets_go:
                consumer.go_on.set()
            else:
                await time.tick(passing=GRACE)
            with pytest.raises(ConnectionError, match="mine"):
                await client.ended()
        assert consumer.log == ["x begins", "x ends" if lets_go else "x is cancelled", 1011]


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def test_what_receive_sets_in_the_context_is_there_for_the_handler_of_its_event(
    time: Time,
) -> None:
    seen: list[str] = []

    class Sees(Hangs):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            seen.append(variable.get())
            if text_data == "hang":
                await self.go_on.wait()
                variable.set("by the handler")

    consumer = Sees()

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def traced() -> Message:
            event: Message = await receive()
            if event.get("text") != "untraced":
                variable.set(f"trace of {event.get('text')}")
            return event

        await consumer(scope, traced, send)

    async with Client(middleware, CONNECT, frame("hang")) as client:
        await client.answers(1)
        await settle()
        client.says(frame("untraced"), frame("1"), frame("2"), frame("untraced"))
        await time.tick(2)
        consumer.go_on.set()
        client.says(leave())
        await client.ended()
    assert seen == ["trace of hang", "by the handler", "trace of 1", "trace of 2", "trace of 2"]


@pytest.mark.parametrize("ending", ["fails", "closed from outside", "cancelled"])
async def test_an_end_while_it_reads_ahead_leaves_no_receive_behind(
    time: Time, ending: str
) -> None:
    """Some servers do not close while somebody receives."""

    class Fails(Hangs):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            await self.hang("x")
            raise ValueError("mine")

    class Counts(Client):
        receiving = 0

        async def receive(self) -> Message:
            self.receiving += 1
            try:
                return await super().receive()
            finally:
                self.receiving -= 1

        async def send(self, message: Message) -> None:
            if message["type"] == "websocket.close":
                assert self.receiving == 0
            await super().send(message)

    consumer = Fails()
    async with Counts(consumer, CONNECT) as client:
        await hanging(client, consumer, "client")
        await time.tick(2)
        assert client.receiving == 1
        if ending == "fails":
            consumer.go_on.set()
            with pytest.raises(ValueError, match="mine"):
                await client.ended()
        elif ending == "cancelled":
            client.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await client.ended()
        else:
            (connection,) = live_here().connections
            connection.close_soon(1012, grace=0)
            await client.ended()
        assert client.receiving == 0
    code = {"fails": 1011, "cancelled": 1006}.get(ending, 1012)
    assert consumer.log[-1] == code
    assert ("websocket.close" in client.types) == (ending != "cancelled")


async def test_with_an_infinite_grace_nothing_is_cancelled(time: Time) -> None:
    consumer = Hangs()
    consumer.grace_seconds = math.inf
    async with Client(consumer, CONNECT) as client:
        await hanging(client, consumer, "client")
        client.says(leave(4001))
        await time.tick(10, passing=1e9)
        assert consumer.log == ["x begins"]
        consumer.go_on.set()
        await client.ended()
    assert consumer.log == ["x begins", "x ends", 4001]


async def test_the_setting_is_the_grace_of_those_who_have_none(time: Time, settings: Any) -> None:
    settings.CHANNELS = {"GRACE_SECONDS": 2}
    consumer = Hangs()
    consumer.grace_seconds = None
    async with Client(consumer, CONNECT) as client:
        await hanging(client, consumer, "client")
        client.says(leave(4001))
        await time.tick(2, passing=0)
        await time.tick(passing=1.9)
        assert consumer.log == ["x begins"]
        await time.tick(passing=0.1)
        await client.ended()
    assert consumer.log == ["x begins", "x is cancelled", 4001]


async def test_an_error_that_the_cancelled_handler_raises_leaves(time: Time) -> None:
    class Fails(Hangs):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            try:
                await self.hang("x")
            except asyncio.CancelledError:
                raise ValueError("not cleaned up") from None

    consumer = Fails()
    async with Client(consumer, CONNECT) as client:
        await hanging(client, consumer, "client")
        client.says(leave(4001))
        await time.tick(2, passing=0)
        await time.tick(passing=GRACE)
        with pytest.raises(ValueError, match="not cleaned up"):
            await client.ended()
    assert consumer.log == ["x begins", "x is cancelled", 1011]


@lanes
async def test_a_handler_that_ignores_its_cancellation_does_not_keep_disconnect_from_running(
    time: Time, lane: str
) -> None:
    class Ignores(Hangs):
        async def hang(self, name: str) -> None:
            self.log.append(f"{name} begins")
            while not self.go_on.is_set():
                try:
                    await self.go_on.wait()
                except asyncio.CancelledError:
                    self.log.append("ignored")

    consumer = Ignores()
    async with Client(consumer, CONNECT) as client:
        await hanging(client, consumer, lane)
        client.says(leave(4001))
        await time.tick(2, passing=0)
        await time.tick(passing=GRACE)
        assert consumer.log[1:] == ["ignored"]
        await time.tick(2)
        assert consumer.log[1:] == ["ignored", 4001], "within a second"
        nothing_left()
        assert live_here().connections, "but the application goes on as long as the handler"
        consumer.go_on.set()
        assert await client.ended() is None
    assert consumer.log[1:] == ["ignored", 4001], "and only once"


# Sync code.


class HangsInThread(WebsocketConsumer):
    groups = ["room"]
    grace_seconds = GRACE

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate
        self.log: list[Any] = []

    def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        self.gate()
        self.log.append(self.send("late"))
        self.log.append(self.close(4002))

    note = receive

    def disconnect(self, code: int) -> None:
        self.log.append(code)


@pytest.fixture(params=[1, 2, 40])
def threads(request: pytest.FixtureRequest, settings: Any) -> int:
    settings.CHANNELS = {"SYNC_THREADS": request.param}
    return int(request.param)


@lanes
async def test_a_sync_handler_is_left_behind_in_its_thread(
    time: Time, threads: int, lane: str, caplog: pytest.LogCaptureFixture
) -> None:
    with making_gates() as make_gate:
        gate = make_gate()
        consumer = HangsInThread(gate)
        async with Client(consumer, CONNECT) as client:
            await client.answers(1)
            if lane == "client":
                client.says(frame("x"))
            else:
                await get_channel_layer().group_send("room", {"type": "note"})
            await entered(gate)
            client.says(leave(4001))
            await time.tick(2, passing=0)
            await time.tick(passing=GRACE)
            assert await client.ended() is None
            assert client.task.cancelling() == 0
        assert consumer.log == [4001]
        nothing_left()
        assert pool_state().left_behind == 1
        (record,) = (r for r in caplog.records if r.levelno >= logging.WARNING)
        assert record.name == "django.channels"
        text = record.getMessage()
        assert "HangsInThread" in text
        assert "self.gate()" in text, "the stack"
        gate.released.set()
        while pool_state().left_behind:
            await asyncio.sleep(0)
        assert pool_state().left_behind_ever == 1
        assert client.types == ["websocket.accept"], "what it sent went nowhere"
        assert consumer.log == [4001, False, False]


async def test_stuck_sync_handlers_take_no_thread_from_others(time: Time, settings: Any) -> None:
    settings.CHANNELS = {"SYNC_THREADS": 2}
    with making_gates() as make_gate:
        gates = [make_gate() for _ in range(2)]
        stuck = [HangsInThread(gate) for gate in gates]
        async with (
            Client(stuck[0], CONNECT, frame("x"), leave()) as one,
            Client(stuck[1], CONNECT, frame("x"), leave()) as two,
        ):
            for gate in gates:
                await entered(gate)
            await time.tick(2, passing=0)
            await time.tick(passing=GRACE)
            for client in (one, two):
                await client.ended()
        assert pool_state().left_behind == 2
        free = make_gate()
        free.released.set()
        async with Client(HangsInThread(free), CONNECT, frame("x")) as client:
            await client.answers(3)
            assert client.texts == ["late"]
            client.says(leave())
            await client.ended()


async def test_an_async_handler_that_waits_for_a_thread_is_cancelled_and_the_thread_left(
    time: Time,
) -> None:
    with making_gates() as make_gate:
        gate = make_gate()

        class Waits(Hangs):
            async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
                await sync_to_async(gate)()

            async def disconnect(self, code: int) -> None:
                await sync_to_async(self.log.append)(code)

        consumer = Waits()
        async with Client(consumer, CONNECT, frame("x"), leave(4001)) as client:
            await entered(gate)
            await time.tick(2, passing=0)
            await time.tick(passing=GRACE)
            assert await client.ended() is None
        assert consumer.log == [4001]
        assert pool_state().left_behind == 1
        gate.released.set()
        while pool_state().left_behind:
            await asyncio.sleep(0)
