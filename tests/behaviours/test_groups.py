"""Groups as consumers use them: joined before connect(), left at the end."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test.utils import override_settings

from channels.exceptions import InvalidChannelLayerError
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from channels.layers import BaseChannelLayer, channel_layers, get_channel_layer
from channels.testing import WebsocketCommunicator
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, connected, run, turns, websocket_scope, written_for

Steps = Iterator[Any]
CONNECT = {"type": "websocket.connect"}
families = pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])


def members(group: str) -> list[str]:
    return list(get_channel_layer().groups.get(group, {}))


@families
@behaviour("Groups: the class's groups are joined before connect() and left before disconnect()")
async def test_joined_and_left(base: type) -> None:
    seen: dict[str, Any] = {}

    def connect(self: Any) -> Steps:
        seen["connect"] = [members("one"), members("two")] == [[self.channel_name]] * 2
        yield self.accept()

    def disconnect(self: Any, code: int) -> Steps:
        yield seen.update(disconnect=(members("one"), members("two")))

    app = written_for(base, connect=connect, disconnect=disconnect, groups=["one", "two"]).as_asgi()
    async with connected(app):
        assert len(members("one")) == len(members("two")) == 1
    assert seen == {"connect": True, "disconnect": ([], [])}
    assert get_channel_layer().groups == {}


@families
@behaviour("Groups: a class without groups has an empty list on each instance")
def test_default_groups(base: type) -> None:
    first, second = base(), base()
    assert base.groups is None
    assert first.groups == []
    assert first.groups is not second.groups


@families
@behaviour("Groups: a class-level list is never changed by an instance's connection")
async def test_class_list_untouched(base: type) -> None:
    groups = ["one"]
    app = written_for(base, groups=groups).as_asgi()
    for _ in range(2):
        async with connected(app):
            pass
    assert groups == ["one"]


@families
@pytest.mark.parametrize("collection", [list, set, tuple])
@behaviour("Groups: an instance may replace groups in __init__ by a list, a set or a tuple")
async def test_replaced_in_init(base: type, collection: type) -> None:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        base.__init__(self, *args, **kwargs)
        self.groups = collection(["mine"])

    async with connected(written_for(base, __init__=init).as_asgi()):
        assert len(members("mine")) == 1
    assert members("mine") == []


@families
@behaviour("Groups: groups changed while connected are what is left at the end")
async def test_changed_later(base: type) -> None:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        base.__init__(self, *args, **kwargs)
        self.groups = {"first"}

    def connect(self: Any) -> Steps:
        self.groups.add("later")
        yield join(self, "later")
        yield self.accept()

    def join(self: Any, group: str) -> Any:
        if base._sync:
            return async_to_sync(self.channel_layer.group_add)(group, self.channel_name)
        return self.channel_layer.group_add(group, self.channel_name)

    async with connected(written_for(base, __init__=init, connect=connect).as_asgi()):
        assert len(members("first")) == len(members("later")) == 1
    assert get_channel_layer().groups == {}


@pytest.mark.parametrize(
    "base",
    [
        AsyncWebsocketConsumer,
        WebsocketConsumer,
        AsyncJsonWebsocketConsumer,
        JsonWebsocketConsumer,
    ],
)
@behaviour("Groups: no layer and non-empty groups is InvalidChannelLayerError")
async def test_groups_without_layer(base: type) -> None:
    with override_settings(CHANNEL_LAYERS={}):
        client = await run(written_for(base, groups=["one"]).as_asgi(), websocket_scope(), CONNECT)
        with pytest.raises(InvalidChannelLayerError) as caught:
            await client.wait()
    assert str(caught.value) == "BACKEND is unconfigured or doesn't support groups"
    assert isinstance(caught.value, ValueError)


@families
@behaviour("Groups: no layer and no groups connects, talks and disconnects")
async def test_no_layer_no_groups(base: type) -> None:
    def receive(self: Any, **kwargs: Any) -> Steps:
        yield self.send("pong")

    with override_settings(CHANNEL_LAYERS={}):
        async with connected(written_for(base, receive=receive).as_asgi()) as client:
            await client.send_to(text_data="ping")
            assert await client.receive_from() == "pong"


@families
@behaviour("Groups: group_send reaches each member's handler once, and no one else")
async def test_group_message(base: type) -> None:
    def chat_message(self: Any, event: Message) -> Steps:
        yield self.send(event["text"])

    inside = written_for(base, groups=["room"], chat_message=chat_message).as_asgi()
    outside = written_for(base, groups=["hall"], chat_message=chat_message).as_asgi()
    async with connected(inside) as a, connected(inside) as b, connected(outside) as c:
        await get_channel_layer().group_send("room", {"type": "chat.message", "text": "hello"})
        assert await a.receive_from() == "hello"
        assert await b.receive_from() == "hello"
        assert await a.receive_nothing(timeout=0.02)
        assert await b.receive_nothing(timeout=0.02)
        assert await c.receive_nothing(timeout=0.02)


@families
@behaviour("Groups: messages of one sender arrive in the order in which they were sent")
async def test_order(base: type) -> None:
    def chat_message(self: Any, event: Message) -> Steps:
        yield self.send(str(event["n"]))

    app = written_for(base, groups=["room"], chat_message=chat_message).as_asgi()
    async with connected(app) as client:
        for n in range(20):
            await get_channel_layer().group_send("room", {"type": "chat.message", "n": n})
        got = [await client.receive_from() for _ in range(20)]
    assert got == [str(n) for n in range(20)]


@families
@behaviour("Groups: a message to the group may be sent from inside a member's handler")
async def test_send_from_handler(base: type) -> None:
    def receive(self: Any, text_data: str) -> Steps:
        message = {"type": "chat.message", "text": text_data}
        send = self.channel_layer.group_send
        yield (async_to_sync(send) if base._sync else send)("room", message)

    def chat_message(self: Any, event: Message) -> Steps:
        yield self.send(event["text"])

    app = written_for(base, groups=["room"], receive=receive, chat_message=chat_message).as_asgi()
    async with connected(app) as a, connected(app) as b:
        await a.send_to(text_data="hello")
        assert await a.receive_from() == "hello"
        assert await b.receive_from() == "hello"


@behaviour("Groups: a send never runs a member's handler inside itself")
async def test_send_runs_no_handler() -> None:
    heard: list[str] = []

    class Member(AsyncWebsocketConsumer):
        groups = ["room"]

        async def chat_message(self, event: Message) -> None:
            heard.append(event["text"])

    async with connected(Member.as_asgi()):
        await turns()
        await get_channel_layer().group_send("room", {"type": "chat.message", "text": "x"})
        assert heard == []
        await turns()
        assert heard == ["x"]


@families
@behaviour("Groups: a group message of type websocket.send without a handler of the class")
@differs(upstream="is an unknown type that ends the consumer", ours="goes to the client as it is")
async def test_ready_made_frame(base: type) -> None:
    client = WebsocketCommunicator(written_for(base, groups=["room"]).as_asgi(), "/")
    await client.connect()
    await get_channel_layer().group_send("room", {"type": "websocket.send", "text": "as it is"})
    got = problem = None
    try:
        got = await client.receive_from()
        await client.disconnect()
    except ValueError as error:
        problem = str(error)
    assert got == expected(upstream=None, ours="as it is")
    assert problem == expected(upstream="No handler for message type websocket.send", ours=None)


@families
@behaviour("Groups: groups joined by hand and not discarded")
@differs(upstream="stay in the layer until they expire", ours="are left when the connection ends")
async def test_left_without_discard(base: type) -> None:
    def connect(self: Any) -> Steps:
        add = self.channel_layer.group_add
        yield (async_to_sync(add) if base._sync else add)("by-hand", self.channel_name)
        yield self.accept()

    async with connected(written_for(base, connect=connect).as_asgi()):
        assert len(members("by-hand")) == 1
    assert len(members("by-hand")) == expected(upstream=1, ours=0)


@families
@behaviour("Groups: a handler that fails, or a cancelled application")
@differs(upstream="leaves the members behind", ours="leaves every group")
@pytest.mark.parametrize("ending", ["exception", "cancellation"])
async def test_left_after_failure(base: type, ending: str) -> None:
    def receive(self: Any, **kwargs: Any) -> Steps:
        raise RuntimeError("boom")
        yield

    app = written_for(base, groups=["room"], receive=receive).as_asgi()
    client = WebsocketCommunicator(app, "/")
    await client.connect()
    if ending == "exception":
        await client.send_to(text_data="go")
        with pytest.raises(RuntimeError, match="boom"):
            await client.wait()
    else:
        client.future.cancel()
        await client.wait()
    assert len(members("room")) == expected(upstream=1, ours=0)


@behaviour("Groups: on a layer without the groups extension they are NotImplementedError")
async def test_layer_without_groups() -> None:
    class Lonely(BaseChannelLayer):
        async def new_channel(self, prefix: str = "specific.") -> str:
            return "specific.lonely!a"

        async def receive(self, channel: str) -> Message:
            return await asyncio.Future()

    class Member(AsyncWebsocketConsumer):
        groups = ["room"]

    channel_layers.set("default", Lonely())
    client = await run(Member.as_asgi(), websocket_scope(), CONNECT)
    with pytest.raises(NotImplementedError) as caught:
        await client.wait()
    assert str(caught.value) == "group_add() not implemented (groups extension)"
