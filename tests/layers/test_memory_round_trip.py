"""The in-memory layer as strict as Redis: what production would refuse or change, tests see."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from channels.layers import InMemoryChannelLayer


class Recording(InMemoryChannelLayer):
    """Sees every delivery, as test suites do it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sent: list[Any] = []

    async def send(self, channel: str, message: Any) -> None:
        self.sent.append(message)
        await super().send(channel, message)


async def passed(layer: InMemoryChannelLayer, message: dict[str, Any]) -> list[Any]:
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    await layer.send(channel, message)
    await layer.group_send("g", message)
    return [await layer.receive(channel) for _ in range(2)]


MESSAGE = {"type": "x", "pair": (1, 2), "id": UUID(int=1), "at": datetime(2024, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize("kind", [InMemoryChannelLayer, Recording])
async def test_messages_arrive_as_over_redis(kind: type[InMemoryChannelLayer]) -> None:
    assert await passed(kind(round_trip=True), MESSAGE) == [{**MESSAGE, "pair": [1, 2]}] * 2


async def test_without_it_they_arrive_as_they_are() -> None:
    thing = object()
    layer = InMemoryChannelLayer()
    first, second = await passed(layer, {**MESSAGE, "kind": type(thing)})
    assert first == second == {**MESSAGE, "kind": object}


@pytest.mark.parametrize("call", ["send", "group_send"])
async def test_what_redis_would_refuse_is_refused_and_reaches_nobody(call: str) -> None:
    layer = InMemoryChannelLayer(round_trip=True)
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    to = channel if call == "send" else "g"
    with pytest.raises(TypeError, match=r"^message\['items'\]\[1\] is a "):
        await getattr(layer, call)(to, {"type": "x", "items": [0, object()]})
    await layer.send(channel, {"type": "next"})
    assert await layer.receive(channel) == {"type": "next"}


async def test_a_wrong_name_is_found_before_a_wrong_message() -> None:
    layer = InMemoryChannelLayer(round_trip=True)
    for call in (layer.send, layer.group_send):
        with pytest.raises(TypeError, match="name must be"):
            await call("no good name", {"type": "x", "bad": object()})
