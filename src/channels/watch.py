"""Which connections have a handler in hand for long: one tick for all of a loop's.

A message costs nothing here but a comparison: a connection is entered when it begins a handler and
is not entered yet, and it is the tick that strikes it out when it finds it idle. While no
connection is entered there is no tick either.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

TICK_SECONDS = 0.5
"""Between two looks. A handler is taken to run for long when two looks find it running: after half
a second at the least and one at most."""


class Watched(Protocol):
    """A connection."""

    def look(self, now: float) -> bool:
        """Do what is due, and say whether to look again at the next tick."""
        ...


class Watch:
    """Looks at the entered connections of one loop, once a tick. On that loop alone."""

    # It knows its loop from whoever calls, and has a timer only while somebody is entered: it is
    # kept for as long as the loop is, and a reference to that would keep both for ever.
    __slots__ = ("_entered", "_timer", "clock")

    def __init__(self) -> None:
        self.clock: Callable[[], float] = time.monotonic
        """Seconds; only differences count."""
        self._entered: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, connection: Watched) -> None:
        """Look at ``connection`` from the next tick on, until its ``look`` says ``False``."""
        self._entered.add(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self.tick)

    def leave(self, connection: Watched) -> None:
        """Forget a connection, which has ended."""
        self._entered.discard(connection)
        if not self._entered:
            self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def tick(self) -> None:
        """Look at every connection that is entered."""
        now = self.clock()
        self._stop()
        try:
            for connection in list(self._entered):
                if not connection.look(now):
                    self._entered.discard(connection)
        finally:
            if self._entered:
                self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self.tick)


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def watch_of(loop: asyncio.AbstractEventLoop) -> Watch:
    """The watch of ``loop``, which is the running one."""
    try:
        return _by_loop[loop]
    except KeyError:
        watch = _by_loop[loop] = Watch()
        return watch
