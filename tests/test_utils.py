"""await_many_dispatch: several sources of messages for consumers with a loop of their own."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from channels.typing import Message
from channels.utils import await_many_dispatch
from tests.client import settle


class Source:
    """Gives what is put in; notes whether somebody waits."""

    def __init__(self, *messages: Message) -> None:
        self.queue: asyncio.Queue[Message] = asyncio.Queue()
        self.waiting = self.cancelled = 0
        for message in messages:
            self.queue.put_nowait(message)

    async def __call__(self) -> Message:
        self.waiting += 1
        try:
            message = await self.queue.get()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1
        if "error" in message:
            raise message["error"]
        return message


class Stop(Exception):
    """What ends it."""


def collecting(log: list[Any], last: Any = "stop") -> Callable[[Message], Any]:
    async def dispatch(message: Message) -> None:
        if message["n"] == last:
            raise Stop
        log.append(message["n"])

    return dispatch


async def test_dispatches_what_every_source_brings_in_the_order_of_the_sources() -> None:
    log: list[Any] = []
    first, second = Source({"n": 1}), Source({"n": 2}, {"n": "stop"})
    with pytest.raises(Stop):
        await await_many_dispatch([first, second], collecting(log))
    assert log == [1, 2]


async def test_one_at_a_time_while_the_sources_are_awaited_further() -> None:
    inside = 0
    source, other = Source({"n": 1}, {"n": 2}), Source({"n": 3})

    async def dispatch(message: Message) -> None:
        nonlocal inside
        assert inside == 0
        inside += 1
        await settle()
        inside -= 1
        log.append(message["n"])

    log: list[Any] = []
    task = asyncio.create_task(await_many_dispatch([source, other], dispatch))
    while len(log) < 3:
        await asyncio.sleep(0)
    assert sorted(log) == [1, 2, 3]
    assert log.index(1) < log.index(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (source.waiting, other.waiting) == (0, 0)


@pytest.mark.parametrize("how", ["dispatch", "source", "cancelled"])
async def test_every_source_is_cancelled_at_the_end_and_the_first_error_leaves(how: str) -> None:
    source, idle = Source({"n": 1}), Source()
    log: list[Any] = []
    task = asyncio.create_task(await_many_dispatch([source, idle], collecting(log)))
    await settle()
    assert log == [1]
    error = KeyError("mine")
    if how == "dispatch":
        source.queue.put_nowait({"n": "stop"})
    elif how == "source":
        source.queue.put_nowait({"error": error})
    else:
        task.cancel()
    await asyncio.wait([task])
    if how == "dispatch":
        assert isinstance(task.exception(), Stop)
    elif how == "source":
        assert task.exception() is error
    else:
        assert task.cancelled()
    assert idle.cancelled == 1
    assert source.waiting == idle.waiting == 0


async def test_an_error_of_a_source_at_the_end_does_not_hide_the_first() -> None:
    class Fails(Source):
        async def __call__(self) -> Message:
            try:
                return await super().__call__()
            except asyncio.CancelledError:
                raise KeyError("late") from None

    with pytest.raises(Stop):
        await await_many_dispatch([Source({"n": "stop"}), Fails()], collecting([]))


async def test_sources_may_return_futures_and_partials() -> None:
    loop = asyncio.get_running_loop()
    log: list[Any] = []
    values = iter([1, "stop"])

    def source() -> "asyncio.Future[Message]":
        future = loop.create_future()
        future.set_result({"n": next(values)})
        return future

    with pytest.raises(Stop):
        await await_many_dispatch([source], collecting(log))
    assert log == [1]


async def test_no_task_is_left() -> None:
    before = asyncio.all_tasks()
    with pytest.raises(Stop):
        await await_many_dispatch([Source({"n": "stop"}), Source()], collecting([]))
    assert asyncio.all_tasks() == before
