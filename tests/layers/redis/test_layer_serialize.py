"""What the layer makes of messages: its own format or a project's, keys, what cannot be read."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from channels.layers.redis import RedisChannelLayer
from channels.typing import Message
from tests.redis_servers import Server

Make = Callable[..., Any]

ODD: Message = {
    "type": "x",
    "at": datetime(2024, 1, 1, tzinfo=UTC),
    "day": date(2024, 1, 1),
    "took": timedelta(seconds=1.5),
    "id": UUID(int=7),
    "price": Decimal("1.10"),
    "tags": {"a", "b"},
    "raw": b"\x00\xff",
    "rooms": {1: "one", None: "none"},
    "big": 2**70,
    "nested": [{"when": [date(2024, 1, 2)]}],
}


class JSONLayer(RedisChannelLayer):
    """A format of the project's own, as projects have it on channels_redis."""

    def serialize(self, message: Message) -> bytes:
        return json.dumps(message, default=str).encode()

    def deserialize(self, data: bytes) -> Message:
        message: Message = json.loads(data)
        return message


class StampedLayer(RedisChannelLayer):
    """Adds to what the layer does itself."""

    def serialize(self, message: Message) -> bytes:
        return b"v1" + super().serialize({**message, "stamp": 1})

    def deserialize(self, data: bytes) -> Message:
        assert data[:2] == b"v1"
        return super().deserialize(data[2:])


class PickyLayer(RedisChannelLayer):
    """Fails on the messages of another version."""

    def deserialize(self, data: bytes) -> Any:
        message = super().deserialize(data)
        if message.get("version") == 2:
            raise KeyError("version")
        return "no dict" if message.get("version") == 3 else message


@asynccontextmanager
async def two(server: Server, sender: Make, receiver: Make) -> AsyncIterator[tuple[Any, Any]]:
    """Two layers that share a prefix, as two processes do."""
    prefix = f"serialize-{uuid4().hex}"
    layers = [make(hosts=[server.url], prefix=prefix) for make in (sender, receiver)]
    try:
        yield layers[0], layers[1]
    finally:
        for layer in layers:
            await layer.close()


def keyed(*keys: str) -> Make:
    def make(**options: Any) -> RedisChannelLayer:
        return RedisChannelLayer(symmetric_encryption_keys=list(keys), **options)

    return make


async def passed(sender: Any, receiver: Any, message: Message) -> list[Message]:
    """What becomes of a message that is sent directly and to a group."""
    channel = await receiver.new_channel()
    await receiver.group_add("g", channel)
    await sender.group_send("g", message)
    first = await receiver.receive(channel)
    await sender.send(channel, message)
    return [first, await receiver.receive(channel)]


async def test_what_send_accepts_arrives_as_it_was(redis7: Server) -> None:
    async with two(redis7, RedisChannelLayer, RedisChannelLayer) as (sender, receiver):
        assert await passed(sender, receiver, ODD) == [ODD, ODD]


@pytest.mark.parametrize("call", ["send", "group_send"])
async def test_what_cannot_be_sent_is_refused_to_the_sender(redis7: Server, call: str) -> None:
    async with two(redis7, RedisChannelLayer, RedisChannelLayer) as (sender, receiver):
        to = await receiver.new_channel() if call == "send" else "g"
        with pytest.raises(TypeError, match=r"^message\['items'\]\[1\]\['price'\] is a "):
            await getattr(sender, call)(to, {"type": "x", "items": [0, {"price": 1j}]})


async def test_overridden_methods_are_the_ones_that_are_asked(redis7: Server) -> None:
    async with two(redis7, JSONLayer, JSONLayer) as (sender, receiver):
        message = {"type": "x", "at": date(2024, 1, 1)}
        assert await passed(sender, receiver, message) == [{"type": "x", "at": "2024-01-01"}] * 2


async def test_overridden_methods_may_ask_the_layers_own(redis7: Server) -> None:
    async with two(redis7, StampedLayer, StampedLayer) as (sender, receiver):
        assert await passed(sender, receiver, ODD) == [{**ODD, "stamp": 1}] * 2


async def test_what_cannot_be_read_is_dropped_and_counted_and_the_next_one_arrives(
    redis7: Server,
) -> None:
    async with two(redis7, RedisChannelLayer, PickyLayer) as (sender, receiver):
        channel = await receiver.new_channel()
        await receiver.group_add("g", channel)
        for version in (2, 3):
            await sender.group_send("g", {"type": "x", "version": version})
            await sender.send(channel, {"type": "x", "version": version})
        assert await passed(sender, receiver, {"type": "x"}) == [{"type": "x"}] * 2
        assert receiver.drops.counts["unreadable"] == 4


async def test_keys_can_be_rotated_while_messages_are_under_way(redis7: Server) -> None:
    """Step by step, as processes are restarted one after the other."""
    steps = [keyed("old"), keyed("old", "new"), keyed("new", "old"), keyed("new")]
    for before, after in pairwise(steps):
        for sender_makes, receiver_makes in ((before, after), (after, before)):
            async with two(redis7, sender_makes, receiver_makes) as (sender, receiver):
                assert await passed(sender, receiver, ODD) == [ODD, ODD]


async def test_messages_under_a_key_that_is_not_known_are_dropped(redis7: Server) -> None:
    async with two(redis7, keyed("theirs"), keyed("ours")) as (sender, receiver):
        channel = await receiver.new_channel()
        await receiver.group_add("g", channel)
        await sender.group_send("g", ODD)
        await receiver.group_send("g", {"type": "x"})
        assert await receiver.receive(channel) == {"type": "x"}
        assert receiver.drops.counts["unreadable"] == 1


@pytest.mark.parametrize("keys", [(), ("key",)])
async def test_nothing_of_an_encrypted_message_is_seen_in_the_server(
    redis7: Server, keys: tuple[str, ...]
) -> None:
    async with two(redis7, keyed(*keys), keyed(*keys)) as (sender, receiver):
        await passed(sender, receiver, {"type": "x", "words": "a secret word"})
        logs = [
            repr(redis7.command("XRANGE", key, "-", "+"))
            for key in redis7.command("KEYS", f"{sender.prefix}*")
        ]
        assert len(logs) == 2
        assert ["a secret word" in log for log in logs] == [not keys] * 2
