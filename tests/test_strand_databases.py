"""The database connections that a strand leaves behind in threads: closed by whom and when."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import pytest
from asgiref.sync import sync_to_async
from django.test import override_settings

import channels.db
from channels import threads
from channels.pool import Pool
from channels.strands import Strand
from channels.threads import current_strand, strand
from tests.fake_databases import FakeDatabases, install
from tests.sync_calls import PATIENCE, Gate, entered, making_gates, result, thread_name


@pytest.fixture
def gates() -> Iterator[Callable[[], Gate]]:
    with making_gates() as make:
        yield make


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch) -> FakeDatabases:
    return install(monkeypatch)


async def in_strand(databases: FakeDatabases, times: int = 1) -> None:
    for _ in range(times):
        await sync_to_async(databases.query)()


async def test_closed_by_the_thread_that_used_it(databases: FakeDatabases) -> None:
    async with strand():
        lane = current_strand()
        assert lane is not None
        assert not lane.used
        used = await sync_to_async(databases.query)()
        assert databases.log == [("open", used)]
        assert lane.used
        await lane.close_old_connections()
        assert databases.log == [("open", used), ("close", used)]
        assert not lane.used


async def test_looked_at_once_before_the_first_call_of_a_handler(databases: FakeDatabases) -> None:
    async with strand():
        lane = current_strand()
        assert lane is not None
        await in_strand(databases)
        await sync_to_async(lambda: setattr(databases.connection, "lives_on", True))()
        await in_strand(databases, times=2)
        assert databases.events == ["open"]
        await lane.close_old_connections()
        assert databases.events == ["open", "keep"]
        await in_strand(databases, times=3)
        assert databases.events == ["open", "keep", "keep"], "before the first call, not each"


async def test_one_that_somebody_left_is_closed_before_the_first_use(
    databases: FakeDatabases,
) -> None:
    pool = Pool(2)
    left_by = result(Strand(pool).submit(databases.query))
    assert databases.events == ["open"]
    assert result(Strand(pool).submit(databases.query)) == left_by
    assert databases.events == ["open", "close", "open"]


async def test_closed_at_the_end_whatever_ended_it(databases: FakeDatabases) -> None:
    async def ends(how: BaseException | None) -> None:
        async with strand():
            await in_strand(databases)
            if how is not None:
                raise how

    for how in (None, ValueError("mine"), asyncio.CancelledError()):
        databases.log.clear()
        with contextlib.suppress(ValueError, asyncio.CancelledError):
            await ends(how)
        assert databases.events == ["open", "close"]
        assert not databases.left_open


async def test_never_inside_an_atomic_block(databases: FakeDatabases) -> None:
    async with strand():
        lane = current_strand()
        assert lane is not None
        await in_strand(databases)
        await sync_to_async(lambda: setattr(databases.connection, "in_atomic_block", True))()
        await lane.close_old_connections()
        assert databases.events == ["open"]
        await sync_to_async(lambda: setattr(databases.connection, "in_atomic_block", False))()
    assert databases.events == ["open", "close"]


async def test_no_thread_is_asked_that_holds_none(
    databases: FakeDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(channels.db, "close_old_connections", lambda: asked.append(thread_name()))
    async with strand():
        lane = current_strand()
        assert lane is not None
        await sync_to_async(thread_name)()
        assert len(asked) == 1, "before the first call"
        await lane.close_old_connections()
    assert len(asked) == 1


async def test_closing_does_not_wait_for_a_thread_that_another_connection_has(
    databases: FakeDatabases, gates: Callable[[], Gate]
) -> None:
    """A handler that is done must not wait for somebody else's slow one."""
    gate = gates()
    with override_settings(CHANNELS={"SYNC_THREADS": 5}):
        async with strand():
            mine = await sync_to_async(databases.query)()
            other = Strand(threads._get_pool())
            slow = other.submit(gate)
            await entered(gate)
            assert gate.thread == mine
            async with asyncio.timeout(PATIENCE):
                lane = current_strand()
                assert lane is not None
                await lane.close_old_connections()
            assert not slow.done()
        # The other one's first call has closed it already.
        assert databases.log == [("open", mine), ("close", mine)]
        gate.released.set()
        await asyncio.wrap_future(slow)


async def test_two_on_one_thread_leave_nothing_open(
    databases: FakeDatabases, gates: Callable[[], Gate]
) -> None:
    pool, gate = Pool(2), gates()
    first, second = Strand(pool), Strand(pool)
    thread = result(first.submit(databases.query))
    assert result(second.submit(databases.query)) == thread
    slow = second.submit(gate)
    assert gate.entered.wait(PATIENCE)
    await first.close_old_connections()
    assert databases.left_open == {thread}, "the other one's handler is still at it"
    gate.released.set()
    result(slow)
    await second.close_old_connections()
    assert not databases.left_open


async def test_cancelled_while_it_closes_every_thread_is_asked_all_the_same(
    databases: FakeDatabases, monkeypatch: pytest.MonkeyPatch, gates: Callable[[], Gate]
) -> None:
    pool, gate = Pool(2), gates()
    lane = Strand(pool)
    result(lane.submit(databases.query))
    blocked = Strand(pool).submit(gate)
    assert gate.entered.wait(PATIENCE)
    result(lane.submit(databases.query))
    gate.released.set()
    result(blocked)
    result(Strand(pool).submit(int))
    assert len({thread for _, thread in databases.log}) == 2

    slow, close = gates(), channels.db.close_old_connections

    def close_slowly() -> None:
        slow()
        close()

    monkeypatch.setattr(channels.db, "close_old_connections", close_slowly)
    closing = asyncio.create_task(lane.close_old_connections())
    await entered(slow)
    closing.cancel()
    await asyncio.wait([closing])
    slow.released.set()
    # Both threads are given back when they are done, and only then.
    both = [gates(), gates()]
    held = [Strand(pool).submit(gate) for gate in both]
    for gate in both:
        await entered(gate)
    assert not databases.left_open
    for gate, future in zip(both, held, strict=True):
        gate.released.set()
        result(future)


async def test_a_task_that_outlives_the_connection_leaves_none_open(
    databases: FakeDatabases,
) -> None:
    async with strand():
        lane = current_strand()
    assert lane is not None
    result(lane.submit(databases.query))
    assert databases.events == ["open", "close"]


async def test_a_broken_one_is_replaced_in_the_middle_of_a_handler(
    databases: FakeDatabases,
) -> None:
    """A task that queries for hours has no end of a handler that would mend it."""

    def breaks() -> None:
        databases.connection.use()
        databases.connection.errors_occurred = True
        raise OSError("the server has gone away")

    async with strand():
        with pytest.raises(OSError, match="gone away"):
            await sync_to_async(breaks)()
        await in_strand(databases, times=2)
        assert databases.events == ["open", "close", "open"]


async def test_a_failure_to_close_reaches_the_caller_and_nobody_hangs(
    databases: FakeDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = True

    def close() -> None:
        if fail:
            raise OSError("cannot close")

    monkeypatch.setattr(channels.db, "close_old_connections", close)
    async with strand():
        with pytest.raises(OSError, match="cannot close"):
            await sync_to_async(int)()
        fail = False
        await in_strand(databases)
        fail = True
        lane = current_strand()
        assert lane is not None
        with pytest.raises(OSError, match="cannot close"):
            await lane.close_old_connections()
        fail = False
        assert await sync_to_async(int)() == 0, "the thread was given back"
