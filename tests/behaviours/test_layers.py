"""The in-memory layer as applications use it: send, receive, groups, capacity, expiry."""

import asyncio
import threading
import time
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import InMemoryChannelLayer, get_channel_layer
from tests.behaviours.lines import behaviour, differs, expected, only
from tests.behaviours.tools import connected, turns

MESSAGE = {"type": "test.message"}


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer()


async def nothing(layer: InMemoryChannelLayer, channel: str) -> bool:
    """Whether nothing is there to receive."""
    try:
        async with asyncio.timeout(0.02):
            await layer.receive(channel)
    except TimeoutError:
        return True
    return False


@behaviour("Layers: send(channel, message) and receive(channel) pass one message, in order")
async def test_send_receive(layer: InMemoryChannelLayer) -> None:
    for n in range(3):
        assert await layer.send("general", {"type": "n", "n": n}) is None
    assert [(await layer.receive("general"))["n"] for _ in range(3)] == [0, 1, 2]
    assert await nothing(layer, "general")


@behaviour("Layers: receive() waits for a message that is sent later")
async def test_receive_waits(layer: InMemoryChannelLayer) -> None:
    reader = asyncio.create_task(layer.receive("general"))
    await turns()
    assert not reader.done()
    await layer.send("general", MESSAGE)
    assert await reader == MESSAGE


@behaviour("Layers: new_channel(prefix) names a channel of this process, a new one at each call")
async def test_new_channel(layer: InMemoryChannelLayer) -> None:
    names = {await layer.new_channel() for _ in range(50)}
    assert len(names) == 50
    assert all(name.startswith("specific.") and "!" in name for name in names)
    named = await layer.new_channel("mine.")
    assert named.startswith("mine.")
    assert await layer.new_channel(prefix="other") != await layer.new_channel(prefix="other")
    assert layer.require_valid_channel_name(named)


@behaviour("Layers: new_channel() and receive() may be used outside of consumers, in a loop")
async def test_new_channel_receive(layer: InMemoryChannelLayer) -> None:
    name = await layer.new_channel()
    await layer.group_add("news", name)
    for n in range(3):
        await layer.group_send("news", {"type": "n", "n": n})
        assert await layer.receive(name) == {"type": "n", "n": n}


@behaviour("Layers: a message to a general channel goes to exactly one receiver")
async def test_exactly_one_receiver(layer: InMemoryChannelLayer) -> None:
    readers = [asyncio.create_task(layer.receive("work")) for _ in range(3)]
    await turns()
    for n in range(2):
        await layer.send("work", {"type": "n", "n": n})
    done, pending = await asyncio.wait(readers, timeout=0.05)
    assert sorted(task.result()["n"] for task in done) == [0, 1]
    assert len(pending) == 1
    for task in pending:
        task.cancel()
    await asyncio.wait(pending)


@behaviour("Layers: ChannelFull from send() when the channel holds `capacity` messages")
async def test_channel_full() -> None:
    layer = InMemoryChannelLayer(capacity=3)
    for _ in range(3):
        await layer.send("general", MESSAGE)
    with pytest.raises(ChannelFull):
        await layer.send("general", MESSAGE)
    await layer.send("other", MESSAGE)
    await layer.receive("general")
    await layer.send("general", MESSAGE)


@behaviour("Layers: the default capacity is 100 and the default expiry 60 seconds")
async def test_defaults(layer: InMemoryChannelLayer) -> None:
    assert (layer.capacity, layer.expiry, layer.group_expiry) == (100, 60, 86400)
    for _ in range(100):
        await layer.send("general", MESSAGE)
    with pytest.raises(ChannelFull):
        await layer.send("general", MESSAGE)


@behaviour("Layers: group_send() never raises ChannelFull, and the other members get the message")
async def test_group_send_full() -> None:
    layer = InMemoryChannelLayer(capacity=1)
    full, free = await layer.new_channel(), await layer.new_channel()
    for name in (full, free):
        await layer.group_add("room", name)
    await layer.send(full, {"type": "first"})
    await layer.group_send("room", {"type": "second"})
    assert await layer.receive(free) == {"type": "second"}
    assert await layer.receive(full) == {"type": "first"}
    assert await nothing(layer, full)


@behaviour("Layers: channel_capacity, a dict of globs or patterns, sets capacities by name")
@differs(
    upstream="raises ValueError at the first send: the dict is never compiled",
    ours="works",
)
async def test_channel_capacity() -> None:
    layer = InMemoryChannelLayer(capacity=2, channel_capacity={"small.*": 1})
    problem = None
    try:
        await layer.send("small.one", MESSAGE)
        with pytest.raises(ChannelFull):
            await layer.send("small.one", MESSAGE)
        for _ in range(2):
            await layer.send("large", MESSAGE)
    except ValueError as error:
        problem = type(error)
    assert problem is expected(upstream=ValueError, ours=None)


@behaviour("Layers: groups: group_add, group_send, group_discard")
async def test_groups(layer: InMemoryChannelLayer) -> None:
    one, two = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("room", one)
    await layer.group_add("room", two)
    await layer.group_add("room", one)
    await layer.group_send("room", {"type": "n", "n": 1})
    assert (await layer.receive(one))["n"] == (await layer.receive(two))["n"] == 1
    assert await nothing(layer, one)
    await layer.group_discard("room", one)
    await layer.group_send("room", {"type": "n", "n": 2})
    assert (await layer.receive(two))["n"] == 2
    assert await nothing(layer, one)


@behaviour("Layers: group_discard of a non-member, or of an unknown group, is silent")
async def test_discard_of_nobody(layer: InMemoryChannelLayer) -> None:
    assert await layer.group_discard("room", "nobody") is None
    await layer.group_add("room", "somebody")
    await layer.group_discard("room", "nobody")
    assert list(layer.groups["room"]) == ["somebody"]


@behaviour("Layers: sending to an empty group is silent")
async def test_empty_group(layer: InMemoryChannelLayer) -> None:
    await layer.group_send("nobody-here", MESSAGE)
    assert layer.channels == {}


@behaviour("Layers: any channel may be put into a group, by any name and from anywhere")
async def test_foreign_channel(layer: InMemoryChannelLayer) -> None:
    await layer.group_add("room", "hand-made.name")
    await layer.group_send("room", MESSAGE)
    assert await layer.receive("hand-made.name") == MESSAGE


@behaviour("Layers: receivers get their own copy, deep, from send()")
async def test_copy_from_send(layer: InMemoryChannelLayer) -> None:
    message = {"type": "x", "list": [1]}
    await layer.send("general", message)
    message["list"].append(2)  # type: ignore[attr-defined]
    got = await layer.receive("general")
    assert got == {"type": "x", "list": [1]}
    got["list"].append(3)
    assert message == {"type": "x", "list": [1, 2]}


@behaviour("Layers: each member of a group gets its own copy, deep")
async def test_copy_from_group_send(layer: InMemoryChannelLayer) -> None:
    names = [await layer.new_channel() for _ in range(2)]
    for name in names:
        await layer.group_add("room", name)
    message = {"type": "x", "inner": {"list": [1]}}
    await layer.group_send("room", message)
    message["inner"]["list"].append("sender")  # type: ignore[index]
    first = await layer.receive(names[0])
    first["inner"]["list"].append("first")
    second = await layer.receive(names[1])
    assert second == {"type": "x", "inner": {"list": [1]}}


@behaviour("Layers: in memory a message may hold anything that can be copied")
async def test_any_payload(layer: InMemoryChannelLayer) -> None:
    class Thing:
        def __init__(self) -> None:
            self.inside = [1]

    payload = {"type": "x", "tuple": (1, 2), "set": {3}, "thing": Thing(), 5: None}
    await layer.send("general", payload)
    payload["thing"].inside.append("sender")  # type: ignore[attr-defined]
    got = await layer.receive("general")
    assert (got["tuple"], got["set"], got[5]) == ((1, 2), {3}, None)
    assert isinstance(got["thing"], Thing)
    assert got["thing"].inside == [1]


BAD_NAMES = ["", "with space", "colon:name", "ümlaut", "a" * 100, "slash/", 7, None, b"bytes"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
@behaviour("Layers: TypeError for a bad channel name, with upstream's words")
async def test_bad_channel_name(layer: InMemoryChannelLayer, name: Any) -> None:
    for call in (
        layer.send(name, MESSAGE),
        layer.receive(name),
        layer.group_add("room", name),
        layer.group_discard("room", name),
    ):
        with pytest.raises(TypeError) as caught:
            await call
        assert (
            "Channel name must be a valid unicode string with length < 100 containing only "
            "ASCII alphanumerics, hyphens, underscores, or periods."
        ) in str(caught.value)


@pytest.mark.parametrize("name", [*BAD_NAMES, "with!mark"], ids=repr)
@behaviour(
    "Layers: TypeError for a bad group name, with upstream's words; '!' is for channels only"
)
async def test_bad_group_name(layer: InMemoryChannelLayer, name: Any) -> None:
    for call in (
        layer.group_add(name, "channel"),
        layer.group_discard(name, "channel"),
        layer.group_send(name, MESSAGE),
    ):
        with pytest.raises(TypeError) as caught:
            await call
        assert "Group name must be a valid unicode string with length < 100" in str(caught.value)


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "specific.x!Abc", "x!", "a" * 99])
@behaviour("Layers: names are < 100 characters of [A-Za-z0-9_.-] plus one '!'")
async def test_good_names(layer: InMemoryChannelLayer, name: str) -> None:
    await layer.send(name, MESSAGE)
    assert await layer.receive(name) == MESSAGE


@pytest.mark.parametrize("message", [None, "text", b"x", 5, ["type"], (("type", "x"),)], ids=repr)
@behaviour("Layers: messages must be dicts, else AssertionError")
async def test_not_a_dict(layer: InMemoryChannelLayer, message: Any) -> None:
    with pytest.raises(AssertionError):
        await layer.send("general", message)
    with pytest.raises(AssertionError):
        await layer.group_send("room", message)
    assert layer.channels == {}


@behaviour("Layers: __asgi_channel__ is reserved, else AssertionError")
async def test_reserved_key(layer: InMemoryChannelLayer) -> None:
    with pytest.raises(AssertionError):
        await layer.send("general", {"type": "x", "__asgi_channel__": "y"})


@behaviour("Layers: a message that nobody received is gone after `expiry` seconds")
async def test_expiry() -> None:
    layer = InMemoryChannelLayer(expiry=0.01)
    await layer.send("general", {"type": "old"})
    await asyncio.sleep(0.03)
    assert await nothing(layer, "general")
    await layer.send("general", {"type": "new"})
    assert await layer.receive("general") == {"type": "new"}


@behaviour("Layers: one expired message")
@differs(
    upstream="takes its channel out of every group",
    ours="is dropped, and the channel stays in its groups",
)
async def test_expired_message_and_groups() -> None:
    layer = InMemoryChannelLayer(expiry=0.01)
    name = await layer.new_channel()
    await layer.group_add("room", name)
    await layer.send(name, {"type": "old"})
    await asyncio.sleep(0.03)
    assert await nothing(layer, name)
    await layer.group_send("room", {"type": "new"})
    assert await nothing(layer, name) is expected(upstream=True, ours=False)


@behaviour("Layers: cancelling one of two receivers of a channel")
@differs(upstream="leaves the other waiting for ever", ours="leaves the other to receive")
async def test_cancel_one_receiver(layer: InMemoryChannelLayer) -> None:
    first, second = [asyncio.create_task(layer.receive("work")) for _ in range(2)]
    await turns()
    first.cancel()
    await asyncio.wait([first])
    await layer.send("work", MESSAGE)
    done, pending = await asyncio.wait([second], timeout=0.05)
    assert bool(done) is expected(upstream=False, ours=True)
    for task in pending:
        task.cancel()
        await asyncio.wait([task])


@behaviour("Layers: a send from another thread's event loop")
@differs(
    upstream="arrives when the reader's loop next wakes for something else",
    ours="arrives at once",
)
def test_send_from_another_thread(layer: InMemoryChannelLayer) -> None:
    got: list[Any] = []
    waiting = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def read() -> None:
        loops.append(asyncio.get_running_loop())
        loops[0].call_later(0.02, waiting.set)
        got.append(await layer.receive("work"))

    thread = threading.Thread(target=asyncio.run, args=(read(),))
    thread.start()
    assert waiting.wait(5)
    time.sleep(0.05)  # by now the loop has no timer left and sleeps in its selector
    asyncio.run(layer.send("work", MESSAGE))
    thread.join(timeout=expected(upstream=0.1, ours=5))
    assert bool(got) is expected(upstream=False, ours=True)
    if thread.is_alive():
        loops[0].call_soon_threadsafe(int)
        thread.join(timeout=5)
    assert got == [MESSAGE]


@behaviour("Layers: flush() empties channels and groups")
async def test_flush(layer: InMemoryChannelLayer) -> None:
    await layer.send("general", MESSAGE)
    await layer.group_add("room", "general")
    await layer.flush()
    assert layer.channels == {}
    assert layer.groups == {}
    assert await nothing(layer, "general")
    await layer.send("general", {"type": "after"})
    assert await layer.receive("general") == {"type": "after"}


@behaviour("Layers: extensions names 'groups' and 'flush'")
def test_extensions(layer: InMemoryChannelLayer) -> None:
    assert {"groups", "flush"} <= set(layer.extensions)


@behaviour("Layers: close() can be awaited, and the layer used again")
async def test_close(layer: InMemoryChannelLayer) -> None:
    await layer.close()
    await layer.send("general", MESSAGE)
    assert await layer.receive("general") == MESSAGE
    await layer.close()


@behaviour("Layers: messages of 1 MiB are carried")
async def test_large(layer: InMemoryChannelLayer) -> None:
    message = {"type": "x", "bytes": b"\x01" * 2**20, "text": "x" * 2**20}
    await layer.send("general", message)
    assert await layer.receive("general") == message


@behaviour("Layers: a second instance is a separate world")
async def test_separate_worlds() -> None:
    one, two = InMemoryChannelLayer(), InMemoryChannelLayer()
    await one.send("general", MESSAGE)
    assert await nothing(two, "general")
    assert await one.receive("general") == MESSAGE


@behaviour("Layers: async_to_sync(layer.group_send) from a thread without a loop reaches consumers")
async def test_async_to_sync_from_thread() -> None:
    class Member(AsyncWebsocketConsumer):
        groups = ["room"]

        async def note(self, event: dict[str, Any]) -> None:
            await self.send(event["text"])

    def in_thread() -> None:
        async_to_sync(get_channel_layer().group_send)("room", {"type": "note", "text": "hello"})

    async with connected(Member.as_asgi()) as client:
        await asyncio.to_thread(in_thread)
        assert await client.receive_from() == "hello"


@behaviour("Layers: group_send(..., exclude=[channel_name]) leaves members out")
@only("ours", because="upstream refused it")
async def test_exclude(layer: InMemoryChannelLayer) -> None:
    one, two = await layer.new_channel(), await layer.new_channel()
    for name in (one, two):
        await layer.group_add("room", name)
    await layer.group_send("room", MESSAGE, exclude=[one])
    assert await layer.receive(two) == MESSAGE
    assert await nothing(layer, one)


@behaviour("Layers: group_send() answers")
@differs(upstream="nothing", ours="with the position in the group's log")
async def test_position(layer: InMemoryChannelLayer) -> None:
    first = await layer.group_send("room", MESSAGE)
    second = await layer.group_send("room", MESSAGE)
    if expected(upstream=False, ours=True):
        assert (first.offset, second.offset) == (1, 2)
        assert first.epoch == second.epoch
    else:
        assert (first, second) == (None, None)
