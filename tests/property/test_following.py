"""A follower beside a log, whatever the broker does to announcements and to the log."""

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from channels.layers.following import MOST_REMEMBERED, Entry, Follower, Gap, Heard, Reading

CAPACITY = 6
PAGE = 3


class Broker(NamedTuple):
    """A log as the broker has it."""

    epoch: int
    entries: list[Entry[int]]
    top: int

    def read(self, epoch: int, offset: int) -> Reading[int]:
        rows = self.entries
        if epoch == self.epoch:
            rows = [entry for entry in rows if entry.offset >= offset]
        newest = self.entries[-1].id if self.entries else b""
        return Reading(self.epoch, self.top, newest, rows[:PAGE])


class Following(RuleBasedStateMachine):
    """One follower, one broker, and between them announcements that are lost, late and repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.follower: Follower[int] = Follower()
        self.broker = Broker(1, [Entry(1, 0, b"", 0)], 0)
        self.published: list[Entry[int]] = []
        self.seen: list[int] = []
        self.gaps = 0
        self.may_gap = False
        self.announced: list[Entry[int]] = []
        self.under_way: list[Reading[int]] = []
        self.due = True
        self.numbers = 0
        self.copy: Broker | None = None
        self.copy_number = 0
        self.unanswered: list[Entry[int]] = []
        self.sent_again = False
        self._read_to_the_end()

    # The broker

    @rule()
    def publish(self) -> None:
        self.numbers += 1
        broker = self.broker
        entry = Entry(broker.epoch, broker.top + 1, b"%d" % self.numbers, self.numbers)
        self.broker = Broker(broker.epoch, [*broker.entries, entry][-CAPACITY:], entry.offset)
        self.published.append(entry)
        self.announced.append(entry)
        if self.broker.entries[0].offset > self.follower.offset:
            self.may_gap = True

    def recent(self) -> set[int]:
        return set(self.seen[-MOST_REMEMBERED:])

    @precondition(lambda self: self.unanswered)
    @rule()
    def send_again(self) -> None:
        again = self.unanswered.pop(0)
        broker = self.broker
        if any(entry.id == again.id for entry in broker.entries):
            return  # the script finds it
        entry = Entry(broker.epoch, broker.top + 1, again.id, again.item)
        self.broker = Broker(broker.epoch, [*broker.entries, entry][-CAPACITY:], entry.offset)
        self.announced.append(entry)
        self.sent_again = True
        if self.broker.entries[0].offset > self.follower.offset:
            self.may_gap = True

    @rule()
    def copy_lags_here(self) -> None:
        """What a replica would have now."""
        self.copy = self.broker
        self.copy_number = self.numbers

    @precondition(lambda self: self.copy is not None)
    @rule()
    def fail_over(self) -> None:
        assert self.copy is not None
        lost = {entry.item for entry in self.published if entry.epoch == self.copy.epoch} - set(
            range(self.copy_number + 1)
        )
        if lost:
            self.may_gap = True
        # Some were never answered: their senders try again, under the same ids.
        self.unanswered = [e for e in self.published if e.item in lost and e.item in self.recent()]
        # Nobody can know of what was lost before it was heard of.
        self.published = [
            entry for entry in self.published if entry.item not in lost or entry.item in self.seen
        ]
        self.broker = self.copy
        # Whoever was connected is not any more, and asks again.
        self.announced.clear()
        self._reconnect()

    @rule()
    def forget_everything(self) -> None:
        epoch = max(self.broker.epoch, self.follower.epoch) + 1
        self.broker = Broker(epoch, [Entry(epoch, 0, b"", 0)], 0)
        self.may_gap = True
        self.copy = None

    # The way to the follower

    @precondition(lambda self: self.announced)
    @rule(data=st.data())
    def announce(self, data: st.DataObject) -> None:
        """One arrives: in order mostly, any of them at times, and perhaps again later."""
        index = data.draw(st.sampled_from([0, 0, 0, *range(len(self.announced))]))
        entry = self.announced[index]
        if data.draw(st.integers(0, 4)):
            del self.announced[index]
        heard = self.follower.hear(entry)
        if heard is Heard.NEXT:
            self.seen.append(entry.item)
        elif heard is Heard.HOLE:
            self.due = True

    @precondition(lambda self: self.announced)
    @rule()
    def lose_an_announcement(self) -> None:
        self.announced.pop(0)

    @rule()
    def lose_the_connection(self) -> None:
        self.announced.clear()
        self._reconnect()

    def _reconnect(self) -> None:
        self.under_way.clear()
        self.follower.doubt()
        self.due = True

    # Readings

    @precondition(lambda self: self.due and self.follower.reading and not self.under_way)
    @rule()
    def ask(self) -> None:
        self.due = False
        self.follower.starts()
        self.under_way.append(self.broker.read(self.follower.epoch, self.follower.offset))

    @precondition(lambda self: self.under_way)
    @rule()
    def answer(self) -> None:
        outcome = self.follower.read(self.under_way.pop())
        self.take(outcome.events)
        self.due = outcome.read_again

    def take(self, events: Sequence[Entry[int] | Gap]) -> None:
        for event in events:
            if isinstance(event, Gap):
                self.gaps += 1
            else:
                self.seen.append(event.item)

    def _read_to_the_end(self) -> None:
        for _ in range(100):
            if not (self.follower.reading or self.under_way):
                return
            if not self.under_way:
                self.ask()
            self.answer()
        raise AssertionError("the readings do not come to an end")

    # What holds

    @invariant()
    def nothing_is_repeated(self) -> None:
        assert len(set(self.seen)) == len(self.seen), self.seen

    @invariant()
    def nothing_is_out_of_order(self) -> None:
        assert self.sent_again or self.seen == sorted(self.seen)

    @invariant()
    def no_gap_without_a_reason(self) -> None:
        assert self.may_gap or not self.gaps

    @invariant()
    def a_reading_is_due_whenever_one_is_wanted(self) -> None:
        assert not self.follower.reading or self.due or self.under_way

    def teardown(self) -> None:
        """In the end, a look at the log finds everything, or says that something is missing."""
        self.announced.clear()
        self._reconnect()
        self._read_to_the_end()
        assert (self.follower.epoch, self.follower.offset) == (self.broker.epoch, self.broker.top)
        missing = {entry.item for entry in self.published} - set(self.seen)
        if missing:
            assert self.gaps, missing


Following.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
TestFollowing = Following.TestCase
