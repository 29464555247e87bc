"""Each fault in its full length, on every kind of server that it concerns."""

import time

import pytest

from tests.faults import harm
from tests.faults.load import Load
from tests.faults.places import FLAVOURS, PLACES, place
from tests.faults.test_faults import running
from tests.redis_servers import Authority, Cluster, SentinelSet

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

everywhere = pytest.mark.parametrize("where", PLACES)
each_flavour = pytest.mark.parametrize("word", FLAVOURS)


@everywhere
def test_connections_cut_for_ten_seconds(where: str, authority: Authority) -> None:
    with place(where, authority) as servers, running(Load(servers.hosts)) as load:
        assert harm.cut_connections(servers, 10) > 100
    load.account.assert_perfect()
    assert load.account.raised == 0


@pytest.mark.parametrize("where", [name for name in PLACES if "sentinel" not in name])
def test_servers_stopped_for_five_seconds(where: str, authority: Authority) -> None:
    with place(where, authority) as servers, running(Load(servers.hosts, send_timeout=20)) as load:
        harm.stop_servers(servers, 5)
    load.account.assert_perfect()
    assert load.account.raised == 0


@everywhere
def test_server_frozen_for_three_seconds(where: str, authority: Authority) -> None:
    """With Sentinel that is a failover: the old master thaws as one that has lost its word."""
    jobs = "sentinel" not in where
    with (
        place(where, authority) as servers,
        running(Load(servers.hosts, send_timeout=20), jobs=jobs) as load,
    ):
        harm.freeze_server(servers, 3)
    if isinstance(servers, SentinelSet):
        load.account.assert_gaps_reported()
    else:
        load.account.assert_perfect()
        assert load.account.raised == 0


@everywhere
def test_process_frozen_for_three_seconds(where: str, authority: Authority) -> None:
    with place(where, authority) as servers, running(Load(servers.hosts)) as load:
        harm.freeze_process(load, 3)
    load.account.assert_perfect()
    assert load.account.raised == 0


@everywhere
def test_process_killed(where: str, authority: Authority) -> None:
    with place(where, authority) as servers, Load(servers.hosts, processes=3) as load:
        load.start()
        time.sleep(2)
        load.kill(load.processes[1])
        time.sleep(2)
    load.account.assert_perfect()
    assert load.account.raised == 0


@everywhere
def test_receivers_cancelled(where: str, authority: Authority) -> None:
    with place(where, authority) as servers, Load(servers.hosts) as load:
        for seed, process in enumerate(load.processes, 100):
            load.receive_cancelled(process, seed)
            load.receive_jobs("shared", process, seed)
        load.receive_jobs("alone", load.processes[0], 7)
        load.start()
        time.sleep(5)
    load.account.assert_perfect()
    assert load.account.raised == 0


@everywhere
def test_receivers_cancelled_while_connections_are_cut(where: str, authority: Authority) -> None:
    with place(where, authority) as servers, Load(servers.hosts) as load:
        for seed, process in enumerate(load.processes, 200):
            load.receive_cancelled(process, seed)
            load.receive_jobs("shared", process, seed)
        load.start()
        harm.cut_connections(servers, 5)
        time.sleep(0.5)
    load.account.assert_perfect()
    assert load.account.raised == 0


@each_flavour
def test_failover_and_the_old_master_lives_on(word: str, authority: Authority) -> None:
    """Until the sentinels make it a replica, eight seconds or more after they chose another."""
    with (
        place(f"{word}-sentinel", authority) as servers,
        running(Load(servers.hosts), jobs=False) as load,
    ):
        assert isinstance(servers, SentinelSet)
        servers.fail_over()
        time.sleep(14)
    load.account.assert_gaps_reported()


@each_flavour
def test_master_killed(word: str, authority: Authority) -> None:
    with (
        place(f"{word}-sentinel", authority) as servers,
        running(Load(servers.hosts), jobs=False) as load,
    ):
        assert isinstance(servers, SentinelSet)
        harm.lose_master(servers)
        time.sleep(2)
    load.account.assert_gaps_reported()


@each_flavour
def test_a_failover_that_loses_a_tail(word: str, authority: Authority) -> None:
    with place(f"{word}-sentinel", authority) as servers, Load(servers.hosts) as load:
        assert isinstance(servers, SentinelSet)
        load.start()
        time.sleep(1)
        harm.lose_master(servers, part_for=1)
        time.sleep(2)
    load.account.assert_gaps_reported()
    assert load.account.gaps.keys() >= load.ways.keys()


@each_flavour
def test_slots_moved(word: str, authority: Authority) -> None:
    with place(f"{word}-cluster", authority) as cluster, running(Load(cluster.hosts)) as load:
        assert isinstance(cluster, Cluster)
        for _ in range(3):
            harm.move_slots(cluster, harm.keys_under_load(load))
    load.account.assert_perfect()
    assert load.account.raised == 0


def test_slots_handed_over_at_once(authority: Authority) -> None:
    """As Valkey 9 does it itself."""
    with place("valkey-cluster", authority) as cluster, running(Load(cluster.hosts)) as load:
        assert isinstance(cluster, Cluster)
        for _ in range(3):
            harm.move_slots(cluster, harm.keys_under_load(load), at_once=True)
    load.account.assert_perfect()
    assert load.account.raised == 0
