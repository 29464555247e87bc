"""What the in-memory layer holds, and what a call costs."""

from collections import Counter
from typing import Any

import pytest

from channels.layers import InMemoryChannelLayer
from tests.layers.tools import (
    HELLO,
    Clock,
    Consumer,
    Untouchable,
    count_steps,
    tables,
)


class TestBounds:
    async def test_ten_thousand_channels_that_nobody_reads(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        for number in range(10_000):
            await layer.send(f"c{number}", HELLO)
        assert len(layer.channels) == 10_000
        clock.advance(60)
        for _ in range(10_000 // 4):
            await layer.send("one", HELLO)
            await layer.receive("one")
        assert tables(layer) == {}

    async def test_ten_thousand_joins_and_leaves(self, layer: InMemoryChannelLayer) -> None:
        for number in range(10_000):
            await layer.group_add(f"g{number % 7}", f"c{number}")
            await layer.group_discard(f"g{number % 7}", f"c{number}")
        assert tables(layer) == {}

    async def test_thousands_of_consumers_that_come_and_go(
        self, layer: InMemoryChannelLayer
    ) -> None:
        for number in range(2000):
            consumer = Consumer(layer, f"c{number}")
            for group in "gh":
                await layer.group_add(group, consumer.channel)
            await layer.send(consumer.channel, HELLO)
            if number % 2:
                consumer.numbers()
            consumer.inbox.close()
        assert tables(layer) == {}

    async def test_ten_thousand_groups_that_nobody_is_in(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        for number in range(10_000):
            await layer.group_send(f"g{number}", HELLO)
        clock.advance(60)
        for _ in range(10_000 // 2 + 1):
            await layer.group_send("one", HELLO)
        assert tables(layer) == {"logs": 1, "ends of logs": 1}

    async def test_ten_thousand_members_that_never_come_back(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        for number in range(10_000):
            await layer.group_add(f"g{number % 5000}", f"c{number}")
        clock.advance(1000)
        for _ in range(10_000 // 2 + 1):
            await layer.group_add("one", "a")
        assert layer.groups.keys() == {"one"}
        assert len(layer._leases) == 1

    async def test_names_that_never_repeat(self, layer: InMemoryChannelLayer, clock: Clock) -> None:
        """Channels, groups and members that are used once, for ever: what is held stays within
        what came in the last ``expiry`` or ``group_expiry`` seconds, or twice that where looks are
        late."""
        most: Counter[str] = Counter()
        for number in range(4000):
            await layer.send(f"c{number}", HELLO)
            await layer.group_add(f"g{number}", f"m{number}")
            await layer.group_send(f"g{number}", HELLO)
            clock.advance(1)
            most |= Counter(tables(layer))
        assert most["channels"] <= 2 * 61
        assert most["logs"] <= 2 * 1061
        assert most["members"] <= 1001
        assert most["leases"] <= 1001


A_LITTLE = 50
"""A few instructions more: to look at the first thing in a queue and find that it is not due."""


class TestCost:
    """Counted in bytecode instructions of the layers' code, so the numbers are always the same."""

    async def filled(self, others: int, members: int, *, consumers: bool) -> InMemoryChannelLayer:
        layer = InMemoryChannelLayer(capacity=10_000, clock=Clock())
        for number in range(others):
            await layer.send(f"unread{number}", HELLO)
            await layer.group_add(f"g{number}", f"c{number}")
            await layer.group_send(f"g{number}", HELLO)
            Consumer(layer, f"consumer{number}")
        for number in range(members):
            if consumers:
                Consumer(layer, f"m{number}")
            await layer.group_add("g", f"m{number}")
        await layer.group_send("g", HELLO)
        layer._delivery.boxes = Untouchable(layer._delivery.boxes)
        layer._memberships.groups = Untouchable(layer._memberships.groups)
        layer._logs = Untouchable(layer._logs)
        return layer

    @pytest.mark.parametrize("consumers", [True, False])
    async def test_of_a_group_send_is_that_of_its_members(self, consumers: bool) -> None:
        alone = await self.filled(0, 10, consumers=consumers)
        crowd = await self.filled(1000, 10, consumers=consumers)
        large = await self.filled(0, 100, consumers=consumers)
        small_cost = await count_steps(alone.group_send("g", HELLO))
        assert await count_steps(crowd.group_send("g", HELLO)) <= small_cost + A_LITTLE
        large_cost = await count_steps(large.group_send("g", HELLO))
        assert 2 * small_cost < large_cost < 10 * small_cost

    async def test_of_the_rest_does_not_depend_on_what_else_is_there(self) -> None:
        async def join_and_leave(layer: InMemoryChannelLayer) -> None:
            await layer.group_add("g", "new")
            await layer.group_discard("g", "new")

        async def send_and_receive(layer: InMemoryChannelLayer) -> None:
            await layer.send("new", HELLO)
            await layer.receive("new")

        async def come_and_go(layer: InMemoryChannelLayer) -> None:
            inbox = layer.attach("new", lambda: None)
            assert inbox is not None
            await layer.group_add("g", "new")
            await layer.send("new", HELLO)
            inbox.take()
            inbox.close()

        for work in (join_and_leave, send_and_receive, come_and_go):
            small = await count_steps(work(await self.filled(0, 5, consumers=True)))
            large = await count_steps(work(await self.filled(1000, 5, consumers=True)))
            assert large <= small + A_LITTLE, work.__name__

    async def test_of_excluding_many(self) -> None:
        """A long list of exclusions is not looked through for each member."""
        layer = await self.filled(0, 100, consumers=True)
        looks = Counter[str]()

        class Name(str):
            __slots__ = ()

            def __eq__(self, other: object) -> bool:
                looks["compared"] += 1
                return str.__eq__(self, other)

            __hash__ = str.__hash__

        await layer.group_send("g", HELLO, exclude=[Name(f"x{n}") for n in range(1000)])
        assert looks["compared"] < 100

    async def test_of_the_message_is_paid_once(self) -> None:
        """Whoever does not read costs no copy."""

        class Payload:
            copies = 0

            def __deepcopy__(self, memo: Any) -> "Payload":
                Payload.copies += 1
                return self

        layer = await self.filled(0, 100, consumers=True)
        await layer.group_send("g", {"type": "x", "payload": Payload()})
        assert Payload.copies == 1

    async def test_of_the_time_is_one_look_at_the_clock_whatever_the_members(self) -> None:
        readings = []
        for members in (1, 100):
            layer = await self.filled(0, members, consumers=True)
            clock = layer._clock
            assert isinstance(clock, Clock)
            clock.readings = 0
            await layer.group_send("g", HELLO)
            readings.append(clock.readings)
        assert readings[0] == readings[1] <= 2
