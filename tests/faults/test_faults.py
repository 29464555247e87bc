"""Each fault in its short form, on one server. What is longer, and all servers: test_matrix.py."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults import harm
from tests.faults.load import GROUPS, MEMBERS, Load
from tests.redis_servers import Cluster, SentinelSet, Server, redis_server

WARM = 0.3
"""Seconds of load before a fault, and after it."""


@contextmanager
def running(load: Load, *, jobs: bool = True) -> Iterator[Load]:
    """The load, after it has run for a moment and until it has run for another.

    Args:
        jobs: with receivers of a general channel. Not for failovers: of a general channel nobody
            can tell that the broker forgot what was put there, or that it was handed out.
    """
    with load:
        if jobs:
            for seed, process in enumerate(load.processes):
                load.receive_jobs("jobs", process, seed or None)
        load.start()
        time.sleep(WARM)
        yield load
        time.sleep(WARM)


def test_without_a_fault(redis7: Server) -> None:
    others = len(redis7.clients())
    with running(Load(redis7.hosts)) as load:
        # One for commands and one for announcements, whatever the number of members and tasks.
        assert len(redis7.clients()) - others == 2 * len(load.processes)
    result = load.account
    result.assert_perfect()
    assert result.raised == 0
    per_round = len(GROUPS) * MEMBERS * len(load.processes) + len(load.processes) + 1
    rounds = result.returned / (len(GROUPS) + len(load.processes) + 1)
    assert result.delivered == per_round * rounds


def test_connections_cut() -> None:
    with redis_server() as server, running(Load(server.hosts)) as load:
        assert harm.cut_connections(server, 2) > 20
    load.account.assert_perfect()
    assert load.account.raised == 0


def test_server_stopped() -> None:
    with redis_server(keeps_data=True) as server, running(Load(server.hosts)) as load:
        harm.stop_servers(server, 0.5)
    load.account.assert_perfect()
    assert load.account.raised == 0


def test_server_killed() -> None:
    with redis_server(keeps_data=True) as server, running(Load(server.hosts)) as load:
        server.kill()
        server.start()
    load.account.assert_perfect()
    assert load.account.raised == 0


def test_server_frozen() -> None:
    with redis_server() as server, running(Load(server.hosts)) as load:
        harm.freeze_server(server, 1)
    load.account.assert_perfect()
    assert load.account.raised == 0


def test_server_gone_for_longer_than_sends_wait() -> None:
    """Then they raise, and what they raised for may or may not arrive."""
    with redis_server(keeps_data=True) as server:
        with running(Load(server.hosts, send_timeout=0.5)) as load:
            harm.stop_servers(server, 1.5)
        load.account.assert_perfect()
        assert load.account.raised > 0
        assert all(error.startswith("BrokerUnavailableError") for error in load.errors)


def test_process_frozen(redis7: Server) -> None:
    with running(Load(redis7.hosts)) as load:
        harm.freeze_process(load, 1)
    load.account.assert_perfect()
    assert load.account.raised == 0


def test_process_killed(redis7: Server) -> None:
    with Load(redis7.hosts, processes=3) as load:
        load.start()
        time.sleep(WARM)
        load.kill(load.processes[1])
        time.sleep(WARM)
    load.account.assert_perfect()
    assert load.account.raised == 0


def test_a_member_never_reads(redis7: Server) -> None:
    with Load(redis7.hosts, channel_capacity={"deaf*": 5}) as load:
        load.processes[0].ask("join_deaf", ["room"])
        load.start()
        time.sleep(1)
    load.account.assert_perfect()
    assert load.account.raised == 0
    assert load.drops[0]["full"] > 5
    assert "full" not in load.drops[1]
    (line,) = [line for line in load.logs[0].splitlines() if "full" in line]
    assert "WARNING RedisChannelLayer" in line
    assert "group 'room'" in line


def test_receivers_cancelled(redis7: Server) -> None:
    with Load(redis7.hosts) as load:
        for seed, process in enumerate(load.processes, 1):
            load.receive_cancelled(process, seed)
            load.receive_jobs("shared", process, seed)
        # Alone, one sees every message, and in order.
        load.receive_jobs("alone", load.processes[0], 7)
        load.start()
        time.sleep(1.5)
    load.account.assert_perfect()
    assert load.account.raised == 0


def test_failover() -> None:
    with SentinelSet() as servers, running(Load(servers.hosts), jobs=False) as load:
        servers.fail_over()
        time.sleep(0.5)
    load.account.assert_gaps_reported()


def test_master_killed() -> None:
    """All that was answered has reached the replica, but for the newest milliseconds."""
    with SentinelSet() as servers, running(Load(servers.hosts), jobs=False) as load:
        harm.lose_master(servers)
        time.sleep(0.5)
    load.account.assert_gaps_reported()


def test_a_failover_that_loses_a_tail() -> None:
    with SentinelSet() as servers, Load(servers.hosts) as load:
        load.start()
        time.sleep(WARM)
        harm.lose_master(servers, part_for=WARM)
        time.sleep(0.5)
    load.account.assert_gaps_reported()
    # Nobody waits for what is gone until the deadline of its send.
    assert load.slowest_send < 5
    # Also those who have seen the tail: it is not in the log any more.
    assert load.account.gaps.keys() >= load.ways.keys()


def test_offsets_that_are_used_again() -> None:
    """A process that slept through the failover finds an entry at the place where it stands, but
    not the one that it has seen."""
    with SentinelSet() as servers, Load(servers.hosts) as load:
        load.start()
        time.sleep(WARM)
        servers.part()
        time.sleep(0.2)
        sleeper = load.processes[0]
        sleeper.freeze()
        harm.lose_master(servers)
        time.sleep(1.5)
        sleeper.thaw()
        time.sleep(WARM)
    load.account.assert_gaps_reported()
    assert load.account.gaps.keys() >= load.ways.keys()


@pytest.mark.parametrize("index", range(3), ids=["group", "mail", "general"])
def test_slot_moved(index: int) -> None:
    with Cluster() as cluster, running(Load(cluster.hosts)) as load:
        harm.move_slots(cluster, [harm.keys_under_load(load)[index]])
    load.account.assert_perfect()
    assert load.account.raised == 0
