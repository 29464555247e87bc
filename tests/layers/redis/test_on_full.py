"""Full mailboxes and groups per connection, where a broker is between sender and receiver."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from channels.exceptions import ChannelFull, InvalidChannelLayerError, TooManyGroupsError
from channels.layers.redis import RedisChannelLayer
from channels.layers.rules import CLOSE, DROP_NEWEST, DROP_OLDEST, Rules
from tests.redis_servers import Server


@asynccontextmanager
async def processes(server: Server, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Two layers that stand for processes."""
    prefix = uuid4().hex
    here, there = (
        RedisChannelLayer(hosts=[server.url], prefix=prefix, capacity=3, **options)
        for _ in range(2)
    )
    try:
        yield here, there
    finally:
        await here.close()
        await there.close()


async def until(holds: Callable[[], object]) -> None:
    """Wait for what another process's message brings about."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


def read(inbox: Any) -> list[int]:
    found = []
    while (snapshot := inbox.take()) is not None:
        found.append(snapshot.message()["n"])
    return found


async def member(layer: Any, rules: Rules | None = None) -> tuple[str, Any]:
    name = await layer.new_channel()
    inbox = layer.attach(name, lambda: None)
    if rules is not None:
        inbox.limit(rules)
    await layer.group_add("room", name)
    return name, inbox


async def test_each_member_by_its_own_policy(redis7: Server) -> None:
    told: list[str] = []
    async with processes(redis7, on_full=DROP_OLDEST) as (here, there):
        _, by_layer = await member(there)
        _, newest = await member(there, Rules(on_full=DROP_NEWEST))
        _, closing = await member(there, Rules(on_full=CLOSE, overflow=lambda: told.append("x")))
        for number in range(6):
            await here.group_send("room", {"type": "number", "n": number})
        await until(lambda: there.drops.counts["full"] == 9)
        await until(lambda: len(told) == 3)
        assert [read(by_layer), read(newest), read(closing)] == [[3, 4, 5], [0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize("on_full", [DROP_NEWEST, DROP_OLDEST])
async def test_direct_messages(redis7: Server, on_full: str) -> None:
    async with processes(redis7, on_full=on_full) as (here, _):
        name, inbox = await member(here)
        refused = 0
        for number in range(5):
            try:
                await here.send(name, {"type": "number", "n": number})
            except ChannelFull:
                refused += 1
        assert refused == (2 if on_full == DROP_NEWEST else 0)
        assert read(inbox) == ([0, 1, 2] if on_full == DROP_NEWEST else [2, 3, 4])


async def test_groups(redis7: Server) -> None:
    async with processes(redis7) as (here, _):
        name, _ = await member(here, Rules(most_groups=3))
        await here.group_add("two", name)
        await here.group_add("two", name)
        results = await asyncio.gather(
            *(here.group_add(f"more{number}", name) for number in range(5)),
            return_exceptions=True,
        )
        kinds = sorted(type(result).__name__ for result in results)
        assert kinds == ["NoneType", *["TooManyGroupsError"] * 4], "asked for at the same time"
        await here.group_discard("two", name)
        await here.group_add("instead", name)
        with pytest.raises(TooManyGroupsError):
            await here.group_add("two", name)


def test_a_policy_that_is_none() -> None:
    with pytest.raises(InvalidChannelLayerError, match="it must be one of"):
        RedisChannelLayer(hosts=["redis://127.0.0.1:1"], on_full="drop")
