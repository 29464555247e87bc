"""In front of the server's own handling of SIGTERM and SIGINT: drain first.

Servers close every socket at once when they are told to stop, and deliver ``lifespan.shutdown``
only then. So the signal has to be met before them.
"""

import asyncio
import logging
import math
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from channels.draining.closing import Drain, drain_deadline, drain_seconds
from channels.stop_signals import STOP_SIGNALS, end_process_within

logger: logging.Logger = logging.getLogger("django.channels.drain")

ECHO = 1.0
"""Seconds in which a SIGTERM that follows a stop signal is the same request: what supervisors send
to a process group (systemd, a terminal) and the server's parent process passes on as well."""


class Predecessor:
    """What happened at a signal before us, and how it is put back.

    Args:
        loop: the running loop. asyncio's own keeps handlers that were added to it where they can be
            read; uvloop's does not, and there :attr:`is_known` is false.
    """

    def __init__(self, number: signal.Signals, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        self._loop = loop
        self.handler: Any = signal.getsignal(number)
        added = self._added_to_loop()
        self._added: tuple[Any, tuple[Any, ...]] | None = None
        if added is not None:
            self._added = added._callback, added._args
        # None: a handler that was not installed from Python.
        self.is_known: bool = self.handler is not None and (
            added is not None or getattr(self.handler, "__self__", None) is not loop
        )

    def replace(self, handler: Callable[[int, FrameType | None], object]) -> None:
        if self._added is not None:
            self._loop.add_signal_handler(self._number, handler, self._number, None)
        else:
            signal.signal(self._number, handler)

    def put_back(self, ours: object) -> None:
        """Undo :meth:`replace`, unless somebody has come in front of ``ours`` since."""
        if self._added is None:
            if signal.getsignal(self._number) == ours:
                signal.signal(self._number, self.handler)
        elif getattr(self._added_to_loop(), "_callback", None) == ours:
            callback, arguments = self._added
            self._loop.add_signal_handler(self._number, callback, *arguments)

    def call(self, frame: FrameType | None) -> None:
        """What would have happened without us."""
        if self._added is not None:
            callback, arguments = self._added
            callback(*arguments)
        elif callable(self.handler):
            self.handler(self._number, frame)
        elif self.handler is signal.SIG_DFL:
            signal.signal(self._number, signal.SIG_DFL)
            signal.raise_signal(self._number)

    def _added_to_loop(self) -> Any:
        return getattr(self._loop, "_signal_handlers", {}).get(self._number)


class DrainOnSignal:
    """Drains the running loop at the first stop signal, then lets happen what would have happened.

    A second signal goes straight through. Nothing is installed outside the main thread, where no
    signal is delivered, and handlers that others put in front of ours later stay where they are.

    Args:
        clock: tells a second signal from an echo.
        end_process: sees to it that the process ends in time; returns what takes that back.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        end_process: Callable[[float, int], Callable[[], None]] = end_process_within,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._end_process = end_process
        self._before: dict[signal.Signals, Predecessor] = {}
        self._first: float | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._restored = False
        self._let_live: Callable[[], None] | None = None

    def install(self) -> None:
        """Come before whoever handles the stop signals now."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in STOP_SIGNALS:
            before = Predecessor(number, self._loop)
            if before.handler is signal.SIG_IGN:
                continue  # somebody wants it to mean nothing
            if not before.is_known:
                logger.info(
                    "The server takes %s in a way that nobody can come before, so connections are "
                    "not drained. With asyncio's event loop instead of uvloop they are.",
                    number.name,
                )
                continue
            before.replace(self._on_signal)
            self._before[number] = before

    def restore(self) -> None:
        """Put everything back as it was. From here on a signal that still reaches us goes on to
        whom it would have gone to."""
        self._restored = True
        if not self._loop.is_closed():
            for before in self._before.values():
                before.put_back(self._on_signal)

    async def close(self) -> None:
        """The server has ended: restore, and end what is under way."""
        self.restore()
        if self._let_live is not None:
            self._let_live()
        self._cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        signum = signal.Signals(number)
        if self._restored or not self._loop.is_running():
            self._before[signum].call(frame)
        elif self._first is None:
            self._first = self._clock()
            self._loop.call_soon_threadsafe(self._begin, signum)
        elif signum is not signal.SIGTERM or self._clock() - self._first > ECHO:
            self._loop.call_soon_threadsafe(self._cancel)
            self._hand_over(signum)

    def _begin(self, number: signal.Signals) -> None:
        if self._restored:
            return
        logger.info("%s: draining. A second signal ends it at once.", number.name)
        try:
            drain = Drain(drain_seconds(), drain_deadline())
        except ImproperlyConfigured:
            logger.exception("Nothing is drained.")
            self._hand_over(number)
            return
        if drain.limits.end < math.inf:
            # Blocked sync code, and clients that read nothing, would keep the server for ever.
            let_live = self._end_process(drain.limits.end, 0)
            if number is not signal.SIGTERM:
                # Whoever pressed Ctrl-C may go on in this process when the server has ended.
                self._let_live = let_live
        self._tasks = [
            self._loop.create_task(drain.cut_requests()),
            self._loop.create_task(self._drain_and_hand_over(drain, number)),
        ]

    async def _drain_and_hand_over(self, drain: Drain, number: signal.Signals) -> None:
        try:
            await drain.run()
        except Exception:
            logger.exception("Draining failed; the server ends as it would have without.")
        self._hand_over(number)
        if number is signal.SIGTERM:
            _end_with_status_0(self._before[number].handler)

    def _hand_over(self, number: signal.Signals) -> None:
        self.restore()
        # Raised anew and not called: so it reaches the server in whatever way it takes signals.
        signal.raise_signal(number)


def _end_with_status_0(handler: Any) -> None:
    """uvicorn notes the signals that it gets and raises them once more when it has ended, so the
    process would be reported as killed by SIGTERM. It is not: everything was ended in order."""
    noted = getattr(getattr(handler, "__self__", None), "_captured_signals", None)
    if isinstance(noted, list) and signal.SIGTERM in noted:
        noted.remove(signal.SIGTERM)
