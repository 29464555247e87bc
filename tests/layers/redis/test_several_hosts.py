"""Hosts that share the names among them: every message arrives once, whatever their number.

channels_redis sends direct messages by one hash and looks for them by another: with two hosts, half
of them are lost.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from channels.layers.redis import RedisChannelLayer
from tests.redis_servers import Server, redis_server

SENDS = 1000
CHANNELS = 10
GROUPS = 20


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    with ExitStack() as running:
        yield [
            running.enter_context(redis_server("valkey" if number % 2 else "redis"))
            for number in range(5)
        ]


@asynccontextmanager
async def processes(servers: list[Server], number: int = 2) -> AsyncIterator[list[Any]]:
    """Layers that stand for processes."""
    prefix = uuid4().hex
    hosts = [server.url for server in servers]
    layers = [
        RedisChannelLayer(hosts=hosts, prefix=prefix, capacity=2 * SENDS) for _ in range(number)
    ]
    try:
        yield layers
    finally:
        for layer in layers:
            await layer.close()


async def received(layer: Any, channel: str, count: int) -> list[int]:
    async with asyncio.timeout(30):
        return [(await layer.receive(channel))["n"] for _ in range(count)]


async def nothing_more(layer: Any, channels: list[str]) -> None:
    for channel in channels:
        await layer.send(channel, {"type": "x", "n": "last"})
        assert (await layer.receive(channel))["n"] == "last"


@pytest.mark.parametrize("number", [1, 2, 3, 5])
async def test_a_thousand_direct_sends_arrive_once(servers: list[Server], number: int) -> None:
    async with processes(servers[:number]) as (sender, receiver):
        channels = [await receiver.new_channel() for _ in range(CHANNELS)]
        own = [await sender.new_channel() for _ in range(CHANNELS)]
        for n in range(SENDS):
            to = (channels + own)[n % (2 * CHANNELS)]
            await sender.send(to, {"type": "x", "n": n})
        for layer, names in ((receiver, channels), (sender, own)):
            for channel in names:
                sent = list(range((channels + own).index(channel), SENDS, 2 * CHANNELS))
                assert await received(layer, channel, len(sent)) == sent
            await nothing_more(layer, names)


@pytest.mark.parametrize("number", [1, 2, 3, 5])
async def test_a_thousand_group_sends_arrive_once(servers: list[Server], number: int) -> None:
    async with processes(servers[:number], 3) as (sender, *receivers):
        members = [(layer, await layer.new_channel()) for layer in receivers]
        groups = [f"room-{n}" for n in range(GROUPS)]
        for layer, channel in members:
            for group in groups:
                await layer.group_add(group, channel)
        # At the same time: their order is that of their positions.
        positions = await asyncio.gather(
            *(sender.group_send(groups[n % GROUPS], {"type": "x", "n": n}) for n in range(SENDS))
        )
        for layer, channel in members:
            arrived = await received(layer, channel, SENDS)
            assert Counter(arrived) == Counter(range(SENDS))
            for group in range(GROUPS):
                of_group = [n for n in arrived if n % GROUPS == group]
                assert of_group == sorted(of_group, key=lambda n: positions[n].offset)
            await nothing_more(layer, [channel])


@pytest.mark.parametrize("number", [2, 5])
async def test_a_thousand_messages_to_workers_arrive_once(
    servers: list[Server], number: int
) -> None:
    async with processes(servers[:number]) as (sender, worker):
        channels = [f"jobs-{n}" for n in range(CHANNELS)]
        for n in range(SENDS):
            await sender.send(channels[n % CHANNELS], {"type": "x", "n": n})
        for index, channel in enumerate(channels):
            sent = list(range(index, SENDS, CHANNELS))
            assert await received(worker, channel, len(sent)) == sent
        await nothing_more(worker, channels)


async def test_every_host_has_its_share(servers: list[Server]) -> None:
    async with processes(servers, 1) as (layer,):
        for n in range(100):
            await layer.group_send(f"room-{n}", {"type": "x"})
        shares = [len(server.command("KEYS", f"{layer.prefix}*")) for server in servers]
        assert sum(shares) == 100
        assert min(shares) >= 5


async def test_a_host_that_is_gone_does_not_disturb_the_names_of_others() -> None:
    with redis_server("redis") as stays, redis_server("redis") as goes:
        async with processes([stays, goes], 1) as (layer,):
            groups = [f"room-{n}" for n in range(20)]
            for group in groups:
                await layer.group_send(group, {"type": "x"})
            here = [
                key.decode().partition(":{g:")[2].rstrip("}")
                for key in stays.command("KEYS", f"{layer.prefix}*")
            ]
            assert 0 < len(here) < 20
            await asyncio.to_thread(goes.kill)
            async with asyncio.timeout(5):
                for group in here:
                    assert await layer.group_send(group, {"type": "x"})
