"""What one sender sends by several logs arrives in its order, whichever of them is late.

A log is made late by not reading the connection on which it is announced.
"""

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import pytest
import redis
from asgiref.sync import async_to_sync, sync_to_async

from channels.layers.redis import RedisChannelLayer
from channels.layers.redis.cluster import ClusterServer
from channels.layers.redis.hub import Hub, process_of
from channels.testing.conformance import checks_named
from tests.layers.tools import numbered
from tests.redis_servers import Server, redis_server


@pytest.fixture(scope="module")
def two_hosts() -> Iterator[list[str]]:
    with ExitStack() as running:
        yield [running.enter_context(redis_server(flavour)).url for flavour in ("redis", "valkey")]


class Process:
    """A layer that is read here, with a member of two groups."""

    def __init__(self, hosts: list[Any]) -> None:
        self.hosts = hosts
        self.prefix = uuid4().hex
        self.layers: list[RedisChannelLayer] = []
        self.layer = self.another()
        self.groups: list[str] = []
        self.channel = ""

    def another(
        self, kind: type[RedisChannelLayer] = RedisChannelLayer, **options: Any
    ) -> RedisChannelLayer:
        made = kind(hosts=self.hosts, prefix=self.prefix, **options)
        self.layers.append(made)
        return made

    async def join(self, layer: RedisChannelLayer | None = None) -> None:
        """Be a member of two groups: the first one's log is neither where the mail is nor where
        the second one's is."""
        self.layer = layer or self.layer
        self.channel = await self.layer.new_channel()
        self.groups = []
        for number in range(200):
            group = f"group-{number}"
            await self.layer.group_add(group, self.channel)
            kind, name = ("g", self.groups[0]) if self.groups else ("p", self.hub.id)
            if self.connection("g", group) is not self.connection(kind, name):
                self.groups.append(group)
                if len(self.groups) == 2:
                    return
            else:
                await self.layer.group_discard(group, self.channel)
        raise AssertionError("all is on one server")

    @property
    def hub(self) -> Hub:
        return self.layer._hubs[process_of(self.channel)]

    def connection(self, kind: str, name: str) -> Any:
        """The connection on which a log is announced."""
        shard = self.hub.shard(name)
        if isinstance(shard.server, ClusterServer):
            node = shard.server._places[shard.channel(self.hub.key(kind, name))]
            assert node is not None
            return node.subscriber
        return shard.server.subscriber

    @contextmanager
    def late(self, log: str) -> Iterator[None]:
        """Hear nothing of a log, ``"mail"`` or a group, and do not read it because of that."""
        kind, name = ("p", self.hub.id) if log == "mail" else ("g", log)
        transport = self.connection(kind, name)._transport
        transport.pause_reading()
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(self.hub, "look_at", lambda log: None)
                yield
        finally:
            transport.resume_reading()

    def heard(self, log: str) -> int:
        """How far a log was heard, or read."""
        followed = self.hub._mail if log == "mail" else self.hub._groups[log]
        assert followed is not None
        return followed.follow.follower.offset

    async def receive(self, count: int) -> list[int]:
        async with asyncio.timeout(10):
            return [(await self.layer.receive(self.channel))["n"] for _ in range(count)]

    def waiting(self) -> int:
        """Messages that wait in the member's mailbox."""
        box = self.hub.delivery.boxes.get(self.channel)
        return 0 if box is None else box.qsize()

    async def close(self) -> None:
        await self.layer.flush()
        for layer in self.layers:
            await layer.close()


@pytest.fixture(params=["two_hosts", "redis_cluster", "valkey_cluster"])
async def process(request: pytest.FixtureRequest) -> AsyncIterator[Process]:
    servers = request.getfixturevalue(request.param)
    found = Process(servers if isinstance(servers, list) else servers.hosts)
    await found.join()
    yield found
    await found.close()


@pytest.fixture
async def on_two_hosts(two_hosts: list[str]) -> AsyncIterator[Process]:
    found = Process(two_hosts)
    await found.join()
    yield found
    await found.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


def message(number: int) -> dict[str, Any]:
    return {"type": "x", "n": number}


async def test_group_then_direct(process: Process) -> None:
    peer, (group, _) = process.another(), process.groups
    with process.late(group):
        await peer.group_send(group, message(1))
        await peer.send(process.channel, message(2))
        await until(lambda: process.heard("mail"))
        assert not process.waiting()
    assert await process.receive(2) == [1, 2]


async def test_direct_then_group(process: Process) -> None:
    peer, (group, _) = process.another(), process.groups
    with process.late("mail"):
        await peer.send(process.channel, message(1))
        await peer.group_send(group, message(2))
        await peer.group_send(group, message(3))
        await until(lambda: process.heard(group) == 2)
        assert not process.waiting()
    assert await process.receive(3) == [1, 2, 3]


async def test_one_group_then_the_other(process: Process) -> None:
    peer, (one, two) = process.another(), process.groups
    with process.late(one):
        await peer.group_send(one, message(1))
        await peer.group_send(two, message(2))
        await until(lambda: process.heard(two))
        assert not process.waiting()
    assert await process.receive(2) == [1, 2]


async def test_what_another_process_sends_to_itself(process: Process) -> None:
    """Its answer comes with the delivery."""
    group, _ = process.groups
    with process.late(group):
        await process.layer.group_send(group, message(1))
        sending = asyncio.ensure_future(process.layer.send(process.channel, message(2)))
        await until(lambda: process.heard("mail"))
        assert not process.waiting()
        assert not sending.done()
    await sending
    assert await process.receive(2) == [1, 2]


async def test_mail_of_others_does_not_wait(process: Process) -> None:
    peer, (group, _) = process.another(), process.groups
    stranger = await process.layer.new_channel()
    with process.late(group):
        await peer.group_send(group, message(1))
        await peer.send(process.channel, message(2))
        await peer.send(stranger, message(3))
        async with asyncio.timeout(5):
            assert await process.layer.receive(stranger) == message(3)
        assert not process.waiting()
    assert await process.receive(2) == [1, 2]


async def test_who_leaves_the_group_waits_no_longer(process: Process) -> None:
    peer, (group, _) = process.another(), process.groups
    other = await process.layer.new_channel()
    await process.layer.group_add(group, other)
    with process.late(group):
        await peer.group_send(group, message(1))
        await peer.send(process.channel, message(2))
        await peer.send(other, message(3))
        await until(lambda: process.heard("mail") == 2)
        await process.layer.group_discard(group, process.channel)
        assert await process.receive(1) == [2]
        # The last one; nobody follows the group any more.
        await process.layer.group_discard(group, other)
        async with asyncio.timeout(5):
            assert await process.layer.receive(other) == message(3)


async def test_a_request_does_not_wait(process: Process) -> None:
    peer, (group, _) = process.another(), process.groups
    with process.late(group):
        await peer.group_send(group, message(1))
        await peer.send(process.channel, message(2))
        await peer.group_discard(group, process.channel)
        assert await process.receive(1) == [2]


async def test_a_connection_that_was_lost(two_hosts: list[str]) -> None:
    """On one server, the logs are read one after the other."""
    process = Process(two_hosts[:1])
    process.channel = await process.layer.new_channel()
    process.groups = ["one", "two"]
    for group in process.groups:
        await process.layer.group_add(group, process.channel)
    peer = process.another()
    with process.late("mail"):
        for number in range(90):
            if number % 3 == 2:
                await peer.send(process.channel, message(number))
            else:
                await peer.group_send(process.groups[number % 3], message(number))
        process.connection("p", process.hub.id).drop()
    assert await process.receive(90) == list(range(90))
    await process.close()


async def test_an_announcement_that_was_lost(on_two_hosts: Process) -> None:
    """A log that is waited for is read, though nobody says that it has gone on."""
    process = on_two_hosts
    peer, (group, _) = process.another(), process.groups
    follows = process.hub.shard(group).follows
    follow = process.hub._groups[group].follow
    del follows.by_channel[follow.channel]
    await peer.group_send(group, message(1))
    # An answer of the same connection: what was announced before has come.
    commands = process.connection("g", group)
    before = commands._heard = False
    commands.write(b"PING")
    await until(lambda: commands._heard is not before)
    follows.by_channel[follow.channel] = follow
    await peer.send(process.channel, message(2))
    assert await process.receive(2) == [1, 2]


async def test_what_a_failover_lost_is_not_waited_for(on_two_hosts: Process) -> None:
    """Its position is in no log, until it is given away again."""
    process = on_two_hosts
    peer, (group, _) = process.another(), process.groups
    await peer.group_send(group, message(1))
    assert await process.receive(1) == [1]
    with process.late(group):
        position = await peer.group_send(group, message(2))
        assert position is not None
        key = process.hub.key("g", group)
        for url in process.hosts:
            with redis.Redis.from_url(url) as client:
                client.xdel(key, f"{position.epoch}-{position.offset}")
        await peer.send(process.channel, message(3))
        await until(lambda: process.heard("mail"))
        process.connection("g", group).drop()
        assert await process.receive(1) == [3]
    assert process.layer.drops.counts["overtaken"] == 0


async def test_nothing_is_lost_by_waiting(
    on_two_hosts: Process, caplog: pytest.LogCaptureFixture
) -> None:
    """A message whose time has come is delivered, and said to be out of order; after it nobody
    waits for a log that does not move."""
    process = on_two_hosts
    await process.join(process.another(send_timeout=0.4))
    group, _ = process.groups
    peer = process.another()
    with process.late(group):
        await peer.group_send(group, message(1))
        await peer.send(process.channel, message(2))
        began = time.monotonic()
        assert await process.receive(1) == [2]
        assert time.monotonic() - began > 0.3
        for number in (3, 4, 5):
            began = time.monotonic()
            await peer.send(process.channel, message(number))
            assert await process.receive(1) == [number]
            assert time.monotonic() - began < 0.3
        assert process.layer.drops.counts["overtaken"] == 4
        (line,) = [r for r in caplog.records if r.levelno == logging.WARNING]
        assert "delivered out of order 1 message(s)" in line.getMessage()
        assert "'p:" in line.getMessage()
    assert await process.receive(1) == [1]
    with process.late(group):
        await peer.group_send(group, message(6))
        heard = process.heard("mail")
        await peer.send(process.channel, message(7))
        await until(lambda: process.heard("mail") > heard)
        assert not process.waiting()
    assert await process.receive(2) == [6, 7]


# Who a sender is.


def sends_with_sync(layer: RedisChannelLayer, group: str, channel: str) -> None:
    layer.sync.group_send(group, message(1))
    layer.sync.send(channel, message(2))


def sends_with_async_to_sync(layer: RedisChannelLayer, group: str, channel: str) -> None:
    async_to_sync(layer.group_send)(group, message(1))
    async_to_sync(layer.send)(channel, message(2))


class OnALoop(RedisChannelLayer):
    """One whose own method may need a loop, so that ``sync`` runs all of them on one."""

    async def group_send(self, *args: Any, **kwargs: Any) -> Any:
        return await super().group_send(*args, **kwargs)


@pytest.mark.parametrize("sends", [sends_with_sync, sends_with_async_to_sync])
@pytest.mark.parametrize("kind", [RedisChannelLayer, OnALoop])
@pytest.mark.parametrize("where", ["thread", "sync_to_async"])
async def test_sync_code_is_one_sender(
    on_two_hosts: Process,
    sends: Callable[..., None],
    kind: type[RedisChannelLayer],
    where: str,
) -> None:
    process = on_two_hosts
    peer, (group, _) = process.another(kind), process.groups
    with process.late(group):
        if where == "thread":
            thread = threading.Thread(target=sends, args=(peer, group, process.channel))
            thread.start()
            await until(lambda: not thread.is_alive())
        else:
            await sync_to_async(sends)(peer, group, process.channel)
        await until(lambda: process.heard("mail"))
        assert not process.waiting()
    assert await process.receive(2) == [1, 2]


async def test_a_view_that_sends_by_both_ways(on_two_hosts: Process) -> None:
    """Sync code that async code calls, and the other way round, is of one sender."""
    process = on_two_hosts
    peer, (group, _) = process.another(), process.groups
    with process.late(group):
        await sync_to_async(async_to_sync(peer.group_send))(group, message(1))
        await peer.send(process.channel, message(2))
        await until(lambda: process.heard("mail"))
        assert not process.waiting()
    assert await process.receive(2) == [1, 2]


async def in_a_task(awaitable: Awaitable[Any]) -> None:
    await asyncio.ensure_future(awaitable)


async def with_others(awaitable: Awaitable[Any]) -> None:
    await asyncio.gather(awaitable, asyncio.sleep(0))


@pytest.mark.parametrize("way", [in_a_task, with_others])
async def test_tasks_of_a_sender(on_two_hosts: Process, way: Callable[..., Any]) -> None:
    """What a sender has a task send, it sends itself: ``wait_for`` makes one."""
    process = on_two_hosts
    peer, (group, other) = process.another(), process.groups
    await peer.group_send(other, message(0))
    assert await process.receive(1) == [0]
    with process.late(group):
        await way(peer.group_send(group, message(1)))
        await way(peer.send(process.channel, message(2)))
        await until(lambda: process.heard("mail"))
        assert not process.waiting()
    assert await process.receive(2) == [1, 2]


async def test_senders_do_not_wait_for_each_other(on_two_hosts: Process) -> None:
    process = on_two_hosts
    peer, (group, _) = process.another(), process.groups
    with process.late(group):
        for sent in (peer.group_send(group, message(1)), peer.send(process.channel, message(2))):
            await asyncio.create_task(in_a_task(sent), context=contextvars.Context())
        assert await process.receive(1) == [2]
    assert await process.receive(1) == [1]


# What it costs.


async def test_who_writes_to_one_log_says_nothing_of_others(redis7: Server) -> None:
    prefix = uuid4().hex
    layer = RedisChannelLayer(hosts=[redis7.url], prefix=prefix)
    other = RedisChannelLayer(hosts=[redis7.url], prefix=uuid4().hex)
    for text in numbered(1, 2):
        await layer.group_send("room", text)
    await other.group_send("room", {"type": "x"})
    position = await layer.group_send("hall", {"type": "x"})
    client = redis.Redis.from_url(redis7.url)
    entries = {
        group: [
            fields[b"d"].partition(b"\n")[0]
            for _, fields in client.xrange(f"{prefix}:{{g:{group}}}")
        ]
        for group in ("room", "hall")
    }
    assert position is not None
    assert entries["room"] == [b"m", b"m"]
    client.close()
    (head,) = entries["hall"]
    assert head.startswith(b"m>g:room:")
    assert head.endswith(b"-2")
    for made in (layer, other):
        await made.flush()
        await made.close()


@pytest.mark.parametrize("name", ["mixed_order", "mixed_order_from_a_peer"])
@pytest.mark.parametrize("place", ["redis_cluster", "two_hosts"])
async def test_the_promise_many_times(
    name: str, place: str, request: pytest.FixtureRequest
) -> None:
    servers = request.getfixturevalue(place)
    hosts = servers if isinstance(servers, list) else servers.hosts
    (check,) = checks_named([name])
    prefix = uuid4().hex
    for _ in range(20):
        await check.run(
            lambda **options: RedisChannelLayer(hosts=hosts, prefix=prefix, **options), peers=True
        )
