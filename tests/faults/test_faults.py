"""Each fault in its short form, on one server."""

import time

import pytest

from tests.faults.load import Load
from tests.redis_servers import Cluster, SentinelSet, Server, redis_server


def test_without_a_fault(redis7: Server) -> None:
    with Load(redis7.hosts) as load:
        load.start()
        time.sleep(1)
        result = load.finish()
    result.assert_perfect()
    assert result.raised == 0
    # Two processes with three members each in two groups.
    assert result.delivered > 6 * result.returned / 2


def test_connections_cut() -> None:
    with redis_server() as server, Load(server.hosts) as load:
        load.start()
        for _ in range(10):
            time.sleep(0.2)
            assert server.kill_clients() >= 4
        load.finish().assert_perfect()


def test_server_restarted() -> None:
    with redis_server(keeps_data=True) as server, Load(server.hosts) as load:
        load.start()
        time.sleep(0.3)
        server.stop()
        time.sleep(1)
        server.start()
        time.sleep(0.3)
        load.finish().assert_perfect()


def test_server_killed() -> None:
    with redis_server(keeps_data=True) as server, Load(server.hosts) as load:
        load.start()
        time.sleep(0.3)
        server.kill()
        server.start()
        time.sleep(0.3)
        load.finish().assert_perfect()


def test_server_frozen() -> None:
    with redis_server() as server, Load(server.hosts) as load:
        load.start()
        time.sleep(0.3)
        server.freeze()
        time.sleep(1)
        server.thaw()
        time.sleep(0.3)
        load.finish().assert_perfect()


def test_process_frozen() -> None:
    with redis_server() as server, Load(server.hosts) as load:
        load.start()
        time.sleep(0.3)
        load.processes[0].freeze()
        time.sleep(1)
        load.processes[0].thaw()
        time.sleep(0.3)
        load.finish().assert_perfect()


def test_process_killed() -> None:
    with redis_server() as server, Load(server.hosts, processes=3) as load:
        load.start()
        time.sleep(0.3)
        killed = load.processes[1]
        killed.kill()
        time.sleep(0.5)
        load.finish(without=killed).assert_perfect()


def test_a_member_never_reads() -> None:
    with redis_server() as server:
        with Load(server.hosts, channel_capacity={"deaf*": 5}) as load:
            load.processes[0].ask("join_deaf", ["room"])
            load.start()
            time.sleep(1)
            load.finish().assert_perfect()
            assert load.drops[0]["full"] > 5
            assert "full" not in load.drops[1]
            assert "room" in load.processes[0].log


def test_receivers_cancelled() -> None:
    with redis_server() as server, Load(server.hosts) as load:
        for seed, process in enumerate(load.processes):
            channel = process.ask("receive_cancelled", ["room"], seed)
            load.ways[channel] = ["group:room"]
        load.start()
        time.sleep(1)
        load.finish().assert_perfect()


def test_failover() -> None:
    """Sentinel's own: the old master answers on for a while, and what it takes then is lost."""
    with SentinelSet() as servers, Load(servers.hosts) as load:
        load.start()
        time.sleep(0.3)
        servers.fail_over()
        time.sleep(1)
        load.finish().assert_gaps_reported()


def test_master_killed() -> None:
    """All that was answered had reached the replica but for the newest milliseconds."""
    with SentinelSet() as servers, Load(servers.hosts) as load:
        load.start()
        time.sleep(0.3)
        master = servers.master
        master.kill()
        servers.wait_for_another_than(master)
        time.sleep(1)
        load.finish().assert_gaps_reported()


def test_failover_that_loses_a_tail() -> None:
    with SentinelSet() as servers, Load(servers.hosts) as load:
        load.start()
        time.sleep(0.3)
        servers.part()
        time.sleep(0.3)
        master = servers.master
        master.kill()
        servers.wait_for_another_than(master)
        time.sleep(0.5)
        result = load.finish()
        result.assert_gaps_reported()
        # Everybody was told, also the one who had seen the tail: it is not in the log any more.
        assert result.gaps.keys() >= load.ways.keys()


@pytest.mark.parametrize("key", ["g:room", "p:mail"])
def test_slot_moved(key: str) -> None:
    with Cluster() as cluster, Load(cluster.hosts) as load:
        load.start()
        time.sleep(0.3)
        if key == "p:mail":
            key = f"p:{next(iter(load.ways)).partition('!')[0].rpartition('.')[2]}"
        slot = cluster.slot(f"{{{key}}}")
        for _ in range(2):
            with cluster.moving_slot(slot) as move:
                time.sleep(0.2)
                assert move.keys() >= 1
                time.sleep(0.3)
            time.sleep(0.2)
        result = load.finish()
        result.assert_perfect()
