"""An awaitable whose first step is made for a waiting task, and the rest in it."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from channels.begun import Begun, begin
from tests.client import settle

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Parked:
    """A task that waits until it is woken, and then goes on with what was begun for it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.context = contextvars.copy_context()
        self.woken = self.loop.create_future()
        self.begun: Begun | None = None
        self.result: Any = None
        self.task = self.loop.create_task(self._run(), context=self.context)

    async def _run(self) -> None:
        try:
            await self.woken
        except asyncio.CancelledError as cancelled:
            if self.begun is None:
                raise
            self.begun.interruption = cancelled
        if self.begun is not None:
            self.result = await self.begun

    async def begin(self, awaitable: Awaitable[Any], and_then: Callable[[], Any] = int) -> None:
        """From a callback of the loop, as it has to be."""
        done = self.loop.create_future()

        def callback() -> None:
            try:
                self.begun = begin(awaitable, self.loop, self.task, self.context)
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)
            and_then()

        self.loop.call_soon(callback)
        await done

    async def end(self) -> Any:
        if not self.woken.done():
            self.woken.set_result(None)
        await asyncio.wait([self.task])
        if self.task.cancelled():
            raise asyncio.CancelledError
        self.task.result()
        return self.result


@pytest.fixture
async def parked() -> Any:
    made = Parked()
    await settle()
    yield made
    made.task.cancel()
    await asyncio.wait([made.task])


async def test_what_is_done_in_its_first_step_needs_no_task(parked: Parked) -> None:
    seen: list[Any] = []

    async def send() -> None:
        seen.append((asyncio.current_task(), variable.get()))
        variable.set("send")

    parked.context.run(variable.set, "the task's")
    variable.set("the sender's")
    await parked.begin(send())
    assert parked.begun is None
    assert seen == [(parked.task, "the task's")]
    assert parked.context[variable] == "send"
    assert variable.get() == "the sender's"
    assert asyncio.current_task() is not parked.task


async def test_the_rest_is_done_in_the_task(parked: Parked) -> None:
    seen: list[Any] = []

    async def send() -> str:
        for _ in range(3):
            seen.append(asyncio.current_task())
            await asyncio.sleep(0)
        future = parked.loop.create_future()
        parked.loop.call_soon(future.set_result, "result")
        seen.append(asyncio.current_task())
        return await future

    await parked.begin(send())
    assert len(seen) == 1
    assert await parked.end() == "result"
    assert seen == [parked.task] * 4


async def test_a_timeout_in_it_is_the_tasks(parked: Parked) -> None:
    async def send() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timed out"
        return "never"

    await parked.begin(send())
    assert await parked.end() == "timed out"
    assert parked.task.cancelling() == 0


@pytest.mark.parametrize("first", [True, False], ids=["in the first step", "later"])
async def test_what_it_raises(parked: Parked, first: bool) -> None:
    async def send() -> None:
        if not first:
            await asyncio.sleep(0)
        raise ConnectionError("gone")

    if first:
        with pytest.raises(ConnectionError):
            await parked.begin(send())
        assert asyncio.current_task() is not parked.task
    else:
        await parked.begin(send())
        with pytest.raises(ConnectionError):
            await parked.end()


async def test_futures_and_bare_iterators_are_awaitables_too(parked: Parked) -> None:
    class Bare:
        """As servers in other languages make them: no send(), no throw()."""

        def __init__(self, steps: int) -> None:
            self.steps = steps

        def __await__(self) -> Iterator[None]:
            return self

        def __iter__(self) -> Iterator[None]:
            return self

        def __next__(self) -> None:
            if not self.steps:
                raise StopIteration("bare")
            self.steps -= 1

    await parked.begin(Bare(0))
    assert parked.begun is None
    await parked.begin(Bare(3))
    assert await parked.end() == "bare"

    other = Parked()
    await settle()
    future = other.loop.create_future()
    await other.begin(future)
    assert other.begun is not None
    future.set_result("future")
    assert await other.end() == "future"


async def test_done_already_when_the_task_comes_to_it(parked: Parked) -> None:
    event = asyncio.Event()

    async def send() -> str:
        await event.wait()
        return "done"

    await parked.begin(send(), event.set)
    await settle()
    assert await parked.end() == "done"


async def test_cancelled_before_the_task_comes_to_it_the_send_is_cancelled(parked: Parked) -> None:
    seen: list[str] = []

    async def send() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cleaned")

    await parked.begin(send(), parked.task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await parked.end()
    assert seen == ["cleaned"]


@pytest.mark.parametrize("woken", [False, True], ids=["waits", "woken in the same turn"])
async def test_a_cancelled_send_gives_back_what_it_got_and_nothing_else(
    parked: Parked, woken: bool
) -> None:
    """A semaphore tells by its future whether it was cancelled before or after it was woken."""
    places = asyncio.Semaphore(1)
    await places.acquire()

    async def send() -> None:
        async with places:
            raise AssertionError("it was cancelled")

    def cancel() -> None:
        if woken:
            places.release()
        parked.task.cancel()

    await parked.begin(send(), cancel)
    with pytest.raises(asyncio.CancelledError):
        await parked.end()
    if not woken:
        assert places.locked()
        places.release()
    await places.acquire()
    assert places.locked(), "one place, not two"
