"""Who is connected, by user and by address: to count them and to find them again. Pure."""

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

from channels.layers.forks import forget_after_fork, keep_inherited

T = TypeVar("T", bound=Hashable)


class Roster(Generic[T]):
    """Sets of connections by key. May be used from any thread; a key is there while it has any."""

    def __init__(self) -> None:
        self._present: dict[Hashable, set[T]] = {}
        self._lock = threading.Lock()
        forget_after_fork(self)

    def forget_inherited(self) -> None:
        """In a forked child: those who are there are with the parent."""
        keep_inherited(self._present)
        self._present, self._lock = {}, threading.Lock()

    def enter(self, key: Hashable, connection: T, most: int | None) -> bool:
        """Add a connection, unless there are ``most`` already."""
        with self._lock:
            present = self._present.get(key)
            if present is None:
                self._present[key] = {connection}
            elif most is not None and len(present) >= most:
                return False
            else:
                present.add(connection)
            return True

    def leave(self, key: Hashable, connection: T) -> None:
        """Remove a connection; silent where it is not."""
        with self._lock:
            present = self._present.get(key)
            if present is not None:
                present.discard(connection)
                if not present:
                    del self._present[key]

    def present(self, key: Hashable) -> list[T]:
        """Those that are there now."""
        with self._lock:
            return list(self._present.get(key, ()))

    def everybody(self) -> list[T]:
        """Those of all keys."""
        with self._lock:
            return [connection for present in self._present.values() for connection in present]

    def __len__(self) -> int:
        return len(self._present)
