"""channels.utils: the loop that home-made consumers use."""

import asyncio
from typing import Any

import pytest

from channels.utils import await_many_dispatch
from tests.behaviours.lines import behaviour
from tests.behaviours.tools import turns


class Done(Exception):
    pass


@behaviour("Utils: await_many_dispatch(callables, dispatch) hands each result to dispatch")
async def test_dispatches() -> None:
    one: asyncio.Queue[Any] = asyncio.Queue()
    two: asyncio.Queue[Any] = asyncio.Queue()
    seen: list[Any] = []

    async def dispatch(result: Any) -> None:
        seen.append(result)
        if result == "stop":
            raise Done

    task = asyncio.create_task(await_many_dispatch([one.get, two.get], dispatch))
    one.put_nowait(1)
    await turns()
    two.put_nowait(2)
    await turns()
    one.put_nowait(3)
    one.put_nowait("stop")
    with pytest.raises(Done):
        await task
    assert seen == [1, 2, 3, "stop"]


@behaviour("Utils: await_many_dispatch dispatches one result at a time")
async def test_one_at_a_time() -> None:
    queues: list[asyncio.Queue[int]] = [asyncio.Queue() for _ in range(2)]
    gate, order = asyncio.Event(), list[str]()

    async def dispatch(result: int) -> None:
        order.append(f"start {result}")
        await gate.wait()
        order.append(f"end {result}")

    task = asyncio.create_task(await_many_dispatch([queue.get for queue in queues], dispatch))
    for n, queue in enumerate(queues):
        queue.put_nowait(n)
    await turns()
    assert order == ["start 0"]
    gate.set()
    await turns()
    assert order == ["start 0", "end 0", "start 1", "end 1"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@behaviour("Utils: await_many_dispatch takes callables that return Futures")
async def test_futures() -> None:
    loop = asyncio.get_running_loop()
    seen: list[int] = []

    def soon() -> asyncio.Future[int]:
        future: asyncio.Future[int] = loop.create_future()
        loop.call_soon(future.set_result, len(seen))
        return future

    async def dispatch(result: int) -> None:
        seen.append(result)
        if len(seen) == 3:
            raise Done

    with pytest.raises(Done):
        await await_many_dispatch([soon], dispatch)
    assert seen == [0, 1, 2]


@behaviour("Utils: await_many_dispatch cancels what it waits for at its end")
async def test_cancels_at_the_end() -> None:
    cancelled: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("waits")
            raise

    async def once() -> str:
        await turns()
        return "go"

    async def dispatch(result: Any) -> None:
        raise Done

    with pytest.raises(Done):
        await await_many_dispatch([waits, once], dispatch)
    assert cancelled == ["waits"]


@behaviour("Utils: an error of a callable leaves await_many_dispatch")
async def test_error_of_a_callable() -> None:
    async def fails() -> None:
        raise Done

    async def dispatch(result: Any) -> None:
        raise AssertionError("nothing to dispatch")

    with pytest.raises(Done):
        await await_many_dispatch([fails], dispatch)
