"""The turn: order of asking, and what cancellation leaves behind."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.turn import Turn


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_costs_no_await_while_it_is_free() -> None:
    turn = Turn()
    assert not turn.taken
    assert turn.take_nowait()
    assert turn.taken
    assert not turn.take_nowait()
    turn.give_back()
    assert not turn.taken


async def test_take_does_not_wait_while_it_is_free() -> None:
    turn = Turn()
    with pytest.raises(StopIteration):
        turn.take().send(None)
    assert turn.taken


async def test_is_handed_on_in_the_order_of_asking() -> None:
    turn, order = Turn(), []

    async def ask(name: str) -> None:
        await turn.take()
        order.append(name)

    turn.take_nowait()
    tasks = [asyncio.create_task(ask(name)) for name in "abc"]
    await settle()
    assert order == []
    for served in ("a", "ab", "abc"):
        turn.give_back()
        await settle()
        assert "".join(order) == served
    assert turn.taken
    turn.give_back()
    assert not turn.taken
    await asyncio.gather(*tasks)


async def test_nobody_can_slip_in_while_it_is_handed_over() -> None:
    turn = Turn()
    turn.take_nowait()
    waiting = asyncio.create_task(turn.take())
    await settle()
    turn.give_back()
    assert not turn.take_nowait()
    await waiting


async def test_two_parties_that_both_have_work_alternate() -> None:
    turn, order = Turn(), []

    async def work(name: str) -> None:
        for _ in range(3):
            if not turn.take_nowait():
                await turn.take()
            order.append(name)
            await asyncio.sleep(0)
            turn.give_back()

    await asyncio.gather(work("a"), work("b"))
    assert "".join(order) == "ababab"


async def test_who_stops_waiting_is_passed_over() -> None:
    turn = Turn()
    turn.take_nowait()
    gone, stays = asyncio.create_task(turn.take()), asyncio.create_task(turn.take())
    await settle()
    gone.cancel()
    await settle()
    assert gone.cancelled()
    turn.give_back()
    await stays
    turn.give_back()
    assert not turn.taken


async def test_cancelled_in_the_moment_of_the_handing_over_it_is_handed_on() -> None:
    turn = Turn()
    turn.take_nowait()
    gone, stays = asyncio.create_task(turn.take()), asyncio.create_task(turn.take())
    await settle()
    turn.give_back()
    gone.cancel()
    await asyncio.wait([gone, stays])
    assert gone.cancelled()
    assert not stays.cancelled()


async def test_cancelled_just_before_the_turn_is_given_back() -> None:
    """give_back() meets a waiter that is cancelled and does not know it yet."""
    turn = Turn()
    turn.take_nowait()
    gone = asyncio.create_task(turn.take())
    await settle()
    gone.cancel()
    turn.give_back()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert not turn.taken


async def play(steps: list[tuple[str, int]]) -> None:
    turn = Turn()
    turn.take_nowait()
    served: list[int] = []
    given = 0
    tasks: list[asyncio.Task[None]] = []

    async def ask(number: int) -> None:
        await turn.take()
        served.append(number)

    def give() -> None:
        nonlocal given
        if given < 1 + len(served):  # somebody has it and knows it
            given += 1
            turn.give_back()

    for step, number in steps:
        if step == "ask":
            tasks.append(asyncio.create_task(ask(len(tasks))))
        elif step == "cancel" and tasks:
            tasks[number % len(tasks)].cancel()
        elif step == "give":
            give()
        else:
            await settle()
    for _ in range(len(tasks) + 1):
        await settle()
        give()
    await settle()
    assert all(task.done() for task in tasks), "the turn was lost"
    for task in tasks:
        assert task.cancelled() or task.exception() is None
    assert not turn.taken
    assert served == sorted(served), "the order of asking"


STEPS = st.tuples(st.sampled_from(["ask", "cancel", "give", "settle"]), st.integers(0, 9))


@settings(deadline=None)  # a loop is made for each example, on a machine that may be busy
@given(st.lists(STEPS))
def test_however_it_is_cancelled_the_turn_is_never_lost(steps: list[tuple[str, int]]) -> None:
    asyncio.run(play(steps))
