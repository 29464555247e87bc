"""A clock that stands still, event loops in threads, and a count of what code did."""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import channels.layers
from channels.layers import InMemoryChannelLayer

if TYPE_CHECKING:
    from concurrent.futures import Future

LAYERS = os.path.dirname(channels.layers.__file__)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.readings = 0

    def __call__(self) -> float:
        self.readings += 1
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


async def turns(number: int = 5) -> None:
    """Let everything run that is ready, and what it makes ready."""
    for _ in range(number):
        await asyncio.sleep(0)


async def receiving(layer: Any, channel: str) -> "asyncio.Task[Any]":
    """A task that waits for a message."""
    task = asyncio.ensure_future(layer.receive(channel))
    await turns()
    assert not task.done(), "there was a message already"
    return task


async def mail(layer: Any, channel: str) -> list[Any]:
    """All messages that wait in a channel."""
    found = []
    while True:
        task = asyncio.ensure_future(layer.receive(channel))
        await turns()
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
            return found
        found.append(task.result())


class LoopThread:
    """An event loop that runs in a thread of its own, with nothing else to wake it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.start(work).result(timeout=10)

    def call(self, function: Callable[[], Any]) -> Any:
        async def work() -> Any:
            return function()

        return self.run(work())

    def stop(self) -> None:
        """Stop and close the loop as it is: tasks that wait are not cancelled."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout=10)
            for task in asyncio.all_tasks(self.loop):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
            self.loop.close()

    def finish(self) -> None:
        """Cancel what is left, then stop."""

        async def cancel_all() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        if not self.loop.is_closed():
            self.run(cancel_all())
            self.stop()


@contextlib.contextmanager
def loop_threads(number: int) -> Iterator[list[LoopThread]]:
    threads = [LoopThread() for _ in range(number)]
    try:
        yield threads
    finally:
        for thread in threads:
            thread.finish()


async def count_steps(work: Coroutine[Any, Any, Any]) -> int:
    """Run ``work`` and count the bytecode instructions that it took in the layers' own code.

    Deterministic, unlike time. What runs inside a C function counts as one; :class:`Untouchable`
    is for that.
    """
    steps = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        if not frame.f_code.co_filename.startswith(LAYERS):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            steps += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        await work
    finally:
        sys.settrace(before)
    return steps


class Untouchable(dict[Any, Any]):
    """A table that may be asked for keys, but not looked through."""

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError("this table was looked through")

    __iter__ = items = keys = values = copy = _refuse


HELLO = {"type": "hello"}


def numbered(*numbers: int) -> list[dict[str, Any]]:
    return [{"type": "x", "n": number} for number in numbers]


def tables(layer: InMemoryChannelLayer) -> dict[str, int]:
    """How much the layer holds in each of its tables."""
    sizes = {
        "channels": len(layer.channels),
        "groups": len(layer.groups),
        "members": sum(map(len, layer.groups.values())),
        "unread": len(layer._delivery._unread),
        "leases": len(layer._leases),
        "logs": len(layer._logs),
        "ends of logs": len(layer._ends_of_logs),
    }
    for name, table in vars(layer._memberships).items():
        sizes[f"memberships.{name}"] = len(table)
    return {name: size for name, size in sizes.items() if size}


class Consumer:
    """Somebody who holds an inbox, as a connection does."""

    def __init__(self, layer: InMemoryChannelLayer, channel: str) -> None:
        self.calls = 0
        self.channel = channel
        inbox = layer.attach(channel, self._wake)
        assert inbox is not None
        self.inbox = inbox

    def _wake(self) -> None:
        self.calls += 1

    def numbers(self) -> list[Any]:
        return [snapshot.message().get("n") for snapshot in iter(self.inbox.take, None)]
