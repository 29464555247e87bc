"""Sync calls that tests hold where they want them."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

PATIENCE = 10
"""Seconds after which something that must happen is taken not to."""


def thread_name() -> str:
    return threading.current_thread().name


class Gate:
    """A call that tells when it has begun and goes on when it is let."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()
        self.thread = ""

    def __call__(self) -> str:
        self.thread = thread_name()
        self.entered.set()
        assert self.released.wait(PATIENCE)
        return self.thread


def result(future: Future[Any]) -> Any:
    return future.result(PATIENCE)


async def entered(gate: Gate) -> None:
    """Wait on the loop until a thread is in the gate."""
    assert await asyncio.to_thread(gate.entered.wait, PATIENCE)


@contextmanager
def making_gates() -> Iterator[Callable[[], Gate]]:
    """Makes gates, and opens them all at the end, so that no thread is left in one."""
    made: list[Gate] = []

    def make() -> Gate:
        made.append(Gate())
        return made[-1]

    yield make
    for gate in made:
        gate.released.set()
