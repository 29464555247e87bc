"""The in-memory layer against a small model: every step that a process can take, in any order.

Between two steps nothing runs unless the step is :meth:`LayerMachine.let_run`: a receiver may be
cancelled before it began, while it waits, after it was woken and after it took a message.
"""

import asyncio
from asyncio import events
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer
from tests.property.examples import LAYER
from tests.property.model import CAPACITY, EXPIRY, GROUP_EXPIRY, Model

if TYPE_CHECKING:
    from channels.layers.base import Inbox

GENERAL = ["a", "b", "c"]
"""Channels that are read by ``receive()``."""
OWNED = ["x!1", "x!2"]
"""Channels that are read by a consumer, while there is one."""
CHANNELS = st.sampled_from(GENERAL + OWNED)
GROUPS = st.sampled_from(["g", "h"])


class Consumer:
    """A consumer's inbox, and how often it was called since it found the inbox empty."""

    def __init__(self, layer: InMemoryChannelLayer, channel: str) -> None:
        self.calls = 0
        inbox = layer.attach(channel, self._wake)
        assert inbox is not None
        self.inbox: Inbox = inbox

    def _wake(self) -> None:
        self.calls += 1


class LayerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model = Model()
        self.layer = InMemoryChannelLayer(
            expiry=EXPIRY,
            group_expiry=GROUP_EXPIRY,
            capacity=CAPACITY,
            clock=lambda: self.model.now,
        )
        self.tasks: list[asyncio.Task[None]] = []
        self.consumers: dict[str, Consumer] = {}
        self.next = 0
        self.accepted = 0
        self.received = 0
        self.flushed = 0

    # How a step is taken.

    def at_once(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run what never waits, and nothing beside it."""
        events._set_running_loop(self.loop)
        try:
            work.send(None)
        except StopIteration as done:
            return done.value
        finally:
            events._set_running_loop(None)
        raise AssertionError("it waited")

    def run_others(self) -> None:
        async def turns() -> None:
            for _ in range(4):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.result()
        self.tasks = [task for task in self.tasks if not task.done()]

    def new_message(self) -> dict[str, Any]:
        self.next += 1
        return {"type": "x", "n": self.next}

    def qsize(self) -> int:
        return sum(box.qsize() for box in self.layer.channels.values())

    # Channels.

    @rule(channel=CHANNELS)
    def send(self, channel: str) -> None:
        message = self.new_message()
        room = self.model.has_room(channel)
        try:
            self.at_once(self.layer.send(channel, message))
        except ChannelFull:
            assert not room
        else:
            assert room
            self.accepted += 1
            self.model.put(channel, message["n"])

    async def receive(self, channel: str) -> None:
        self.model.begin_to_read(channel)
        self.model.waiting[channel] += 1
        try:
            message = await self.layer.receive(channel)
            assert message["n"] == self.model.take(channel)
            self.received += 1
        finally:
            self.model.use(channel)
            self.model.waiting[channel] -= 1

    @rule(channel=st.sampled_from(GENERAL), number=st.integers(1, 3))
    def start_to_receive(self, channel: str, number: int) -> None:
        for _ in range(number):
            self.tasks.append(self.loop.create_task(self.receive(channel), name=channel))

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        for task in data.draw(st.sets(st.sampled_from(self.tasks), min_size=1, max_size=3)):
            task.cancel()

    @precondition(lambda self: any(self.model.waiting.values()))
    @rule(data=st.data(), first=st.booleans())
    def send_to_a_receiver_that_is_cancelled(self, data: st.DataObject, first: bool) -> None:
        self.run_others()
        waiting = [channel for channel in GENERAL if self.model.waiting[channel]]
        if waiting:
            channel = data.draw(st.sampled_from(waiting))
            readers = [task for task in self.tasks if task.get_name() == channel]
            self.send(channel)
            readers[0 if first else -1].cancel()

    @rule()
    def let_run(self) -> None:
        self.run_others()
        self.nobody_waits_beside_mail()

    # Consumers.

    @rule(channel=st.sampled_from(OWNED))
    def come(self, channel: str) -> None:
        if channel not in self.consumers:
            events._set_running_loop(self.loop)
            try:
                self.consumers[channel] = Consumer(self.layer, channel)
            finally:
                events._set_running_loop(None)
            self.model.begin_to_read(channel)
            self.model.owned.add(channel)

    @precondition(lambda self: self.consumers)
    @rule(data=st.data(), most=st.integers(1, 5))
    def take(self, data: st.DataObject, most: int) -> None:
        channel = data.draw(st.sampled_from(sorted(self.consumers)))
        consumer = self.consumers[channel]
        for _ in range(most):
            snapshot = consumer.inbox.take()
            taken = None if snapshot is None else snapshot.message()["n"]
            assert taken == self.model.take(channel)
            if snapshot is None:
                consumer.calls = 0
                break
            self.received += 1

    @precondition(lambda self: self.consumers)
    @rule(data=st.data(), times=st.integers(1, 2))
    def go(self, data: st.DataObject, times: int) -> None:
        channel = data.draw(st.sampled_from(sorted(self.consumers)))
        consumer = self.consumers.pop(channel)
        for _ in range(times):
            consumer.inbox.close()
        self.model.close(channel)
        assert consumer.inbox.take() is None
        assert all(channel not in members for members in self.layer.groups.values())

    # Groups.

    @rule(group=GROUPS, channels=st.sets(CHANNELS, min_size=1))
    def group_add(self, group: str, channels: set[str]) -> None:
        for channel in sorted(channels):
            self.at_once(self.layer.group_add(group, channel))
            self.model.join(group, channel)
            assert channel in self.layer.groups[group]

    @rule(group=GROUPS, channel=CHANNELS)
    def group_discard(self, group: str, channel: str) -> None:
        self.at_once(self.layer.group_discard(group, channel))
        self.model.leave(group, channel)
        assert channel not in self.layer.groups.get(group, {})

    @rule(group=GROUPS, exclude=st.one_of(st.just(set()), st.sets(CHANNELS, max_size=2)))
    def group_send(self, group: str, exclude: set[str]) -> None:
        message = self.new_message()
        self.model.settle_doubts(self.layer.groups)
        drops = self.layer.drops.counts["full"]
        position = self.at_once(self.layer.group_send(group, message, exclude=exclude))
        reached, full = self.model.group_send(group, message["n"], exclude)
        self.accepted += reached
        assert self.layer.drops.counts["full"] == drops + full
        self.model.check_position(group, position)

    # Everything.

    @rule(seconds=st.sampled_from([1, EXPIRY - 1, EXPIRY, GROUP_EXPIRY - 1, GROUP_EXPIRY]))
    def wait(self, seconds: int) -> None:
        self.let_run()
        self.model.now += seconds

    @precondition(lambda self: self.next % 5 == 0)
    @rule()
    def flush(self) -> None:
        self.flushed += self.qsize()
        self.at_once(self.layer.flush())
        self.model.flush()
        assert self.layer.groups == {}

    @rule()
    def clean(self) -> None:
        self.run_others()
        self.model.settle_doubts(self.layer.groups)
        self.layer._clean_expired()
        self.model.clean()
        assert set(self.layer.channels) == self.model.channels()
        assert {group: set(members) for group, members in self.layer.groups.items()} == {
            group: set(members) for group, members in self.model.groups.items()
        }

    # What always holds.

    @invariant()
    def bounded(self) -> None:
        assert all(box.qsize() <= CAPACITY for box in self.layer.channels.values())
        assert set(self.layer.groups) >= set(self.model.current_groups())

    @invariant()
    def every_message_is_accounted_for(self) -> None:
        counts = self.layer.drops.counts
        about_to_be_counted = sum(box.expired for box in self.layer.channels.values())
        gone = counts["expired"] + counts["closed"] + about_to_be_counted
        assert self.accepted == self.received + self.flushed + gone + self.qsize()

    @invariant()
    def logs_may_end(self) -> None:
        self.model.note_logs_that_may_be_forgotten()

    def nobody_waits_beside_mail(self) -> None:
        """Asked when everything that was ready has run."""
        for channel in GENERAL:
            assert not (self.model.waiting[channel] and self.model.alive(channel)), "not woken"
        for channel, consumer in self.consumers.items():
            assert consumer.calls or not self.model.alive(channel), "not called"

    def teardown(self) -> None:
        try:
            self.let_run()
            for task in self.tasks:
                task.cancel()
            for consumer in self.consumers.values():
                consumer.inbox.close()
            self.run_others()
            assert not self.tasks
            self.model.now += EXPIRY + GROUP_EXPIRY
            self.layer._clean_expired()
            assert self.layer.channels == self.layer.groups == {}
            for table in (
                *vars(self.layer._memberships).values(),
                self.layer._delivery._unread,
                self.layer._leases,
                self.layer._logs,
                self.layer._ends_of_logs,
            ):
                assert len(table) == 0
        finally:
            self.loop.close()


TestLayer = LayerMachine.TestCase
TestLayer.settings = LAYER
