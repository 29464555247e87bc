"""How a command hears that it is to end: SIGINT, SIGTERM and, on Windows, Ctrl-Break."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType

STOP_SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
if sys.platform == "win32":
    STOP_SIGNALS += (signal.SIGBREAK,)  # pyright: ignore[reportConstantRedefinition]

LEFTOVERS = 0.5
"""Seconds that the interpreter gets to leave when everything that can be ended has ended. What is
left then can only be blocked sync code."""


@contextmanager
def stop_on_signals(stop: Callable[[signal.Signals], None]) -> Generator[None]:
    """Call ``stop`` at the first stop signal; a second one does what it did before the block.

    So whoever waits for a clean end can press Ctrl-C once more. ``stop`` runs in the main thread,
    between two instructions of whatever runs there, and must only set something off. Outside the
    main thread nothing is installed: signals are not delivered there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def restore() -> None:
        for number, handler in previous.items():
            # None: a handler that was not installed from Python and cannot be put back from it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def on_signal(number: int, frame: FrameType | None) -> None:
        restore()
        stop(signal.Signals(number))

    for number in STOP_SIGNALS:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        restore()


def end_process_within(seconds: float, status: int) -> Callable[[], None]:
    """Let the interpreter leave by itself, but not wait longer than ``seconds`` for it.

    A blocked sync view or handler cannot be interrupted, and the interpreter joins its thread
    before it leaves. When the interpreter is faster, the watching thread ends with it.

    Returns what takes it back.
    """
    taken_back = threading.Event()

    def watch() -> None:
        if taken_back.wait(seconds):
            return
        for stream in (sys.stdout, sys.stderr):
            # A stream may be closed or gone by now (OSError, ValueError), or None (AttributeError).
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(status)

    threading.Thread(target=watch, name="end-process", daemon=True).start()
    return taken_back.set
