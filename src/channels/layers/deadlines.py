"""Keys whose time comes one period after they were put under watch. Pure."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")


class Deadlines(Generic[K]):
    """A queue of keys by due time, each at most once; every operation takes constant time.

    The period is the same for all keys, so they come due in the order in which they were added and
    no heap is needed.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._due: OrderedDict[K, float] = OrderedDict()

    def watch(self, key: K, now: float) -> None:
        """Let ``key`` come due one period from now, unless it is under watch already."""
        if key not in self._due:
            self._due[key] = now + self._period

    def forget(self, key: K) -> None:
        self._due.pop(key, None)

    def pop_due(self, now: float) -> K | None:
        """Remove and return the key that came due first, or ``None``."""
        for key, due in self._due.items():
            if due <= now:
                del self._due[key]
                return key
            break
        return None

    def next_due(self) -> float | None:
        """When the next key comes due, or ``None``."""
        return next(iter(self._due.values()), None)

    def clear(self) -> None:
        self._due.clear()

    def __len__(self) -> int:
        return len(self._due)
