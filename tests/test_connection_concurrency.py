"""``max_concurrency``: handlers of one connection that overlap, on demand."""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels import watch
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.threads import pool_state
from channels.typing import Message
from channels.watch import watch_of
from tests.client import CONNECT, PATIENCE, Client, frame, leave, settle
from tests.failing import Failed, no_task_left, nothing_left
from tests.sync_calls import Gate, entered, making_gates


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with no_task_left():
        yield


class Overlaps(AsyncWebsocketConsumer):
    """Each handler ends when its name is let go."""

    groups = ["room"]
    max_concurrency = 2

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []
        self.waiting: dict[str, asyncio.Event] = {}

    async def work(self, name: str) -> None:
        self.log.append(f"{name} begins")
        let_go = self.waiting[name] = asyncio.Event()
        try:
            await let_go.wait()
        except asyncio.CancelledError:
            self.log.append(f"{name} is cancelled")
            raise
        self.log.append(f"{name} ends")

    async def connect(self) -> None:
        self.log.append("connect")
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        await self.work(text_data or "")

    async def note(self, event: Message) -> None:
        await self.work(event["name"])

    async def disconnect(self, code: int) -> None:
        self.log.append(code)

    async def let(self, name: str) -> None:
        self.waiting[name].set()
        await settle()


async def test_handlers_overlap_up_to_the_bound_and_begin_in_order() -> None:
    consumer = Overlaps()
    async with Client(consumer, CONNECT, *[frame(n) for n in "abcd"]) as client:
        await client.answers(1)
        await settle()
        assert consumer.log == ["connect", "a begins", "b begins"]
        await consumer.let("b")
        assert consumer.log[3:] == ["b ends", "c begins"]
        await consumer.let("c")
        await consumer.let("a")
        await consumer.let("d")
        assert consumer.log[5:] == ["c ends", "d begins", "a ends", "d ends"]
        client.says(leave(4001))
        await client.ended()
    assert consumer.log[-1] == 4001
    nothing_left()


async def test_by_default_there_is_one_at_a_time() -> None:
    consumer = Overlaps()
    consumer.max_concurrency = 1
    async with Client(consumer, CONNECT, frame("a"), frame("b")) as client:
        await client.answers(1)
        await settle()
        assert consumer.log == ["connect", "a begins"]
        await consumer.let("a")
        assert consumer.log[2:] == ["a ends", "b begins"]
        await consumer.let("b")
        client.says(leave())
        await client.ended()


async def test_those_of_the_layer_overlap_with_those_of_the_client() -> None:
    consumer = Overlaps()
    async with Client(consumer, CONNECT, frame("a")) as client:
        await client.answers(1)
        await settle()
        await get_channel_layer().group_send("room", {"type": "note", "name": "n"})
        await settle()
        assert consumer.log[1:] == ["a begins", "n begins"]
        for name in "na":
            await consumer.let(name)
        client.says(leave())
        await client.ended()


async def test_connect_overlaps_with_nothing() -> None:
    go_on = asyncio.Event()

    class Slow(Overlaps):
        async def connect(self) -> None:
            await go_on.wait()
            await super().connect()

    consumer = Slow()
    async with Client(consumer, CONNECT, frame("a")) as client:
        await settle()
        assert consumer.log == []
        go_on.set()
        await client.answers(1)
        await settle()
        assert consumer.log == ["connect", "a begins"]
        await consumer.let("a")
        client.says(leave())
        await client.ended()


async def test_the_end_waits_for_those_in_hand() -> None:
    consumer = Overlaps()
    async with Client(consumer, CONNECT, frame("a"), frame("b"), leave(4001)) as client:
        await client.answers(1)
        await settle()
        await consumer.let("b")
        assert consumer.log[-1] == "b ends"
        await consumer.let("a")
        await client.ended()
    assert consumer.log[-2:] == ["a ends", 4001]


async def test_after_the_grace_those_in_hand_are_cancelled_and_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "TICK_SECONDS", 3600)
    looked_at, now = watch_of(asyncio.get_running_loop()), [1000.0]
    looked_at.clock = lambda: now[0]
    for waiting in (2, 4):  # none behind them; two behind them, which are never begun
        consumer = Overlaps()
        consumer.grace_seconds = 7
        events = [frame(n) for n in "abcd"[:waiting]]
        async with Client(consumer, CONNECT, *events, leave(4001)) as client:
            await client.answers(1)
            for passing in (0, 0, 0, 6.9):
                await settle()
                now[0] += passing
                looked_at.tick()
            await settle()
            assert consumer.log == ["connect", "a begins", "b begins"]
            now[0] += 0.1
            looked_at.tick()
            assert await client.ended() is None
        assert sorted(map(str, consumer.log[3:])) == ["4001", "a is cancelled", "b is cancelled"]
        assert consumer.log[-1] == 4001
        nothing_left()


async def test_an_error_in_one_ends_the_connection_and_cancels_the_others() -> None:
    class Fails(Overlaps):
        async def work(self, name: str) -> None:
            await super().work(name)
            raise Failed(name)

    consumer = Fails()
    async with Client(consumer, CONNECT, frame("a"), frame("b"), frame("c")) as client:
        await client.answers(1)
        await settle()
        consumer.waiting["b"].set()
        with pytest.raises(Failed, match="b"):
            await client.ended()
    assert consumer.log[3:5] == ["b ends", "a is cancelled"]
    assert consumer.log[-1] == 1011
    nothing_left()


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def test_each_has_a_context_of_its_own() -> None:
    seen: list[str] = []

    class Sets(Overlaps):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            seen.append(variable.get())
            variable.set(text_data or "")

    async with Client(Sets(), CONNECT, frame("a"), frame("b"), leave()) as client:
        await client.ended()
    assert seen == ["unset", "unset"]


class OverlapsInThreads(WebsocketConsumer):
    max_concurrency = 2

    def __init__(self, gates: list[Gate]) -> None:
        super().__init__()
        self.gates = gates
        self.codes: list[int] = []

    def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        self.gates[int(text_data or 0)]()
        self.send(text_data)

    def disconnect(self, code: int) -> None:
        self.codes.append(code)


async def test_sync_handlers_overlap_in_threads_of_their_own() -> None:
    with making_gates() as make_gate:
        consumer = OverlapsInThreads([make_gate() for _ in range(3)])
        async with Client(consumer, CONNECT, frame("0"), frame("1"), frame("2")) as client:
            for gate in consumer.gates[:2]:
                await entered(gate)
            assert consumer.gates[0].thread != consumer.gates[1].thread
            assert not consumer.gates[2].entered.is_set()
            consumer.gates[1].released.set()
            await client.answers(2)
            assert client.texts == ["1"]
            await entered(consumer.gates[2])
            for gate in consumer.gates:
                gate.released.set()
            await client.answers(4)
            client.says(leave(4001))
            await client.ended()
        assert consumer.codes == [4001]


async def test_sync_handlers_that_overlap_are_left_behind(settings: Any) -> None:
    settings.CHANNELS = {"SYNC_THREADS": 3}
    with making_gates() as make_gate:
        consumer = OverlapsInThreads([make_gate() for _ in range(2)])
        consumer.grace_seconds = 0.5  # for both: the threads, and then disconnect()
        async with Client(consumer, CONNECT, frame("0"), frame("1")) as client:
            for gate in consumer.gates:
                await entered(gate)
            client.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await client.ended()
        assert consumer.codes == [1006]
        assert pool_state().left_behind == 2
        for gate in consumer.gates:
            gate.released.set()
        async with asyncio.timeout(PATIENCE):
            while pool_state().left_behind:
                await asyncio.sleep(0)
