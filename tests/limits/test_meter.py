"""What a client may send, by a clock that the tests turn."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.limits.meter import Bucket, Meter
from channels.limits.values import Limits
from channels.typing import Message

FREE: dict[str, Any] = {
    "message_bytes": None,
    "messages_per_second": None,
    "bytes_per_second": None,
}


def text(value: str = "x") -> Message:
    return {"type": "websocket.receive", "text": value}


class Client:
    """A meter, its clock, and what came of it."""

    def __init__(self, **limits: Any) -> None:
        self.now = 1000.0
        self.reports: list[str] = []
        self.closed: list[tuple[int, str]] = []
        self.coming: list[Message] = []
        self.meter = Meter(
            Limits(**{**FREE, **limits}),
            guard=self,
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    def report(self, limit: str) -> None:
        self.reports.append(limit)

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def receive(self) -> Message:
        if not self.coming:
            raise asyncio.CancelledError
        return self.coming.pop(0)

    async def get(self, message: Message) -> Message:
        """What the consumer gets when the client sends this."""
        if self.meter.admits(message):
            return message
        return await self.meter.hold_back(message, self.receive)

    def admitted(self, count: int, message: Message | None = None) -> int:
        """How many of that many messages pass at once."""
        return sum(self.meter.admits(message or text()) for _ in range(count))


def test_everything_passes_where_there_is_no_limit() -> None:
    client = Client()
    assert client.admitted(10_000, text("x" * 100_000)) == 10_000
    assert client.reports == []


@pytest.mark.parametrize("event", [{"type": "websocket.connect"}, {"type": "websocket.disconnect"}])
def test_only_messages_are_limited(event: Message) -> None:
    client = Client(messages_per_second=1, burst_seconds=1, rate_action="close", message_bytes=1)
    assert client.admitted(50, event) == 50
    assert client.admitted(2) == 1, "and they use nothing up"


# Size.


@pytest.mark.parametrize(
    ("message", "fits"),
    [
        (text("x" * 10), True),
        (text("x" * 11), False),
        (text("é" * 5), True),
        (text("é" * 6), False),
        (text("😀" * 2), True),
        (text("😀" * 3), False),
        (text("\ud800" * 3), True),
        (text("\ud800" * 4), False),
        ({"type": "websocket.receive", "bytes": b"x" * 10}, True),
        ({"type": "websocket.receive", "bytes": b"x" * 11}, False),
        ({"type": "websocket.receive", "text": None, "bytes": b"x" * 11}, False),
        ({"type": "websocket.receive", "text": "", "bytes": None}, True),
    ],
)
@pytest.mark.parametrize("before", [0, 1, 7])
def test_size_counts_bytes(message: Message, fits: bool, before: int) -> None:
    client = Client(message_bytes=10)
    assert client.admitted(before) == before
    assert client.meter.admits(message) is fits
    assert client.closed == ([] if fits else [(1009, "Message too big")])
    assert client.reports == ([] if fits else ["message_bytes"])


@given(sizes=st.lists(st.integers(0, 30), max_size=40), rate=st.sampled_from([None, 1e6]))
def test_nothing_larger_ever_passes(sizes: list[int], rate: float | None) -> None:
    client = Client(message_bytes=20, bytes_per_second=rate)
    expected = []
    for size in sizes:
        expected.append(size <= 20 and all(expected))
        assert client.meter.admits(text("x" * size)) is expected[-1]


async def test_after_too_large_a_message_only_the_end_comes() -> None:
    client = Client(message_bytes=3)
    client.coming = [text("ok"), text("long again"), {"type": "websocket.disconnect", "code": 1009}]
    assert await client.get(text("long")) == {"type": "websocket.disconnect", "code": 1009}
    assert client.closed == [(1009, "Message too big")], "once"


# Rates.


def test_the_burst_and_then_the_rate() -> None:
    client = Client(messages_per_second=2, burst_seconds=5, rate_action="drop")
    assert client.admitted(50) == 10
    client.now += 1
    assert client.admitted(50) == 2
    client.now += 1000
    assert client.admitted(50) == 10


def test_a_large_burst_comes_in_chunks_and_is_never_exceeded() -> None:
    client = Client(messages_per_second=1000, burst_seconds=10, rate_action="drop")
    assert 9_375 <= client.admitted(20_000) <= 10_000
    client.now += 3600
    assert 9_375 <= client.admitted(20_000) <= 10_000
    client.now += 1
    assert client.admitted(20_000) == 1000


@given(
    rate=st.floats(0.1, 5000),
    burst=st.floats(0.01, 20),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=30),
    burst_size=st.integers(1, 400),
)
def test_never_more_than_burst_and_rate(
    rate: float, burst: float, pauses: list[float], burst_size: int
) -> None:
    client = Client(messages_per_second=rate, burst_seconds=burst, rate_action="drop")
    start = client.now
    passed = 0
    for pause in pauses:
        client.now += pause
        passed += client.admitted(burst_size)
        assert passed <= max(1, rate * burst) + rate * (client.now - start) + 1e-6


@given(
    rate=st.floats(0.1, 5000),
    burst=st.floats(0.01, 20),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=30),
)
def test_whoever_keeps_to_the_rate_is_never_held_back(
    rate: float, burst: float, pauses: list[float]
) -> None:
    client = Client(messages_per_second=rate, burst_seconds=burst, rate_action="close")
    for pause in pauses:
        client.now += 1.001 / rate + pause
        assert client.meter.admits(text())


async def test_delay_hands_every_message_on_in_its_time() -> None:
    client = Client(messages_per_second=4, burst_seconds=0.5, rate_action="delay")
    start, times = client.now, []
    for number in range(6):
        assert await client.get(text(str(number))) == text(str(number))
        times.append(client.now - start)
    assert times == [0, 0, 0.25, 0.5, 0.75, 1.0]
    assert client.reports == ["messages_per_second"] * 4
    assert client.closed == []


async def test_delay_by_bytes() -> None:
    client = Client(bytes_per_second=100, burst_seconds=1, rate_action="delay")
    start = client.now
    await client.get(text("x" * 300))
    assert client.now == start, "there was a token left"
    await client.get(text("x" * 50))
    assert client.now == pytest.approx(start + 2), "when what was owed is paid"
    await client.get(text("x"))
    assert client.now == pytest.approx(start + 2.5)
    assert client.reports == ["bytes_per_second"] * 2


async def test_drop_loses_what_is_over_and_costs_nothing() -> None:
    client = Client(messages_per_second=1, burst_seconds=2, rate_action="drop")
    assert await client.get(text("0")) == text("0")
    assert await client.get(text("1")) == text("1")
    client.coming = [text(str(number)) for number in range(3, 100)]
    with pytest.raises(asyncio.CancelledError):  # there is nothing left to receive
        await client.get(text("2"))
    assert client.reports == ["messages_per_second"] * 98
    client.now += 1
    assert await client.get(text("100")) == text("100")


@given(sizes=st.lists(st.integers(0, 40), max_size=60), pause=st.floats(0, 1))
def test_bytes_that_were_dropped_lift_no_limit(sizes: list[int], pause: float) -> None:
    client = Client(
        message_bytes=30,
        bytes_per_second=50,
        messages_per_second=3,
        burst_seconds=1,
        rate_action="drop",
    )
    for size in sizes:
        client.now += pause
        if client.meter.admits(text("x" * size)):
            assert size <= 30


async def test_close_ends_it_with_1008() -> None:
    client = Client(messages_per_second=1, burst_seconds=1, rate_action="close")
    assert client.admitted(1) == 1
    client.coming = [text("more"), {"type": "websocket.disconnect"}]
    assert await client.get(text()) == {"type": "websocket.disconnect"}
    assert client.closed == [(1008, "Too many messages")]
    client = Client(bytes_per_second=10, burst_seconds=1, rate_action="close")
    assert client.admitted(2, text("x" * 10)) == 1
    assert client.closed == [(1008, "Too many bytes")]


async def test_dropping_gives_way_to_the_loop() -> None:
    """A server whose receive() never waits does not keep the loop to itself."""
    client = Client(messages_per_second=1, burst_seconds=1, rate_action="drop")
    client.admitted(1)

    async def always_ready() -> Message:
        return text()

    task = asyncio.create_task(client.meter.hold_back(text(), always_ready))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(rate=1, burst=5, now=100)
    assert bucket.draw(-5, 5, 100) == 0
    assert bucket.draw(-1, 1, 50) == -1
    assert bucket.draw(-1, 1, 51) == 0
