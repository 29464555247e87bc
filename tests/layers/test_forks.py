"""What a forked child does not share with its parent."""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from channels.layers import ChannelLayerManager, InMemoryChannelLayer
from channels.layers.forks import _inheritables, forget_after_fork
from tests.layers.tools import HELLO, Consumer, mail, tables

# From Python 3.12 on: that a process with threads forks.
pytestmark = pytest.mark.filterwarnings("ignore:This process .pid=:DeprecationWarning")


def in_child(work: Callable[[], Any]) -> str:
    """What a forked child says that ``work`` returned, or raised."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            told = repr(work())
        except BaseException as error:
            told = repr(error)
        os.write(write, told.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    assert os.waitpid(child, 0)[1] == 0, "the child was killed: it waited too long"
    return told


class Held:
    """A lock that another thread holds for the length of a block."""

    def __init__(self, lock: AbstractContextManager[Any]) -> None:
        self._lock = lock
        self._holds, self._release = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        with self._lock:
            self._holds.set()
            self._release.wait(20)

    def __enter__(self) -> None:
        self._thread.start()
        assert self._holds.wait(10)

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._thread.join(10)


class Thing:
    def __init__(self) -> None:
        self.forgot = 0
        forget_after_fork(self)

    def forget_inherited(self) -> None:
        self.forgot += 1


def test_the_child_is_told_and_the_parent_is_not() -> None:
    thing = Thing()
    assert in_child(lambda: thing.forgot) == "1"
    assert thing.forgot == 0


def test_nobody_is_kept_alive_for_it() -> None:
    thing = Thing()
    before = len(_inheritables)
    del thing
    gc.collect()
    assert len(_inheritables) < before


class TestInMemory:
    async def test_a_child_has_a_world_of_its_own(self, layer: InMemoryChannelLayer) -> None:
        Consumer(layer, "a")
        await layer.group_add("room", "a")
        await layer.send("b", HELLO)
        loop: Any = asyncio.get_running_loop()

        def work() -> Any:
            # It writes to a socket that the parent's loop reads.
            loop.call_soon_threadsafe = None
            before = tables(layer)
            layer.sync.group_send("room", HELLO)
            layer.sync.send("a", HELLO)
            return before, list(layer.channels)

        assert in_child(work) == "({}, ['a'])"
        assert tables(layer)["members"] == 1
        assert await mail(layer, "b") == [HELLO]

    def test_whatever_locks_other_threads_held(self, layer: InMemoryChannelLayer) -> None:
        layer.capacity = 1

        def work() -> Any:
            layer.sync.group_add("room", "a")
            for _ in range(2):
                layer.sync.group_send("room", HELLO)  # the second counts a drop
            return layer.drops.counts["full"]

        with Held(layer._delivery.lock), Held(layer.drops._lock):
            assert in_child(work) == "1"


def test_the_manager(settings: Any) -> None:
    manager = ChannelLayerManager()
    with Held(manager._making):
        told = in_child(lambda: type(manager["default"]).__name__)
    assert told == "'InMemoryChannelLayer'"


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_children_of_multiprocessing(method: str, layer: InMemoryChannelLayer) -> None:
    import multiprocessing

    child = multiprocessing.get_context(method).Process(target=send_in_child)
    child.start()
    child.join(30)
    assert child.exitcode == 0


def send_in_child() -> None:
    InMemoryChannelLayer().sync.group_send("room", HELLO)
