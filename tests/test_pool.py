"""Calls that nobody waits for any more: counted, replaced, and no reason not to end."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from channels.pool import Pool
from channels.strands import Strand
from tests.sync_calls import PATIENCE, Gate, making_gates, result, thread_name


@pytest.fixture
def gates() -> Iterator[Callable[[], Gate]]:
    with making_gates() as make:
        yield make


def stuck(pool: Pool, gate: Gate) -> tuple[Strand, Any]:
    strand = Strand(pool)
    call = strand.submit(gate)
    assert gate.entered.wait(PATIENCE)
    return strand, call


def left_behind(pool: Pool, gate: Gate) -> tuple[Strand, Any]:
    strand, call = stuck(pool, gate)
    assert strand.leave_behind() is not None
    return strand, call


@pytest.mark.parametrize("size", [1, 2])
def test_another_thread_takes_the_place_of_one_that_is_left_behind(
    gates: Callable[[], Gate], size: int
) -> None:
    pool = Pool(size)
    lost = [left_behind(pool, gates()) for _ in range(size)]
    instead = [stuck(pool, gates()) for _ in range(size)]
    assert pool.state().threads == 2 * size
    waiting = Strand(pool).submit(thread_name)
    assert pool.state().waiting == 1
    del lost, instead, waiting


def test_never_more_than_twice_the_size(gates: Callable[[], Gate]) -> None:
    pool = Pool(2)
    made = [gates() for _ in range(4)]
    calls = [left_behind(pool, gate)[1] for gate in made]
    state = pool.state()
    assert (state.threads, state.left_behind, state.left_behind_ever) == (4, 4, 4)
    last = Strand(pool).submit(thread_name)
    assert pool.state().waiting == 1
    made[2].released.set()
    result(calls[2])
    assert result(last) == made[2].thread, "the first that returns is of use again"
    for gate in made:
        gate.released.set()
    for call in calls:
        result(call)
    state = pool.state()
    assert state.left_behind == 0
    assert state.left_behind_ever == 4
    assert state.threads == state.idle == 2, "what stood in has ended"


def test_who_waits_already_gets_the_thread_that_is_started_instead(
    gates: Callable[[], Gate],
) -> None:
    pool, gate, other = Pool(2), gates(), gates()
    stuck(pool, other)
    strand, _ = stuck(pool, gate)
    waiting = [Strand(pool).submit(thread_name) for _ in range(2)]
    assert not waiting[0].done()
    strand.leave_behind()
    assert {result(call) for call in waiting}.isdisjoint({gate.thread, other.thread})


def test_the_stack_says_where_the_call_hangs(gates: Callable[[], Gate]) -> None:
    strand, _ = stuck(Pool(2), gates())
    assert strand.busy
    stack = strand.leave_behind()
    assert stack is not None
    assert "sync_calls.py" in stack
    assert "self.released.wait(PATIENCE)" in stack
    assert strand.leave_behind() is None, "once for a call"


def test_there_is_nothing_to_leave_behind_where_no_call_is_in_hand(
    gates: Callable[[], Gate],
) -> None:
    pool = Pool(1)
    idle = Strand(pool)
    assert idle.leave_behind() is None
    result(idle.submit(int))
    assert not idle.busy
    stuck(pool, gates())
    idle.submit(int)
    assert idle.leave_behind() is None, "its call has not begun"
    assert pool.state().left_behind == 0


def test_the_same_strand_goes_on_after_the_call_returned(gates: Callable[[], Gate]) -> None:
    pool, gate = Pool(2), gates()
    strand, call = left_behind(pool, gate)
    after = strand.submit(thread_name)
    assert not after.done(), "a strand is serial, come what may"
    gate.released.set()
    result(call)
    assert result(after) == gate.thread
    assert pool.state().left_behind == 0


@pytest.mark.parametrize(("leave_behind", "printed"), [(False, b"finished\n"), (True, b"")])
def test_the_interpreter_waits_for_work_in_hand_but_not_for_what_was_left_behind(
    leave_behind: bool, printed: bytes
) -> None:
    script = f"""
import threading, time
from channels.pool import Pool
from channels.strands import Strand
entered = threading.Event()
def work():
    entered.set()
    time.sleep(3600 if {leave_behind} else 0.2)
    print("finished", flush=True)
strand = Strand(Pool(2))
strand.submit(work)
entered.wait()
if {leave_behind}:
    strand.leave_behind()
"""
    environment = {key: value for key, value in os.environ.items() if "DJANGO" not in key}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, timeout=30, check=True, capture_output=True
    )
    assert done.stdout == printed
    assert done.stderr == b""
