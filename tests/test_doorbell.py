"""A parked task that a callback of its loop wakes: its own step, its own context, its own end."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import pytest

from channels.doorbell import Doorbell

NUMBER: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=0)


async def in_callback(work: Callable[[], Any]) -> Any:
    """Run ``work`` in a callback of the loop; what it returned."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def call() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    loop.call_soon(call)
    return await done


class Guest:
    """A task that counts how often it was woken."""

    def __init__(self) -> None:
        self.bell = Doorbell(asyncio.get_running_loop())
        self.woken = 0
        self.seen: list[Any] = []
        self.task = asyncio.create_task(self._stay())

    async def _stay(self) -> None:
        NUMBER.set(7)
        while True:
            await self.bell
            self.woken += 1
            self.seen.append((asyncio.current_task(), NUMBER.get()))

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def guest() -> Any:
    guest = Guest()
    await asyncio.sleep(0)
    yield guest
    await guest.leave()


async def test_the_task_is_woken_before_ring_returns(guest: Guest) -> None:
    def ring_twice() -> list[int]:
        found = []
        for _ in range(2):
            guest.bell.ring()
            found.append(guest.woken)
        return found

    assert await in_callback(ring_twice) == [1, 2]


async def test_it_is_the_current_task_in_its_own_context(guest: Guest) -> None:
    await in_callback(guest.bell.ring)
    assert guest.seen == [(guest.task, 7)]
    assert NUMBER.get() == 0


async def test_a_ring_that_nobody_waits_for_is_no_ring() -> None:
    bell = Doorbell(asyncio.get_running_loop())
    bell.ring()
    assert not bell.waiting
    task = asyncio.ensure_future(wait(bell))
    await asyncio.sleep(0)
    assert bell.waiting
    assert not task.done()
    bell.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def wait(bell: Doorbell) -> None:
    await bell


async def test_cancellation_reaches_the_task_with_its_message(guest: Guest) -> None:
    guest.task.cancel("enough")
    assert not guest.bell.waiting
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await guest.task


async def test_cancelled_and_rung_in_one_round_it_is_cancelled(guest: Guest) -> None:
    def both() -> None:
        guest.task.cancel()
        guest.bell.ring()

    await in_callback(both)
    await asyncio.gather(guest.task, return_exceptions=True)
    assert guest.task.cancelled()
    assert guest.woken == 0


async def test_a_task_that_survives_its_cancellation_may_wait_again() -> None:
    bell = Doorbell(asyncio.get_running_loop())
    heard: list[str] = []

    async def stubborn() -> None:
        try:
            await bell
        except asyncio.CancelledError:
            heard.append("cancelled")
        await bell
        heard.append("rung")

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    while not bell.waiting or not heard:
        await asyncio.sleep(0)
    await in_callback(bell.ring)
    await task
    assert heard == ["cancelled", "rung"]


async def test_a_timeout_around_it_is_the_tasks_own() -> None:
    bell = Doorbell(asyncio.get_running_loop())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await bell
    assert not bell.waiting


async def test_what_the_task_raises_stays_in_the_task() -> None:
    bell = Doorbell(asyncio.get_running_loop())

    async def fail() -> None:
        await bell
        raise LookupError("mine")

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await in_callback(bell.ring)
    with pytest.raises(LookupError, match="mine"):
        await task
