"""No test leaves a task behind, and the run leaves no thread but those that wait for work."""

import asyncio
import signal
import threading
from asyncio import runners
from collections.abc import Iterator
from typing import Any

import pytest

pytest_plugins = ("tests.redis_servers.fixtures",)

MARKER = "leaves_tasks"

# Threads which live on without work: pools (ours, asgiref's, which has no name of its own, and the
# default ones of event loops), each of them bounded, and the loop for calls from sync code.
POOLS = ("channels-sync-", "ThreadPoolExecutor-", "asyncio_", "channels-background")

_left: list[str] = []
_cancel_all_tasks: Any = runners._cancel_all_tasks  # type: ignore[attr-defined]


def _note_what_is_left(loop: asyncio.AbstractEventLoop) -> None:
    """Called where asyncio cancels, without a word, what still runs when a loop ends."""
    _left.extend(repr(task.get_coro()) for task in asyncio.all_tasks(loop))
    _cancel_all_tasks(loop)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}: the test is about a loop that ends with tasks")
    runners._cancel_all_tasks = _note_what_is_left  # type: ignore[attr-defined]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell has started this run in the background. The servers that tests start would ignore
        # Ctrl-C, too, which is what some of them are about.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    runners._cancel_all_tasks = _cancel_all_tasks  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield
    left = _left.copy()
    _left.clear()
    if left and item.get_closest_marker(MARKER) is None:
        pytest.fail(f"its event loop ended with tasks that still ran: {', '.join(left)}", False)


def _threads_left() -> list[str]:
    return [
        repr(thread)
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and not thread.name.startswith(POOLS)
    ]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _threads_left():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for thread in _threads_left():
        terminalreporter.write_line(f"The run FAILED: it left {thread}")
