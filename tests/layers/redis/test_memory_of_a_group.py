"""What a group takes of the server's memory is at most what the guide says."""

import asyncio
import os
import re
from pathlib import Path
from uuid import uuid4

import pytest

from channels.layers.redis import RedisChannelLayer
from tests.redis_servers import Server

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "run-redis.md"


def formula() -> tuple[float, float, float, float]:
    """Bytes of an empty log, entries above the capacity, and factor and bytes of an entry."""
    found = re.search(
        r"\| a group \| ([\d.]+) kB \+ \(`capacity` \+ (\d+)\) × "
        r"\(bytes of a message × ([\d.]+) \+ (\d+)\) \|",
        GUIDE.read_text("utf-8"),
    )
    assert found
    empty, more, factor, entry = map(float, found.groups())
    return empty * 1000, more, factor, entry


def used(server: Server, key: str) -> int:
    answer: int = server.command("MEMORY", "USAGE", key, "SAMPLES", 0)
    return answer


@pytest.mark.parametrize("place", ["redis7", "valkey"])
@pytest.mark.parametrize("size", [20, 200, 1000, 8000])
async def test_a_group_that_is_full(place: str, size: int, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(place)
    layer = RedisChannelLayer(hosts=server.hosts, prefix=uuid4().hex, capacity=100)
    try:
        message = {"type": "x", "data": os.urandom(size)}
        await asyncio.gather(*(layer.group_send("room", message) for _ in range(500)))
        empty, more, factor, entry = formula()
        most = empty + (100 + more) * (len(layer.serialize(message)) * factor + entry)
        memory = used(server, f"{layer.prefix}:{{g:room}}")
        assert 100 * size < memory <= most
    finally:
        await layer.close()


@pytest.mark.parametrize("place", ["redis7", "valkey"])
async def test_a_group_without_messages_and_one_without_members(
    place: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(place)
    layer = RedisChannelLayer(hosts=server.hosts, prefix=uuid4().hex, history=False)
    try:
        await layer.group_send("empty", {"type": "x"})
        assert server.command("EXISTS", f"{layer.prefix}:{{g:empty}}") == 0
        channel = await layer.new_channel()
        await layer.group_add("quiet", channel)
        # Half a kilobyte of the server's own book-keeping, for each key.
        assert used(server, f"{layer.prefix}:{{g:quiet}}") <= formula()[0] + 500
    finally:
        await layer.close()
