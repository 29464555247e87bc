"""Both sides of Django's autoreloader, ended in order.

Django's autoreloader is two processes: a parent that starts a child, again and again, and a child
that serves in a thread while its main thread watches files. Both of them end by dropping what they
have: the parent kills the child, the child's serving thread dies with the process. An HTTP request
hardly minds. A WebSocket does: its client would get no close frame and its consumer no
``disconnect``.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from django.utils import autoreload

from channels.stop_signals import LEFTOVERS, STOP_SIGNALS, end_process_within

RELOAD = 3
"""The exit code by which the child asks to be started again."""


def run_with_reloader(
    serve: Callable[..., Any], stop: Callable[[], object], *, patience: float, **options: Any
) -> None:
    """Run ``serve(**options)`` under Django's autoreloader.

    Args:
        serve: blocks until it is stopped; called in a thread of the child.
        stop: ends ``serve`` and returns when it has ended. Called in the child's main thread when
            the process is to end, for a reload too; nothing interrupts it.
        patience: seconds after which the child ends whatever still runs in it.

    Raises:
        SystemExit: in the parent, with the child's exit code; in the child, to be started again.
    """
    if os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) != "true":
        sys.exit(_run_children(patience))
    status: Any = 0
    try:
        autoreload.run_with_reloader(serve, **options)
    except SystemExit as leaving:
        status = leaving.code
        raise
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        code = status if isinstance(status, int) else 1
        end_process_within(patience, code)
        stop()
        end_process_within(LEFTOVERS, code)


def _run_children(patience: float) -> int:
    """Run the child until it ends by itself, or this process is told to end (exit code 0)."""
    environment = {**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: "true"}
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    while True:
        child = subprocess.Popen(  # noqa: S603 - the command line that this process was started with
            autoreload.get_child_arguments(), env=environment, close_fds=False
        )
        try:
            status = child.wait()
        except (KeyboardInterrupt, SystemExit):
            _end(child, patience)
            return 0
        if status != RELOAD:
            return status


def _end(child: "subprocess.Popen[bytes]", patience: float) -> None:
    try:
        # Ctrl-C reaches the child by itself, and wait() gave it a quarter of a second to show that
        # it does. A signal sent to this process alone has to be passed on.
        if child.poll() is None:
            child.terminate()
        # A second more, so that it is the child that gives up and says so by its exit.
        child.wait(patience + 1)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        child.kill()
        child.wait()
