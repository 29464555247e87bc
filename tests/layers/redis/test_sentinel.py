"""A layer whose server is named by Sentinels: it goes to the new master when they say so."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from channels.layers.redis import RedisChannelLayer
from tests.redis_servers import Authority, SentinelSet


@asynccontextmanager
async def layer_over(servers: SentinelSet) -> AsyncIterator[Any]:
    layer = RedisChannelLayer(hosts=servers.hosts)
    try:
        yield layer
    finally:
        await layer.close()


async def pass_one(layer: Any, channel: str, number: int) -> None:
    await layer.group_send("g", {"type": "x", "n": number})
    while (await layer.receive(channel))["n"] != number:
        pass


@pytest.mark.parametrize("guarded", [False, True], ids=["plain", "tls and password"])
async def test_a_failover_is_followed_at_the_word_of_a_sentinel(
    guarded: bool, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers as if it were the master for about ten seconds more. Only the word of a Sentinel
    makes the layer say that there is a new one."""
    guards: Any = {"tls": authority, "password": "sesame"} if guarded else {}
    with SentinelSet("redis", **guards) as servers:
        async with layer_over(servers) as layer:
            channel = await layer.new_channel()
            await layer.group_add("g", channel)
            await pass_one(layer, channel, 1)
            old = servers.master
            caplog.set_level(logging.WARNING, "django.channels.layers")
            # A replica gets what was answered a moment later, and this is not about losing it.
            await asyncio.to_thread(servers.wait_in_step)
            await asyncio.to_thread(servers.fail_over)
            async with asyncio.timeout(5):
                while "the master is now" not in caplog.text:
                    await asyncio.sleep(0.01)
            await pass_one(layer, channel, 2)
            assert servers.master is not old
            assert len(servers.master.command("XRANGE", b"asgi:{g:g}", "-", "+")) == 3


async def test_a_switch_that_was_not_heard_is_found_by_comparing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with SentinelSet("redis") as servers:
        async with layer_over(servers) as layer:
            channel = await layer.new_channel()
            await layer.group_add("g", channel)
            await pass_one(layer, channel, 1)
            (hub,) = layer._links.links()
            server = hub.shard("g").server
            # As if the Sentinel that it listens to had said nothing.
            server._sentinel._on_message = lambda channel, said: None
            await asyncio.to_thread(servers.fail_over)
            assert "the master is now" not in caplog.text
            server._sentinel.drop()
            async with asyncio.timeout(5):
                while "the master is now" not in caplog.text:
                    await asyncio.sleep(0.01)
            await pass_one(layer, channel, 2)


async def test_what_sentinels_say_of_other_masters_is_not_listened_to(
    redis_sentinel: SentinelSet, caplog: pytest.LogCaptureFixture
) -> None:
    async with layer_over(redis_sentinel) as layer:
        channel = await layer.new_channel()
        await layer.group_add("g-other", channel)
        (hub,) = layer._links.links()
        server = hub.shard("g-other").server
        server._heard(b"+switch-master", b"another 127.0.0.1 1 127.0.0.1 2")
        said = f"{redis_sentinel.service} 127.0.0.1 1 127.0.0.1 {redis_sentinel.master.port}"
        server._heard(b"+switch-master", said.encode())
        assert server.up
        assert "the master is now" not in caplog.text


async def test_sentinels_that_go_one_by_one_do_not_disturb() -> None:
    with SentinelSet("redis") as servers:
        async with layer_over(servers) as layer:
            channel = await layer.new_channel()
            await layer.group_add("g", channel)
            await pass_one(layer, channel, 1)
            (hub,) = layer._links.links()
            sentinel = hub.shard("g").server._sentinel
            for number, one in enumerate(servers.sentinels[:2], 2):
                await asyncio.to_thread(one.kill)
                sentinel.drop()
                await sentinel.ready(asyncio.get_running_loop().time() + 10)
                await pass_one(layer, channel, number)
