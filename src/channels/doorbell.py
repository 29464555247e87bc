"""What a parked task waits for, when a callback of its own loop is to wake it at once.

A future wakes its task in the loop's next round, by way of a handle that is made and queued for
that. Where the one who rings is such a callback already, as a fan-out is, both can be spared: the
task makes its next step then and there. It is the task's own step, as if the loop had called it:
the task is the current one meanwhile, in its own context, so that every timeout and cancel scope
that is entered belongs to it.
"""

import asyncio
import contextvars
from collections.abc import Callable, Generator
from typing import Any


class Doorbell:
    """Await it in one task; :meth:`ring` it from a callback of the same loop. May be awaited again.

    It is to the task what a future is (PEP 3156, "Futures" and what :class:`asyncio.Task` asks of
    an awaited object), but it keeps nothing: a ring that nobody waits for is no ring.
    """

    __slots__ = ("_asyncio_future_blocking", "_cancelled", "_loop", "_run", "_wake_up", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking: bool = False
        self._cancelled: BaseException | None = None
        self._loop = loop
        self._run: Callable[..., object] | None = None
        """Runs :attr:`_wake_up` in the task's context; there while a task waits."""
        self._wake_up: Callable[[Any], object] | None = None
        self.waiting: bool = False
        """Whether a task is parked here that was not cancelled."""

    def ring(self) -> None:
        """Let the task that waits, if there is one, make its next step.

        Call it from a callback of the loop and never inside a task.
        """
        run = self._run
        if run is not None:
            self._run = None
            self.waiting = False
            run(self._wake_up, self)

    def __await__(self) -> Generator[Any, None, None]:
        self._asyncio_future_blocking = True
        yield self

    # What a task asks of a future.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(
        self, wake_up: Callable[[Any], object], *, context: contextvars.Context
    ) -> None:
        self._wake_up = wake_up
        self._run = context.run
        self.waiting = True

    def cancel(self, msg: Any = None) -> bool:
        """The task is cancelled: it wakes in the loop's next round, as from a cancelled future."""
        if not self.waiting:
            return False
        self.waiting = False
        self._cancelled = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self._loop.call_soon(self.ring)
        return True

    def result(self) -> None:
        cancelled, self._cancelled = self._cancelled, None
        if cancelled is not None:
            raise cancelled
