"""A Cluster behind the face of one server: commands and announcements find their node."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio.connection import Connection

from channels.exceptions import BrokerUnavailableError
from channels.layers.redis.cluster import ClusterServer
from channels.layers.redis.connection import ReplyError
from channels.layers.redis.scripts import Script
from channels.layers.redis.server import Listener
from channels.layers.redis.slots import Address
from tests.redis_servers import FLAVOURS, Cluster
from tests.redis_servers.cluster import Node

LIMIT = 20.0


def script(source: str) -> Script:
    return Script(source.encode(), hashlib.sha1(source.encode()).hexdigest().encode())


COUNT = script("local n = redis.call('INCR', KEYS[1]) redis.call('SPUBLISH', KEYS[1], n) return n")
FAIL = script("return redis.error_reply('UNKNOWN word')")


class Heard:
    """What a listener was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, bytes]] = []
        self.subscribed: list[bytes] = []
        self.ups = 0
        self._changed = asyncio.Event()

    def listener(self) -> Listener:
        return Listener(self._message, self._subscribe, self._up)

    def _message(self, channel: bytes, data: bytes) -> None:
        self.messages.append((channel, data))
        self._changed.set()

    def _subscribe(self, channel: bytes) -> None:
        self.subscribed.append(channel)
        self._changed.set()

    def _up(self) -> None:
        self.ups += 1

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT):
            while not true():
                self._changed.clear()
                await self._changed.wait()


async def open_at(address: Address) -> Connection:
    connection = Connection(
        host=address.host, port=address.port, protocol=2, socket_connect_timeout=2
    )
    await connection.connect()
    return connection


@asynccontextmanager
async def joined(
    cluster: Cluster, heard: Heard, seeds: list[tuple[str, int]] | None = None
) -> AsyncIterator[ClusterServer]:
    addresses = [Address(*seed) for seed in seeds or cluster.addresses()]
    server = ClusterServer(open_at, addresses, "the cluster", heard.listener())
    try:
        yield server
    finally:
        server.close()
        for _ in range(3):
            await asyncio.sleep(0)


@pytest.fixture(scope="module", params=FLAVOURS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """One whose slots these tests move about."""
    with Cluster(request.param) as servers:
        yield servers


def keys_of_every_node(cluster: Cluster, word: str) -> list[bytes]:
    found: dict[Any, bytes] = {}
    number = 0
    while len(found) < len(cluster.nodes):
        key = f"{{{word}{number}}}".encode()
        found.setdefault(cluster.owner(cluster.slot(key)), key)
        number += 1
    return list(found.values())


def times_moved(node: Node) -> int:
    """How often a node sent somebody elsewhere."""
    found = re.search(rb"errorstat_MOVED:count=(\d+)", node.command("INFO", "errorstats"))
    return int(found[1]) if found else 0


async def blocking(call: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(call, *args)


async def test_each_key_is_served_and_announced_by_its_node(cluster: Cluster) -> None:
    heard = Heard()
    async with joined(cluster, heard, cluster.addresses()[:1]) as server:
        keys = keys_of_every_node(cluster, "each")
        for key in keys:
            server.subscribe(key)
        await heard.until(lambda: sorted(heard.subscribed) == sorted(keys))
        assert [await server.run(COUNT, key) for key in keys] == [1] * len(keys)
        await heard.until(lambda: len(heard.messages) == len(keys))
        assert sorted(heard.messages) == sorted((key, b"1") for key in keys)
        assert server.up
        for key, node in zip(keys, map(cluster.owner, map(cluster.slot, keys)), strict=True):
            assert node.command("GET", key) == b"1"


async def test_a_channel_that_was_left_is_silent(cluster: Cluster) -> None:
    heard = Heard()
    async with joined(cluster, heard) as server:
        server.subscribe(b"left")
        server.subscribe(b"kept{left}")
        await heard.until(lambda: len(heard.subscribed) == 2)
        server.unsubscribe(b"left")
        server.unsubscribe(b"never joined")
        await server.run(COUNT, b"left")
        await server.run(COUNT, b"kept{left}")
        await heard.until(lambda: (b"kept{left}", b"1") in heard.messages)
        node = cluster.owner(cluster.slot("left"))
        assert node.command("PUBSUB", "SHARDCHANNELS") == [b"kept{left}"]


async def test_an_error_of_the_script_comes_through(cluster: Cluster) -> None:
    async with joined(cluster, Heard()) as server:
        with pytest.raises(ReplyError, match="UNKNOWN word") as caught:
            await server.run(FAIL, b"key")
        assert caught.value.code == "UNKNOWN"


async def test_a_move_takes_commands_and_announcements_along(cluster: Cluster) -> None:
    key = b"{moves}"
    slot = cluster.slot(key)
    heard = Heard()

    def announce(reply: Any) -> tuple[bytes, bytes]:
        return key, b"%d" % reply

    async def count() -> int:
        return int(await server.run(COUNT, key, announce=announce))

    async with joined(cluster, heard) as server:
        server.subscribe(key)
        await heard.until(lambda: key in heard.subscribed)
        assert await count() == 1
        moving = cluster.moving_slot(slot)
        move = await blocking(moving.__enter__)
        assert await count() == 2  # the key is still there
        await blocking(move.keys)
        assert await count() == 3  # it has gone ahead; the subscriptions have not
        await heard.until(lambda: (key, b"3") in heard.messages)
        assert await server.run(COUNT, b"new{moves}") == 1
        await blocking(moving.__exit__, None, None, None)
        await heard.until(lambda: heard.subscribed.count(key) >= 2)
        assert await count() == 4
        await heard.until(lambda: (key, b"4") in heard.messages)
        assert [data for _, data in heard.messages] == [b"1", b"2", b"3", b"4"]
        # The new owner is asked now, without a detour.
        others = [node for node in cluster.nodes if node is not move.target]
        before = list(map(times_moved, others))
        assert await count() == 5
        assert list(map(times_moved, others)) == before


@pytest.mark.parametrize("cluster", ["valkey"], indirect=True)
async def test_a_slot_handed_over_at_once_is_found(cluster: Cluster) -> None:
    key = b"{at once}"
    heard = Heard()
    async with joined(cluster, heard) as server:
        server.subscribe(key)
        await heard.until(lambda: key in heard.subscribed)
        assert await server.run(COUNT, key) == 1
        await blocking(cluster.move_slot_at_once, cluster.slot(key))
        await heard.until(lambda: heard.subscribed.count(key) >= 2)
        assert await server.run(COUNT, key) == 2
        await heard.until(lambda: (key, b"2") in heard.messages)


async def test_concurrent_commands_survive_moves(cluster: Cluster) -> None:
    """Each was run once: the count says so."""
    keys = [f"load{number}{{load}}".encode() for number in range(5)]
    moves = 4

    async def count(server: ClusterServer, key: bytes, moved: asyncio.Task[Any]) -> list[int]:
        counts = []
        while not moved.done() or len(counts) < 10:
            counts.append(await server.run(COUNT, key))
        return counts

    async with joined(cluster, Heard()) as server:
        slot = cluster.slot("{load}")
        async with asyncio.TaskGroup() as group:
            moved = group.create_task(
                asyncio.to_thread(lambda: [cluster.move_slot(slot) for _ in range(moves)])
            )
            loads = [group.create_task(count(server, key, moved)) for key in keys]
        for counts in (load.result() for load in loads):
            assert counts == list(range(1, len(counts) + 1))


async def test_cut_connections_come_back(cluster: Cluster) -> None:
    heard = Heard()
    async with joined(cluster, heard) as server:
        keys = keys_of_every_node(cluster, "cut")
        for key in keys:
            server.subscribe(key)
            assert await server.run(COUNT, key) == 1
        await heard.until(lambda: len(heard.subscribed) == len(keys))
        for node in cluster.nodes:
            await blocking(node.kill_clients)
        await heard.until(lambda: len(heard.subscribed) == 2 * len(keys))
        for key in keys:
            assert await server.run(COUNT, key) == 2
        await heard.until(lambda: {(key, b"2") for key in keys} <= set(heard.messages))
        assert heard.ups >= 2 * len(keys)


async def test_no_node_there_ends_with_the_deadline() -> None:
    heard = Heard()
    loop = asyncio.get_running_loop()
    server = ClusterServer(open_at, [Address("127.0.0.1", 1)], "nowhere", heard.listener())
    with pytest.raises(BrokerUnavailableError, match=r"No node of nowhere .* until the call's"):
        await server.run(COUNT, b"key", deadline=loop.time() + 0.2)
    with pytest.raises(BrokerUnavailableError, match="told not to wait"):
        await server.run(COUNT, b"key", patient=False)
    assert not server.up
    waiting = asyncio.ensure_future(server.run(COUNT, b"key"))
    await asyncio.sleep(0)
    server.close()
    with pytest.raises(BrokerUnavailableError, match="was closed"):
        await waiting


async def test_the_keys_of_every_node_are_deleted(cluster: Cluster) -> None:
    async with joined(cluster, Heard()) as server:
        gone = [f"gone{number}".encode() for number in range(50)]
        for key in (*gone, b"other"):
            await server.run(COUNT, key)
        await server.delete_keys(b"gone*")
        assert await server.run(COUNT, gone[0]) == 1
        left = [key for node in cluster.nodes for key in node.command("KEYS", "gone*")]
        assert left == [gone[0]]
        assert await server.run(COUNT, b"other") == 2


class TestAStoppedNode:
    """What a node without a replica takes with it, and what goes on."""

    @pytest.fixture
    def own(self) -> Iterator[Cluster]:
        with Cluster("redis", options={"cluster-require-full-coverage": "no"}) as servers:
            yield servers

    async def test_commands_for_it_wait_and_others_go_on(self, own: Cluster) -> None:
        heard = Heard()
        async with joined(own, heard) as server:
            keys = keys_of_every_node(own, "stop")
            for key in keys:
                server.subscribe(key)
                assert await server.run(COUNT, key) == 1
            await heard.until(lambda: len(heard.subscribed) == len(keys))
            node = own.owner(own.slot(keys[0]))
            await blocking(node.stop)
            waiting = asyncio.ensure_future(server.run(COUNT, keys[0]))
            assert await server.run(COUNT, keys[1]) == 2
            deadline = asyncio.get_running_loop().time() + 0.3
            with pytest.raises(BrokerUnavailableError):
                await server.run(COUNT, keys[0], deadline=deadline)
            assert not waiting.done()
            await blocking(node.start)
            assert await _soon(waiting) == 2
            await heard.until(lambda: heard.subscribed.count(keys[0]) >= 2)

    async def test_its_slots_are_served_by_whoever_takes_them(self, own: Cluster) -> None:
        """As a replica does that is promoted: nobody tells, the table says so."""
        heard = Heard()
        async with joined(own, heard) as server:
            key = keys_of_every_node(own, "take")[0]
            server.subscribe(key)
            await heard.until(lambda: key in heard.subscribed)
            assert await server.run(COUNT, key) == 1
            slot = own.slot(key)
            node = own.owner(slot)
            heir = own.other_than(node)
            await blocking(node.kill)
            epoch = heir.command("CLUSTER", "BUMPEPOCH")
            assert b"BUMPED" in epoch or b"STILL" in epoch
            heir.command("CLUSTER", "DELSLOTS", slot)
            heir.command("CLUSTER", "ADDSLOTS", slot)
            await heard.until(lambda: heard.subscribed.count(key) >= 2)
            assert await server.run(COUNT, key) == 1
            await heard.until(lambda: heard.messages.count((key, b"1")) == 2)


async def _soon(awaitable: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(awaitable, LIMIT)
