"""What test suites take from inside the in-memory layer."""

import asyncio
import time
from typing import Any

import pytest

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import (
    InMemoryChannelLayer,
    channel_layers,
    get_channel_layer,
)
from tests.behaviours.lines import behaviour
from tests.behaviours.tools import Message, connected, turns

MESSAGE = {"type": "test.message"}


@behaviour("In-memory internals: channels and groups are equal to {} when empty")
async def test_empty_mappings() -> None:
    layer = InMemoryChannelLayer()
    assert layer.channels == {}
    assert layer.groups == {}
    assert not layer.channels
    assert not layer.groups


@behaviour("In-memory internals: channels maps a name to its mail while it has mail or a reader")
async def test_channels_mapping() -> None:
    layer = InMemoryChannelLayer()
    await layer.send("one", MESSAGE)
    await layer.send("one", MESSAGE)
    assert list(layer.channels) == ["one"]
    assert "one" in layer.channels
    assert len(layer.channels) == 1
    assert layer.channels["one"].qsize() == 2
    await layer.receive("one")
    await layer.receive("one")
    assert layer.channels == {}
    reader = asyncio.create_task(layer.receive("two"))
    await turns()
    assert list(layer.channels) == ["two"]
    reader.cancel()
    await asyncio.wait([reader])
    assert layer.channels == {}


@behaviour("In-memory internals: `del layer.channels[name]` drops the mail")
async def test_delete_channel() -> None:
    layer = InMemoryChannelLayer()
    await layer.send("one", MESSAGE)
    del layer.channels["one"]
    assert layer.channels == {}
    await layer.send("one", {"type": "after"})
    assert await layer.receive("one") == {"type": "after"}
    with pytest.raises(KeyError):
        del layer.channels["one"]


@behaviour("In-memory internals: groups maps a name to {channel: time of joining}")
async def test_groups_mapping() -> None:
    layer = InMemoryChannelLayer()
    before = time.time()
    await layer.group_add("room", "one")
    await layer.group_add("room", "two")
    assert set(layer.groups) == {"room"}
    assert set(layer.groups["room"]) == {"one", "two"}
    assert len(layer.groups["room"]) == 2
    assert "one" in layer.groups["room"]
    assert before <= layer.groups["room"]["one"] <= time.time()
    await layer.group_discard("room", "one")
    await layer.group_discard("room", "two")
    assert layer.groups == {}
    assert "room" not in layer.groups


@behaviour("In-memory internals: channels and groups are {} after a consumer disconnected")
async def test_empty_after_disconnect() -> None:
    class Member(AsyncWebsocketConsumer):
        groups = ["room"]

    async with connected(Member.as_asgi()):
        assert set(get_channel_layer().groups) == {"room"}
    assert get_channel_layer().groups == {}
    assert get_channel_layer().channels == {}


@behaviour("In-memory internals: the nine methods are on the class, and may be wrapped there")
async def test_nine_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        "_clean_expired",
        "_remove_from_groups",
        "close",
        "flush",
        "group_add",
        "group_discard",
        "group_send",
        "new_channel",
        "send",
    )
    called: list[str] = []

    def wrap(name: str) -> None:
        real = getattr(InMemoryChannelLayer, name)
        assert callable(real)

        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            called.append(name)
            return real(self, *args, **kwargs)

        monkeypatch.setattr(InMemoryChannelLayer, name, wrapper)

    for name in names:
        wrap(name)
    layer = InMemoryChannelLayer()
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await layer.group_send("room", MESSAGE)
    assert await layer.receive(channel) == MESSAGE
    await layer.group_discard("room", channel)
    await layer.send(channel, MESSAGE)
    await layer.flush()
    await layer.close()
    for name in ("new_channel", "group_add", "group_send", "group_discard", "send", "flush"):
        assert name in called


@behaviour("In-memory internals: _remove_from_groups(channel) takes it out of all groups")
async def test_remove_from_groups() -> None:
    layer = InMemoryChannelLayer()
    for group in ("a", "b"):
        await layer.group_add(group, "one")
    await layer.group_add("b", "two")
    layer._remove_from_groups("one")
    assert [name for group in layer.groups.values() for name in group] == ["two"]


@behaviour("In-memory internals: _clean_expired() drops expired mail")
async def test_clean_expired() -> None:
    layer = InMemoryChannelLayer(expiry=0.01)
    await layer.send("one", MESSAGE)
    await asyncio.sleep(0.03)
    layer._clean_expired()
    assert layer.channels == {}


@behaviour("In-memory internals: a membership without a consumer ends after group_expiry")
async def test_group_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = InMemoryChannelLayer(group_expiry=-5)
    await layer.group_add("room", "one")
    await layer.group_send("room", MESSAGE)
    assert layer.channels == {}


@behaviour(
    "In-memory internals: a subclass that overrides send is asked for each member of a group"
)
async def test_send_override() -> None:
    sent: list[str] = []

    class Records(InMemoryChannelLayer):
        async def send(self, channel: str, message: Message) -> None:
            sent.append(channel)
            await super().send(channel, message)

    layer = Records()
    for name in ("one", "two"):
        await layer.group_add("room", name)
    await layer.group_send("room", MESSAGE)
    assert sorted(sent) == ["one", "two"]
    assert await layer.receive("one") == MESSAGE


@behaviour("In-memory internals: a subclass that overrides receive is asked by consumers")
async def test_receive_override() -> None:
    received: list[str] = []

    class Records(InMemoryChannelLayer):
        async def receive(self, channel: str) -> Message:
            message = await super().receive(channel)
            received.append(message["type"])
            return message

    class Member(AsyncWebsocketConsumer):
        groups = ["room"]

        async def note(self, event: Message) -> None:
            await self.send("noted")

    channel_layers.set("default", Records())
    async with connected(Member.as_asgi()) as client:
        await get_channel_layer().group_send("room", {"type": "note"})
        assert await client.receive_from() == "noted"
    assert received == ["note"]


@behaviour("In-memory internals: __init__(expiry, group_expiry, capacity, channel_capacity)")
def test_memory_init() -> None:
    layer = InMemoryChannelLayer(1, 2, 3, None)
    assert (layer.expiry, layer.group_expiry, layer.capacity) == (1, 2, 3)
    with pytest.raises(TypeError):
        InMemoryChannelLayer(colour="blue")
