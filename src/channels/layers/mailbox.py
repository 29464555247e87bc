"""The bounded, expiring FIFO that one receiver reads. No waiting and no locks: those are around it.

Times are seconds of whatever clock the owner uses.
"""

from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """What waits for one channel, oldest first.

    Never holds more than ``capacity`` items that have not expired, and never hands out one that
    has. Expired items cost nothing until somebody reads or the mailbox is full.
    """

    __slots__ = ("capacity", "expired", "items")

    def __init__(self, capacity: int) -> None:
        self.capacity: int = capacity
        self.expired: int = 0
        """How many items were dropped because nobody read them in time."""
        # Not a deque, which takes 700 bytes when it is empty: every idle connection has a mailbox.
        # To take from a list's front costs less than from a deque's up to some hundred items, and
        # 40 µs with a hundred thousand.
        self.items: list[tuple[float, T]] = []
        """When each item expires, and the item."""

    def put(self, item: T, expires_at: float, now: float) -> bool:
        """Append an item; ``False``, and nothing changed, where the mailbox is full."""
        items = self.items
        if len(items) >= self.capacity:
            self.drop_expired(now)
            if len(items) >= self.capacity:
                return False
        items.append((expires_at, item))
        return True

    def take(self, now: float) -> T | None:
        """Remove and return the oldest item that has not expired, or ``None``."""
        items = self.items
        while items:
            expires_at, item = items.pop(0)
            if expires_at > now:
                return item
            self.expired += 1
        return None

    def drop_expired(self, now: float) -> None:
        """Forget the items at the front whose time has come."""
        items = self.items
        over = 0
        for expires_at, _ in items:
            if expires_at > now:
                break
            over += 1
        del items[:over]
        self.expired += over

    def clear(self) -> None:
        self.items.clear()

    def qsize(self) -> int:
        """How many items wait, expired ones included. (The name is that of upstream's queues.)"""
        return len(self.items)

    def empty(self) -> bool:
        return not self.items

    def full(self) -> bool:
        return len(self.items) >= self.capacity

    @property
    def next_expiry(self) -> float | None:
        """When the oldest item expires."""
        return self.items[0][0] if self.items else None
