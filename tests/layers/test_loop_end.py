"""Who is told that an event loop is about to end."""

import asyncio
import gc
from typing import Any

import pytest
import uvloop
from asgiref.sync import async_to_sync

from channels.layers.loop_end import Watch, at_loop_end


class Told:
    """Something that has to be ended in a coroutine of its own loop."""

    def __init__(self) -> None:
        self.times = 0
        self.watch: Watch | None = None

    async def begin(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.watch = at_loop_end(self.end)

    async def end(self) -> None:
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is self.loop
        self.times += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_at_the_end_of_a_loop(told: Told, run: Any) -> None:
    async def main() -> None:
        await told.begin()
        await asyncio.sleep(0)
        assert told.times == 0

    run(main())
    assert told.times == 1


def test_at_the_end_of_a_runner_and_not_between_its_calls(told: Told) -> None:
    with asyncio.Runner() as runner:
        runner.run(told.begin())
        runner.run(asyncio.sleep(0))
        assert told.times == 0
    assert told.times == 1


def test_at_the_end_of_a_loop_of_async_to_sync(told: Told) -> None:
    async_to_sync(told.begin)()
    assert told.times == 1


def test_after_the_tasks_were_cancelled(told: Told) -> None:
    seen: list[int] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(told.times)

    async def main() -> None:
        await told.begin()
        work_in_hand.append(asyncio.create_task(work()))
        await asyncio.sleep(0)

    work_in_hand: list[asyncio.Task[None]] = []
    # Not asyncio.run: the suite fails a test whose loop ends with tasks.
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    work_in_hand[0].cancel()
    loop.run_until_complete(asyncio.wait(work_in_hand))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    assert (seen, told.times) == ([0], 1)


async def test_it_can_be_brought_about(told: Told) -> None:
    await told.begin()
    assert told.watch is not None
    await told.watch.aclose()
    assert told.times == 1
    await told.watch.aclose()
    assert told.times == 1


async def test_losing_it_is_the_end(told: Told) -> None:
    await told.begin()
    told.watch = None
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    assert told.times == 1


def test_a_loop_that_is_just_closed_tells_nobody(told: Told) -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(told.begin())
    loop.close()
    told.watch = None
    gc.collect()
    assert told.times == 0


def test_an_error_goes_to_the_loops_handler() -> None:
    seen: list[Any] = []

    async def fail() -> None:
        raise LookupError("closing failed")

    async def main() -> Watch:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(context))
        return at_loop_end(fail)

    with asyncio.Runner() as runner:
        watch = runner.run(main())
    assert [str(context["exception"]) for context in seen] == ["closing failed"]
    del watch
