"""What is done to servers and processes while a load runs. Each returns when it is over."""

import time

from tests.faults.load import Load
from tests.faults.places import Place
from tests.redis_servers import Cluster, SentinelSet

CUT_EVERY = 0.2


def cut_connections(servers: Place, seconds: float) -> int:
    """``CLIENT KILL`` of everything, five times a second; returns how many connections it was."""
    killed = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(CUT_EVERY)
        killed += sum(server.kill_clients() for server in servers.masters)
    return killed


def stop_servers(servers: Place, seconds: float) -> None:
    """Take the servers away, and start them again with their data."""
    masters = servers.masters
    for server in masters:
        server.stop()
    time.sleep(seconds)
    for server in masters:
        server.start()
    if isinstance(servers, Cluster):
        servers.wait_until_ok()


def freeze_server(servers: Place, seconds: float) -> None:
    server = servers.masters[0]
    server.freeze()
    time.sleep(seconds)
    server.thaw()


def freeze_process(load: Load, seconds: float) -> None:
    load.processes[0].freeze()
    time.sleep(seconds)
    load.processes[0].thaw()


def lose_master(servers: SentinelSet, part_for: float = 0) -> None:
    """Kill the master and wait for the replica to be it.

    Args:
        part_for: seconds before in which the replica gets nothing: what was answered in them is
            lost.
    """
    if part_for:
        servers.part()
        time.sleep(part_for)
    master = servers.master
    master.kill()
    servers.wait_for_another_than(master)


def move_slots(cluster: Cluster, keys: list[str], *, at_once: bool = False) -> int:
    """Move the slots of keys away and back, with pauses between the steps; returns how many moves
    it was."""
    moves = 0
    for key in keys * 2:
        slot = cluster.slot(key)
        if at_once:
            cluster.move_slot_at_once(slot)
        else:
            with cluster.moving_slot(slot) as move:
                time.sleep(0.1)
                move.keys()
                time.sleep(0.3)
        time.sleep(0.2)
        moves += 1
    return moves


def keys_under_load(load: Load) -> list[str]:
    """Names of keys in the slots of one group, of one process's mail and of a general channel."""
    process = next(iter(load.ways)).partition("!")[0].rpartition(".")[2]
    return ["{g:room}", f"{{p:{process}}}", "{c:jobs}"]
