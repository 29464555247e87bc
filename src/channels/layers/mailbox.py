"""The bounded, expiring FIFO that one receiver reads. No waiting and no locks: those are around it.

Times are seconds of whatever clock the owner uses.
"""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """What waits for one channel, oldest first.

    Never holds more than ``capacity`` items that have not expired, and never hands out one that
    has. Expired items cost nothing until somebody reads or the mailbox is full.
    """

    __slots__ = ("_items", "capacity", "expired")

    def __init__(self, capacity: int) -> None:
        self.capacity: int = capacity
        self.expired: int = 0
        """How many items were dropped because nobody read them in time."""
        self._items: deque[tuple[float, T]] = deque()

    def put(self, item: T, expires_at: float, now: float) -> bool:
        """Append an item; ``False``, and nothing changed, where the mailbox is full."""
        items = self._items
        if len(items) >= self.capacity:
            self.drop_expired(now)
            if len(items) >= self.capacity:
                return False
        items.append((expires_at, item))
        return True

    def take(self, now: float) -> T | None:
        """Remove and return the oldest item that has not expired, or ``None``."""
        items = self._items
        while items:
            expires_at, item = items.popleft()
            if expires_at > now:
                return item
            self.expired += 1
        return None

    def oldest(self, now: float) -> T | None:
        """The oldest item that has not expired, which stays, or ``None``."""
        self.drop_expired(now)
        return self._items[0][1] if self._items else None

    def drop_expired(self, now: float) -> None:
        """Forget the items at the front whose time has come."""
        items = self._items
        while items and items[0][0] <= now:
            items.popleft()
            self.expired += 1

    def clear(self) -> None:
        self._items.clear()

    def qsize(self) -> int:
        """How many items wait, expired ones included. (The name is that of upstream's queues.)"""
        return len(self._items)

    def empty(self) -> bool:
        return not self._items

    def full(self) -> bool:
        return len(self._items) >= self.capacity

    @property
    def next_expiry(self) -> float | None:
        """When the oldest item expires."""
        return self._items[0][0] if self._items else None
