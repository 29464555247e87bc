"""When memberships end. ``group_expiry`` is 1000 seconds here."""

import asyncio

from channels.layers import InMemoryChannelLayer
from tests.layers.tools import (
    HELLO,
    Clock,
    Consumer,
    loop_threads,
    receiving,
    tables,
)


class TestMembershipExpiry:
    """``group_expiry`` is 1000 seconds here."""

    async def is_member(self, layer: InMemoryChannelLayer, channel: str = "a") -> bool:
        """Ask by a message, which goes to a log and to nobody else's mailbox."""
        await layer.group_send("g", HELLO)
        box = layer.channels.get(channel)
        return box is not None and not box.empty()

    async def test_it_ends_when_its_time_is_over(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        await layer.group_add("g", "a")
        clock.advance(999)
        await layer.group_add("g", "b")
        clock.advance(1)
        assert not await self.is_member(layer, "a")
        assert await self.is_member(layer, "b")
        assert list(layer.groups["g"]) == ["b"]

    async def test_however_many_end_at_once(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        channels = [f"c{number}" for number in range(50)]
        for channel in channels:
            await layer.group_add("g", channel)
        clock.advance(1000)
        await layer.group_send("g", HELLO)
        assert layer.channels == {}
        assert layer.groups == {}

    async def test_joining_again_is_a_use(self, layer: InMemoryChannelLayer, clock: Clock) -> None:
        for _ in range(3):
            await layer.group_add("g", "a")
            clock.advance(999)
        assert await self.is_member(layer)
        await layer.receive("a")
        clock.advance(1000)
        assert not await self.is_member(layer)

    async def test_receiving_is_a_use(self, layer: InMemoryChannelLayer, clock: Clock) -> None:
        await layer.group_add("g", "a")
        clock.advance(999)
        await layer.send("a", HELLO)
        await layer.receive("a")
        clock.advance(999)
        assert await self.is_member(layer)

    async def test_not_long_after_the_last_use(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        """The look at a lease may come late; the end does not."""
        await layer.group_add("g", "a")
        clock.advance(500)
        await layer.send("a", HELLO)
        await layer.receive("a")
        clock.advance(500)
        await layer.group_add("other", "b")  # looks at the lease, which was used since
        clock.advance(499)
        assert "a" in layer.groups["g"]
        clock.advance(1)
        assert not await self.is_member(layer)

    async def test_being_sent_to_is_no_use(self, layer: InMemoryChannelLayer, clock: Clock) -> None:
        await layer.group_add("g", "a")
        for _ in range(9):
            clock.advance(100)
            assert await self.is_member(layer)
        clock.advance(100)
        layer._delivery.drop_expired()
        assert not await self.is_member(layer)

    async def test_waiting_is_a_use(self, layer: InMemoryChannelLayer, clock: Clock) -> None:
        await layer.group_add("g", "a")
        waiter = await receiving(layer, "a")
        clock.advance(5000)
        await layer.group_send("g", HELLO)
        assert await waiter == HELLO

    async def test_so_is_waiting_in_vain(self, layer: InMemoryChannelLayer, clock: Clock) -> None:
        """A reader that polls with a timeout is between two waits when somebody looks."""
        await layer.group_add("g", "a")
        for _ in range(10):
            waiter = await receiving(layer, "a")
            clock.advance(900)
            waiter.cancel()
            await asyncio.wait([waiter])
            clock.advance(99)
            await layer.group_add("other", "b")
            await layer.group_discard("other", "b")
        assert await self.is_member(layer)

    async def test_two_messages_at_once_after_a_long_wait(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        """At the second, nobody waits any more and the first is not read yet."""
        await layer.group_add("g", "a")
        waiter = await receiving(layer, "a")
        clock.advance(5000)
        await layer.group_send("g", {"type": "x", "n": 1})
        await layer.group_send("g", {"type": "x", "n": 2})
        assert await waiter == {"type": "x", "n": 1}
        assert await layer.receive("a") == {"type": "x", "n": 2}

    async def test_a_consumer_stays_for_ever(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        consumer = Consumer(layer, "a")
        await layer.group_add("g", "a")
        for number in range(20):
            clock.advance(999)
            await layer.group_send("g", {"type": "x", "n": number})
            assert consumer.numbers() == [number]
        layer._clean_expired()
        assert list(layer.groups["g"]) == ["a"]

    async def test_one_that_joined_before_it_came(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        await layer.group_add("g", "a")
        consumer = Consumer(layer, "a")
        for _ in range(3):
            clock.advance(1000)
            await layer.group_send("g", HELLO)
            assert len(consumer.numbers()) == 1
        consumer.inbox.close()
        assert layer.groups == {}

    async def test_a_consumer_on_a_closed_loop_does_not(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        with loop_threads(1) as (far,):
            far.call(lambda: Consumer(layer, "a"))
            await layer.group_add("g", "a")
            far.stop()
            clock.advance(10)
            assert await self.is_member(layer)
            clock.advance(1000)
            assert not await self.is_member(layer)
            assert layer.groups == {}

    async def test_what_a_suite_cleared_by_hand_is_over(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        await layer.group_add("g", "a")
        await layer.send("a", HELLO)
        layer.groups.clear()
        assert await layer.receive("a") == HELLO
        assert not await self.is_member(layer)
        await layer.group_add("g", "a")
        assert await self.is_member(layer)

    async def test_what_a_suite_put_in_by_hand_is_a_member(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        layer.groups["g"] = {"a": 0.0}
        assert await self.is_member(layer)
        await layer.group_discard("g", "a")
        assert layer.groups == {}

    async def test_clean_expired_ends_them_all_at_once(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        for number in range(20):
            await layer.group_add("g", f"c{number}")
            await layer.group_send(f"h{number}", HELLO)
            await layer.send(f"c{number}", HELLO)
        clock.advance(1000)
        layer._clean_expired()
        assert tables(layer) == {}
        assert layer.drops.counts == {"expired": 20}
