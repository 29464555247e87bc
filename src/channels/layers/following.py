"""Following a log by position: what to deliver or skip, when to read, and what is a gap. Pure.

A follower hears announcements, which may be lost, repeated or late, and reads the log, which is the
truth. It stands at a position and knows the id of the entry there. An announcement of the next
entry is delivered; an earlier one is a repeat; anything else makes it read. While it reads its
position does not move.

Ids tell apart entries that have the same position: a broker that fails over to a copy that lacked
the newest entries gives their positions away once more. They also tell of an entry that is there
again: one that was lost in such a way after it was delivered, and that its sender, who got no
answer, has sent again.
"""

import enum
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

MOST_KEPT = 256
"""Announcements that are kept while the follower reads. What more comes is read afterwards."""


MOST_REMEMBERED = 64
"""Ids of delivered entries that are remembered."""

WATCHED = 500
"""Entries after a gap among which one that was delivered before it may be."""


class Entry(NamedTuple, Generic[T]):
    """One message of a log."""

    epoch: int
    offset: int
    id: bytes
    item: T


class Reading(NamedTuple, Generic[T]):
    """What the log said when it was read from the follower's position."""

    epoch: int
    offset: int
    """Where the log ends."""
    id: bytes
    """Of the entry there."""
    entries: Sequence[Entry[T]]
    """Those from the follower's own entry on, the oldest ones if there are many; where the log is
    in another epoch than the follower, from its first."""


class Gap(NamedTuple):
    """Entries that the follower missed and the log cannot supply, or may not be able to."""

    missed: int | None
    """How many; ``None`` where that cannot be known."""


class Heard(enum.Enum):
    """What an announcement means."""

    NEXT = "deliver it"
    REPEAT = "nothing to do"
    KEPT = "it waits for the reading that is under way"
    HOLE = "read: the log has it, and what is missing before it"


class Outcome(NamedTuple, Generic[T]):
    """What a reading means."""

    events: "list[Entry[T] | Gap]"
    """In the order in which the members shall see them."""
    read_again: bool


class Follower(Generic[T]):
    """One follower of one log.

    Args:
        from_start: whether the entries that are there already count as missed; else the follower
            begins at the end.
    """

    __slots__ = (
        "_again",
        "_kept",
        "_recent",
        "_suspects",
        "_watched",
        "epoch",
        "from_start",
        "id",
        "offset",
        "reading",
    )

    def __init__(self, *, from_start: bool = False) -> None:
        self.epoch: int = 0
        """0 until the first reading."""
        self.offset: int = 0
        self.id: bytes = b""
        self.reading: bool = True
        """Whether a reading is due or under way. True until the first one."""
        self.from_start: bool = from_start
        self._kept: deque[Entry[T]] = deque()
        self._again = False
        self._recent: deque[bytes] = deque(maxlen=MOST_REMEMBERED)
        self._suspects: frozenset[bytes] = frozenset()
        self._watched = 0

    def hear(self, entry: Entry[T]) -> Heard:
        """Take note of an announcement."""
        if self.reading:
            self._keep(entry)
            return Heard.KEPT
        if entry.epoch == self.epoch:
            if entry.offset == self.offset + 1:
                self.offset, self.id = entry.offset, entry.id
                if self._suspects and self._seen_before(entry):
                    return Heard.REPEAT
                self._recent.append(entry.id)
                return Heard.NEXT
            if entry.offset < self.offset or entry.id == self.id:
                return Heard.REPEAT
        self.reading = True
        return Heard.HOLE  # not kept: the log, which is read after it, has it

    def doubt(self) -> bool:
        """Something may have been missed. Returns whether a reading has to be started: one that is
        under way already may have been answered before the doubt, and is followed by another."""
        if self.reading:
            self._again = True
            return False
        self.reading = True
        return True

    def starts(self) -> None:
        """A reading is being asked for now: it will see all that was heard or doubted so far."""
        self._again = False
        self._kept.clear()

    def read(self, reading: Reading[T]) -> Outcome[T]:
        """Take in what the log said."""
        events = self._compare(reading)
        behind = self.epoch == reading.epoch and self.offset < reading.offset
        if behind or self._again:
            return Outcome(events, read_again=True)
        self.reading = False
        while self._kept:
            entry = self._kept.popleft()
            heard = self.hear(entry)
            if heard is Heard.NEXT:
                events.append(entry)
            elif heard is Heard.HOLE:
                return Outcome(events, read_again=True)
        return Outcome(events, read_again=False)

    def _keep(self, entry: Entry[T]) -> None:
        if len(self._kept) < MOST_KEPT:
            self._kept.append(entry)
        else:
            self._again = True

    def _compare(self, reading: Reading[T]) -> "list[Entry[T] | Gap]":
        """What is new in a reading. Moves the position to its last entry."""
        events: list[Entry[T] | Gap] = []
        entries = list(reading.entries)
        if self.epoch == 0:
            if not self.from_start:
                entries.clear()
        elif reading.epoch != self.epoch:
            events.append(Gap(None))
            if reading.epoch < self.epoch:
                # Back to an earlier life: its entries may have been seen while it was the present.
                entries.clear()
        elif entries and (entries[0].offset, entries[0].id) == (self.offset, self.id):
            del entries[0]
            if not entries:
                return events
        else:
            # Its own entry is gone: trimmed, or lost together with all that came after it.
            missed = entries[0].offset - self.offset - 1 if entries else 0
            events.append(Gap(missed if missed > 0 else None))
        if events:
            self._suspects, self._watched = frozenset(self._recent), WATCHED
        for event in _without_holes(entries):
            if isinstance(event, Gap):
                events.append(event)
            elif not self._seen_before(event):
                self._recent.append(event.id)
                events.append(event)
        self.epoch, self.offset, self.id = entries[-1][:3] if entries else reading[:3]
        return events

    def _seen_before(self, entry: Entry[T]) -> bool:
        """Whether an entry after a gap is one that was delivered before it."""
        if not self._suspects:
            return False
        seen = entry.id in self._suspects
        self._watched -= 1
        if not self._watched:
            self._suspects = frozenset()
        return seen


def _without_holes(entries: "list[Entry[T]]") -> "Iterator[Entry[T] | Gap]":
    """Entries with what is missing between them; nobody but an operator can have taken it out."""
    expected = entries[0].offset if entries else 0
    for entry in entries:
        if entry.offset > expected:
            yield Gap(entry.offset - expected)
        expected = entry.offset + 1
        if entry.offset:  # 0 is the mark with which a log begins
            yield entry
