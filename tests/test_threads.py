"""Strands and their pool: order, bounds, and which thread."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.test import override_settings

import channels.pool
from channels import threads
from channels.generic.websocket import WebsocketConsumer
from channels.pool import Pool, Worker
from channels.strands import Strand
from channels.threads import strand
from tests.client import CONNECT, Client, frame
from tests.sync_calls import PATIENCE, Gate, making_gates, result, thread_name


@pytest.fixture
def gates() -> Iterator[Callable[[], Gate]]:
    with making_gates() as make:
        yield make


# A strand.


def test_calls_run_one_after_another_in_the_order_of_submit(gates: Callable[[], Gate]) -> None:
    lane, gate, order = Strand(Pool(4)), gates(), []
    futures = [lane.submit(gate), *[lane.submit(order.append, n) for n in range(20)]]
    assert gate.entered.wait(PATIENCE)
    assert order == []
    assert not futures[1].running()
    gate.released.set()
    for future in futures:
        result(future)
    assert order == list(range(20))


def test_arguments_results_and_exceptions_pass_through() -> None:
    lane = Strand(Pool(1))
    assert result(lane.submit(int, "ff", base=16)) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        result(lane.submit(int, "no number"))
    assert result(lane.submit(int, "7")) == 7, "an exception does not end the strand"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_not_even_a_base_exception_ends_a_thread(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    lane = Strand(Pool(2))
    with pytest.raises(error):
        result(lane.submit(fail))
    assert result(lane.submit(int)) == 0


async def test_a_stop_iteration_does_not_leave_its_caller_waiting() -> None:
    class Empty(WebsocketConsumer):
        def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
            next(iter(()))

    async with Client(Empty(), CONNECT, frame("x")) as client:
        with pytest.raises(RuntimeError, match="sync code raised StopIteration") as caught:
            await client.ended()
    assert isinstance(caught.value.__cause__, StopIteration)
    async with strand(), asyncio.timeout(PATIENCE):
        with pytest.raises(RuntimeError, match="sync code raised StopIteration"):
            await sync_to_async(next)(iter(()))


def test_a_call_that_was_cancelled_while_it_waited_does_not_run(gates: Callable[[], Gate]) -> None:
    lane, gate, ran = Strand(Pool(1)), gates(), []
    first = lane.submit(gate)
    cancelled, last = lane.submit(ran.append, "cancelled"), lane.submit(ran.append, "last")
    assert cancelled.cancel()
    gate.released.set()
    for future in (first, last):
        result(future)
    assert ran == ["last"]


def test_a_running_call_cannot_be_cancelled(gates: Callable[[], Gate]) -> None:
    lane, gate = Strand(Pool(1)), gates()
    running = lane.submit(gate)
    assert gate.entered.wait(PATIENCE)
    assert not running.cancel()
    gate.released.set()
    result(running)


def test_a_strand_comes_back_to_the_thread_that_it_used(gates: Callable[[], Gate]) -> None:
    pool, gate = Pool(3), gates()
    first, second = Strand(pool), Strand(pool)
    held = first.submit(gate)
    assert gate.entered.wait(PATIENCE)
    others = result(second.submit(thread_name))
    gate.released.set()
    mine = result(held)
    assert mine != others
    for lane in (first, second, second, first, first, second):
        assert result(lane.submit(thread_name)) == (mine if lane is first else others)


def test_a_new_strand_gets_the_thread_that_came_back_last() -> None:
    pool = Pool(3)
    warm = result(Strand(pool).submit(thread_name))
    assert result(Strand(pool).submit(thread_name)) == warm


def test_a_strand_whose_thread_is_taken_uses_another(gates: Callable[[], Gate]) -> None:
    pool, gate = Pool(2), gates()
    first, second = Strand(pool), Strand(pool)
    mine = result(first.submit(thread_name))
    blocked = second.submit(gate)
    assert gate.entered.wait(PATIENCE)
    assert gate.thread == mine
    assert result(first.submit(thread_name)) != mine
    gate.released.set()
    result(blocked)


# The pool.


def test_never_more_threads_than_its_size(gates: Callable[[], Gate]) -> None:
    pool = Pool(3)
    blocked = [gates() for _ in range(3)]
    held = [Strand(pool).submit(gate) for gate in blocked]
    for gate in blocked:
        assert gate.entered.wait(PATIENCE)
    assert len({gate.thread for gate in blocked}) == 3
    waiting = [Strand(pool).submit(thread_name) for _ in range(5)]
    assert not any(future.running() or future.done() for future in waiting)
    blocked[1].released.set()
    assert {result(future) for future in waiting} == {blocked[1].thread}
    for gate in blocked:
        gate.released.set()
    for future in held:
        result(future)


def test_threads_are_started_when_they_are_needed() -> None:
    pool = Pool(40)
    names = {result(Strand(pool).submit(thread_name)) for _ in range(10)}
    assert len(names) == 1


def test_who_waits_longest_gets_the_next_thread(gates: Callable[[], Gate]) -> None:
    pool, gate, order = Pool(2), gates(), []
    other = gates()
    held = [Strand(pool).submit(gate), Strand(pool).submit(other)]
    waiting = [Strand(pool).submit(order.append, number) for number in range(10)]
    gate.released.set()
    for future in waiting:
        result(future)
    assert order == list(range(10))
    other.released.set()
    for future in held:
        result(future)


def test_a_strand_with_much_to_do_lets_others_in_between(gates: Callable[[], Gate]) -> None:
    pool, gate, other, order = Pool(2), gates(), gates(), []
    busy, late = Strand(pool), Strand(pool)
    held = [busy.submit(gate), Strand(pool).submit(other)]
    much = [busy.submit(order.append, f"busy {n}") for n in range(3)]
    one = late.submit(order.append, "late")
    gate.released.set()
    for future in (*much, one):
        result(future)
    assert order == ["late", "busy 0", "busy 1", "busy 2"]
    other.released.set()
    for future in held:
        result(future)


def test_a_pool_of_one_is_the_single_thread_of_asgiref() -> None:
    lane = Strand(Pool(1))
    theirs = SyncToAsync.single_thread_executor.submit(threading.get_ident)
    assert result(lane.submit(threading.get_ident)) == result(theirs)


def test_calls_from_many_threads_each_run_once_and_never_two_of_a_strand_at_once() -> None:
    pool = Pool(3)
    lanes = [Strand(pool) for _ in range(5)]
    inside = [0] * len(lanes)
    done: list[tuple[int, int]] = []

    def call(lane: int, number: int) -> None:
        inside[lane] += 1
        assert inside[lane] == 1
        done.append((lane, number))
        inside[lane] -= 1

    def submit_all(lane: int) -> list[Future[None]]:
        return [lanes[lane].submit(call, lane, number) for number in range(200)]

    futures: list[Future[None]] = []
    submitters = [
        threading.Thread(target=lambda lane=lane: futures.extend(submit_all(lane)))
        for lane in range(len(lanes))
    ]
    for thread in submitters:
        thread.start()
    for thread in submitters:
        thread.join(PATIENCE)
    for future in futures:
        result(future)
    assert len(done) == 1000
    for lane in range(len(lanes)):
        assert [n for which, n in done if which == lane] == list(range(200))


def test_without_a_thread_a_call_fails_and_the_next_one_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system may have no thread left; that must not hang, or use up the pool."""
    refuse = True

    class Scarce(Worker):
        def __init__(self, name: str) -> None:
            if refuse:
                raise RuntimeError("can't start new thread")
            super().__init__(name)

    monkeypatch.setattr(channels.pool, "Worker", Scarce)
    lane, ran = Strand(Pool(2)), []
    for _ in range(5):
        with pytest.raises(RuntimeError, match="can't start new thread"):
            lane.submit(ran.append, "refused")
    refuse = False
    result(lane.submit(ran.append, "taken"))
    assert ran == ["taken"]


def test_the_number_of_threads_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with override_settings(CHANNELS={"SYNC_THREADS": 3}):
        assert threads._get_pool()._size == 3
        assert threads._get_pool() is threads._get_pool()
    with override_settings(CHANNELS={}):
        monkeypatch.setenv("ASGI_THREADS", "7")
        assert threads._get_pool()._size == 7
    with override_settings(CHANNELS={}):
        monkeypatch.delenv("ASGI_THREADS")
        assert threads._get_pool()._size == 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_has_a_pool_of_its_own() -> None:
    script = """
import os, asyncio
from asgiref.sync import sync_to_async
from channels.threads import strand
async def use():
    async with strand():
        async with asyncio.timeout(5):
            return await sync_to_async(int)("42")
asyncio.run(use())
child = os.fork()
if not child:
    os._exit(asyncio.run(use()))
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    environment = {key: value for key, value in os.environ.items() if "DJANGO" not in key}
    finished = subprocess.run(
        [sys.executable, "-c", script], env=environment, timeout=30, check=False
    )
    assert finished.returncode == 42
