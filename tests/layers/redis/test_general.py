"""General channels: receivers that come, go and are cancelled, and connections that are lost."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import redis

from channels.layers.redis import RedisChannelLayer, general
from channels.layers.redis.sending import push
from tests.layers.tools import numbered
from tests.redis_servers import Server


class Place:
    """Layers that share a prefix: each is to the others another process."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.prefix = uuid4().hex
        self.client: redis.Redis = redis.Redis.from_url(server.url)
        self.layers: list[RedisChannelLayer] = []

    def layer(self, **options: Any) -> RedisChannelLayer:
        options.setdefault("capacity", 10_000)
        made = RedisChannelLayer(hosts=[self.server.url], prefix=self.prefix, **options)
        self.layers.append(made)
        return made

    @property
    def key(self) -> str:
        return f"{self.prefix}:{{c:jobs}}"

    def in_hand(self) -> int:
        return int(self.client.xpending(self.key, "readers")["pending"])

    async def close(self) -> None:
        for layer in self.layers:
            await layer.close()
        self.client.delete(self.key)
        self.client.close()


@pytest.fixture
async def place(redis7: Server) -> AsyncIterator[Place]:
    found = Place(redis7)
    yield found
    await found.close()


async def send(layer: RedisChannelLayer, *numbers: int) -> None:
    for message in numbered(*numbers):
        await layer.send("jobs", message)


async def receive(layer: RedisChannelLayer, count: int) -> list[int]:
    async with asyncio.timeout(10):
        return [(await layer.receive("jobs"))["n"] for _ in range(count)]


async def test_messages_wait_for_a_worker(place: Place) -> None:
    await send(place.layer(), 1, 2, 3)
    worker = place.layer()
    assert await receive(worker, 3) == [1, 2, 3]
    assert place.in_hand() == 0


async def test_a_waiting_worker_is_told(place: Place) -> None:
    worker, sender = place.layer(), place.layer()
    receiving = asyncio.ensure_future(receive(worker, 2))
    await asyncio.sleep(0.05)
    await send(sender, 1)
    await asyncio.sleep(0.05)
    await send(sender, 2)
    assert await receiving == [1, 2]


async def test_no_more_is_taken_than_receivers_wait(place: Place) -> None:
    worker, other = place.layer(), place.layer()
    await send(worker, 1, 2, 3)
    assert await receive(worker, 1) == [1]
    assert await receive(other, 2) == [2, 3]


async def test_a_cancelled_receiver_leaves_everything_to_the_others(place: Place) -> None:
    worker, other = place.layer(), place.layer()
    receiving = asyncio.ensure_future(receive(worker, 1))
    await asyncio.sleep(0.05)
    receiving.cancel()
    await asyncio.wait([receiving])
    await send(worker, 1, 2)
    assert await receive(other, 2) == [1, 2]


async def test_receivers_that_are_cancelled_at_any_point_lose_and_repeat_nothing(
    place: Place,
) -> None:
    sender, workers = place.layer(), [place.layer(), place.layer()]
    seeded = random.Random(7)
    got: list[int] = []

    async def work(layer: RedisChannelLayer) -> None:
        while len(got) < 300:
            receiving = asyncio.ensure_future(layer.receive("jobs"))
            for _ in range(seeded.randrange(30)):
                await asyncio.sleep(0)
            receiving.cancel()
            await asyncio.wait([receiving])
            if not receiving.cancelled():
                got.append(receiving.result()["n"])

    async with asyncio.timeout(40):
        await asyncio.gather(*map(work, workers), send(sender, *range(300)))
    assert sorted(got) == list(range(300))
    assert place.in_hand() == 0


async def test_a_message_whose_receiver_went_goes_back_to_the_front(place: Place) -> None:
    worker, other = place.layer(), place.layer()
    await send(worker, 1, 2, 3)
    hub = worker._links.claim()
    receiving = asyncio.ensure_future(worker.receive("jobs"))
    while not hub._shards[0] or not hub._shards[0].hearers:
        await asyncio.sleep(0)
    (queue,) = hub._shards[0].hearers.values()
    while queue._waiters:
        await asyncio.sleep(0)
    # It was handed over in this very round of the loop, and has not run yet.
    receiving.cancel()
    await asyncio.wait([receiving])
    assert receiving.cancelled()
    while queue._returning:
        await asyncio.sleep(0)
    assert await receive(other, 3) == [1, 2, 3]


async def test_what_was_handed_to_nobody_is_given_back_when_the_layer_closes(place: Place) -> None:
    worker, other = place.layer(), place.layer()
    await send(worker, 1)
    hub = worker._links.claim()
    receiving = asyncio.ensure_future(worker.receive("jobs"))
    while not hub._shards[0] or not hub._shards[0].hearers:
        await asyncio.sleep(0)
    (queue,) = hub._shards[0].hearers.values()
    while queue._waiters:
        await asyncio.sleep(0)
    receiving.cancel()
    await asyncio.wait([receiving])
    await worker.close()
    assert await receive(other, 1) == [1]


async def test_connections_that_are_killed_all_the_time(place: Place) -> None:
    sender, worker = place.layer(), place.layer()
    sending = asyncio.ensure_future(send(sender, *range(200)))
    receiving = asyncio.ensure_future(receive(worker, 200))
    while not sending.done():
        place.client.client_kill_filter(_type="normal", skipme=True)
        place.client.client_kill_filter(_type="pubsub", skipme=True)
        await asyncio.sleep(0.02)
    await sending
    assert await receiving == list(range(200))
    assert place.in_hand() == 0


async def test_what_a_dead_process_has_in_hand(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(general, "LEASE", 0.2)
    worker = place.layer()
    await send(worker, 1, 2)
    taken = place.client.xreadgroup("readers", "dead", {place.key: ">"}, count=1)
    assert taken
    assert sorted(await receive(worker, 2)) == [1, 2]


async def test_nobody_listens_where_nobody_receives(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(general, "LINGER", 0.05)
    monkeypatch.setattr(general, "LEASE", 0.05)
    worker = place.layer()
    await send(worker, 1)
    assert await receive(worker, 1) == [1]
    async with asyncio.timeout(5):
        while place.client.pubsub_channels(place.key):
            await asyncio.sleep(0.01)
    await send(worker, 2)
    assert await receive(worker, 1) == [2]


async def test_what_cannot_be_read_is_dropped_and_counted(place: Place) -> None:
    worker = place.layer()
    await push(worker._links.claim(), "jobs", b"\xc1")
    await send(worker, 1)
    assert await receive(worker, 1) == [1]
    assert worker.drops.counts["unreadable"] == 1
