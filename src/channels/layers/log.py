"""The ring behind a group: an append-only log that keeps its last entries for a while. Pure.

Times are seconds of whatever clock the owner uses.
"""

from collections import deque
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Position(NamedTuple):
    """Where a reader stands in a group."""

    epoch: str
    """Which life of the log. Offsets of different epochs cannot be compared."""

    offset: int
    """Which entry, counted from 1; 0 is before the first."""


class Entry(NamedTuple, Generic[T]):
    """One message of a log."""

    offset: int
    item: T


class Replay(NamedTuple, Generic[T]):
    """What a log has to say to a reader that comes back."""

    entries: list[Entry[T]]
    """What the reader missed and the log still has, in order."""

    position: Position
    """Where the reader stands once it has read them."""

    gap: int | None
    """How many entries were missed that the log no longer has; ``None`` where that cannot be
    known, because the reader's position is of another life of the log."""


class GroupLog(Generic[T]):
    """At most ``capacity`` entries, each for ``expiry`` seconds; offsets go up by one."""

    __slots__ = ("_entries", "capacity", "epoch", "expiry", "offset")

    def __init__(self, epoch: str, capacity: int, expiry: float) -> None:
        self.epoch: str = epoch
        self.capacity: int = capacity
        self.expiry: float = expiry
        self.offset: int = 0
        """The offset of the newest entry, also when it is no longer kept."""
        self._entries: deque[tuple[float, T]] = deque(maxlen=capacity)

    @property
    def position(self) -> Position:
        """The position of a reader that has read everything."""
        return Position(self.epoch, self.offset)

    def append(self, item: T, now: float) -> Position:
        """Add an entry; the oldest makes room where the log is full. Each entry costs the same,
        the removal of expired ones included."""
        self.trim(now)
        self.offset += 1
        self._entries.append((now + self.expiry, item))
        return Position(self.epoch, self.offset)

    def since(self, position: Position, now: float) -> Replay[T]:
        """Everything after ``position``.

        A position of another epoch, or ahead of this log, is that of another life: all that is kept
        is replayed and the gap is unknown.
        """
        self.trim(now)
        first = self.offset - len(self._entries) + 1
        known = position.epoch == self.epoch and 0 <= position.offset <= self.offset
        wanted = position.offset + 1 if known else first
        start = max(wanted, first)
        entries = [
            Entry(offset, item)
            for offset, (_, item) in enumerate(self._entries, first)
            if offset >= start
        ]
        return Replay(entries, self.position, start - wanted if known else None)

    def trim(self, now: float) -> None:
        """Forget entries whose time has come."""
        entries = self._entries
        while entries and entries[0][0] <= now:
            entries.popleft()

    @property
    def empty_at(self) -> float:
        """When the last entry expires; the beginning of time where none is kept."""
        return self._entries[-1][0] if self._entries else float("-inf")
