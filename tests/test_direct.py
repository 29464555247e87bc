"""The direct way: frames past the server's ``send``, in order with what goes through it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings
from websockets.frames import Frame, Opcode

from channels.consumer import AsyncConsumer
from channels.direct import EXTENSION, direct_write, frame_of, passing_frames
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    WebsocketConsumer,
)
from channels.layers import get_channel_layer
from channels.sessions import InstanceSessionWrapper, SessionMiddlewareStack
from channels.typing import Message, Scope
from tests.client import CONNECT, Client, frame, leave, settle


class DirectClient(Client):
    """A client whose server can be handed frames. ``sent`` has all that came, in its order."""

    def __init__(self, application: Any, *events: Message) -> None:
        super().__init__(application, *events)
        self.takes_frames = True
        self.direct: list[bytes] = []
        self.scope = {**self.scope, "extensions": {EXTENSION: self}}

    def write_frame(self, frame: bytes) -> bool:
        if not self.takes_frames or "websocket.accept" not in self.types:
            return False
        self.direct.append(frame)
        self.sent.append({"type": "frame", "text": text_of(frame)})
        self._news.set()
        return True


def text_of(wire: bytes) -> str:
    assert wire[0] == 0x81, "a whole text message"
    assert wire[1] == len(wire) - 2, "short enough for a head of two bytes"
    return wire[2:].decode()


class Member(AsyncJsonWebsocketConsumer):
    groups = ["room"]

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json(content)

    async def note(self, event: Message) -> None:
        await self.send(event["text"])


class SyncMember(WebsocketConsumer):
    groups = ["room"]

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.send(text_data)


async def say(text: str, kind: str = "websocket.send") -> None:
    await get_channel_layer().group_send("room", {"type": kind, "text": text})


# What a frame is.


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_is_what_websockets_makes_of_the_message(length: int) -> None:
    text = "ä" * (length // 2) + "x" * (length % 2)
    data = bytes(range(256)) * (length // 256) + bytes(length % 256)
    as_text = Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
    as_bytes = Frame(Opcode.BINARY, data).serialize(mask=False)
    assert frame_of({"type": "websocket.send", "text": text}) == as_text
    assert frame_of({"type": "websocket.send", "text": text, "bytes": None}) == as_text
    assert frame_of({"type": "websocket.send", "bytes": data}) == as_bytes
    assert frame_of({"type": "websocket.send", "bytes": data, "text": None}) == as_bytes


def test_half_of_a_surrogate_pair_is_mended_as_on_the_other_way() -> None:
    wire = frame_of({"type": "websocket.send", "text": "a\ud800b"})
    assert wire is not None
    assert text_of(wire) == "a\ufffdb"


@pytest.mark.parametrize(
    "content",
    [{}, {"text": None}, {"text": 1}, {"bytes": "x"}, {"text": "a", "bytes": b"b"}],
    ids=repr,
)
def test_what_is_not_plainly_one_frame_is_left_to_the_server(content: Message) -> None:
    assert frame_of({"type": "websocket.send", **content}) is None


# Who has it.


class Writer:
    async def send(self, message: Message) -> None: ...

    def write_frame(self, frame: bytes) -> bool:
        return True


async def other_send(message: Message) -> None: ...


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {}}], ids=repr)
def test_a_server_without_the_extension_has_no_direct_way(scope: Scope) -> None:
    assert direct_write(scope, other_send) is None
    assert passing_frames(scope, other_send, other_send) is scope


def test_the_direct_way_belongs_to_the_servers_own_send() -> None:
    writer = Writer()
    scope = {"extensions": {EXTENSION: writer}}
    assert direct_write(scope, writer.send) == writer.write_frame
    assert direct_write(scope, other_send) is None
    assert direct_write(scope, Writer().send) is None


def test_a_middleware_may_let_frames_pass() -> None:
    writer = Writer()
    scope: Scope = {"path": "/", "extensions": {EXTENSION: writer, "other": {}}}
    inside = passing_frames(scope, writer.send, other_send)
    assert direct_write(inside, other_send) == writer.write_frame
    assert direct_write(inside, writer.send) is None
    assert inside["extensions"].keys() == {EXTENSION, "other"}
    assert scope["extensions"][EXTENSION] is writer
    assert passing_frames(scope, other_send, other_send) is scope, "it was wrapped further out"


# Who uses it.


async def test_a_groups_frame_is_made_once_for_all_members() -> None:
    async with DirectClient(Member.as_asgi(), CONNECT) as one:
        async with DirectClient(Member.as_asgi(), CONNECT) as two:
            await one.answers(1)
            await two.answers(1)
            await say("first")  # starts the layer's lane
            await one.answers(2)
            await two.answers(2)
            await settle()
            await say("to all")
            await one.answers(3)
            await two.answers(3)
            assert one.texts == two.texts == ["first", "to all"]
            assert one.types[-1] == two.types[-1] == "frame"
            assert one.direct[-1] is two.direct[-1]
            two.says(leave())
        one.says(leave())


@pytest.mark.parametrize("member", [Member, SyncMember])
async def test_what_handlers_send_takes_it_too(member: Any) -> None:
    async with DirectClient(member.as_asgi(), CONNECT, frame('{"a":1}')) as client:
        await client.answers(2)
        assert client.sent[1] == {"type": "frame", "text": '{"a":1}'}
        client.says(leave())


class TextMember(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data, bytes_data)


@pytest.mark.parametrize(
    ("consumer", "said", "text"),
    [
        (Member, r'{"a":"\ud800"}', r'{"a": "\ud800"}'),
        (TextMember, "a\ud800b", "a\ufffdb"),
        (TextMember, "ä", "ä"),
        (TextMember, "", ""),
    ],
)
async def test_what_is_written_is_what_would_be_sent(consumer: Any, said: str, text: str) -> None:
    async with DirectClient(consumer.as_asgi(), CONNECT, frame(said)) as client:
        await client.answers(2)
        client.takes_frames = False
        client.says(frame(said))
        await client.answers(3)
        assert client.texts == [text, text]
        assert client.types[1:] == ["frame", "websocket.send"]
        client.says(leave())


class Shout(str):
    """Text with an opinion of its own about how it is encoded."""

    __slots__ = ()


@pytest.mark.parametrize("text", [Shout("a"), None, 1], ids=repr)
async def test_what_is_not_plainly_text_is_sent_as_ever(text: Any) -> None:
    class Sending(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            await self.send(text, bytes_data=b"bytes")

    async with DirectClient(Sending.as_asgi(), CONNECT, frame("now")) as client:
        await client.answers(2)
        assert client.sent[1].get("text") == text
        client.says(leave())


async def test_a_close_follows_the_text_that_it_was_given_with() -> None:
    class Leaving(Member):
        async def receive_json(self, content: Any, **kwargs: Any) -> None:
            await self.send_json(content, close=4000)

    async with DirectClient(Leaving.as_asgi(), CONNECT, frame("1")) as client:
        await client.answers(3)
        assert client.texts == ["1"]
        assert client.sent[-1] == {"type": "websocket.close", "code": 4000}
        client.says(leave())


async def test_json_of_the_consumers_own_making_is_what_goes_out() -> None:
    class Own(Member):
        @classmethod
        async def encode_json(cls, content: Any) -> str:
            return f"<{content}>"

    async with DirectClient(Own.as_asgi(), CONNECT, frame("1")) as client:
        await client.answers(2)
        assert client.texts == ["<1>"]
        client.says(leave())


async def test_an_instance_serves_behind_one_server_after_another() -> None:
    application = Member()
    for client in (DirectClient(application, CONNECT), Client(application, CONNECT)):
        async with client:
            await client.answers(1)
            client.says(frame("1"))
            await client.answers(2)
            assert client.texts == ["1"]
            client.says(leave())
            await client.ended()
    assert application._direct_gate is None, "nothing is kept of the first"


@override_settings(CHANNELS={"JSON": "standard"})
async def test_standard_json_takes_it_too() -> None:
    async with DirectClient(Member.as_asgi(), CONNECT, frame('{"a":"ä"}')) as client:
        await client.answers(2)
        assert client.sent[1] == {"type": "frame", "text": '{"a": "\\u00e4"}'}
        client.says(leave())


# Whoever stands between a consumer and its server sees what is sent.


class Between(AsyncWebsocketConsumer):
    """A mixin of somebody's, below the generic class that is used with it."""

    async def send(self, text_data: Any = None, bytes_data: Any = None, close: Any = False) -> Any:
        return await super().send(f"({text_data})", bytes_data, close)


class Below(AsyncConsumer):
    def send(self, message: Message) -> Any:
        return super().send({**message, "text": f"({message['text']})"})


class JsonBetween(AsyncJsonWebsocketConsumer, Between):
    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json(content)


class JsonBelow(AsyncJsonWebsocketConsumer, Below):  # type: ignore[misc] # as untyped projects do
    async def connect(self) -> None:
        await self.base_send({"type": "websocket.accept"})

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json(content)


class TextBelow(AsyncWebsocketConsumer, Below):  # type: ignore[misc]
    async def connect(self) -> None:
        await self.base_send({"type": "websocket.accept"})

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data)


@pytest.mark.parametrize("consumer", [JsonBetween, JsonBelow, TextBelow])
async def test_a_mixin_between_sees_every_text(consumer: Any) -> None:
    async with DirectClient(consumer.as_asgi(), CONNECT, frame("1")) as client:
        await client.answers(2)
        assert client.texts == ["(1)"]
        client.says(leave())


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, AsyncConsumer])
async def test_whoever_replaces_send_in_a_class_of_ours_sees_every_text(
    base: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    original = base.send

    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(args or kwargs)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(base, "send", noting)
    async with DirectClient(Member.as_asgi(), CONNECT, frame('"here"')) as client:
        await client.answers(2)
        assert '"here"' in str(seen[-1])
        client.says(leave())


async def test_whoever_replaces_base_send_sees_every_text() -> None:
    class Noting(Member):
        async def connect(self) -> None:
            await self.accept()
            await self.send_json("before")
            original = self.base_send

            async def noting(message: Message) -> Any:
                await original({**message, "text": message["text"].upper()})

            self.base_send = noting

    async with DirectClient(Noting.as_asgi(), CONNECT, frame('"a"')) as client:
        await client.answers(3)
        assert client.texts == ['"before"', '"A"']
        client.says(leave())


async def test_both_ways_keep_the_order() -> None:
    async with DirectClient(Member.as_asgi(), CONNECT) as client:
        await client.answers(1)
        for number in range(12):
            client.takes_frames = number % 3 != 0
            await say(str(number), "note" if number % 2 else "websocket.send")
            await settle()
        client.takes_frames = True
        for number in range(12, 20):
            await say(str(number), "note" if number % 2 else "websocket.send")
        await client.answers(21)
        assert client.texts == [str(number) for number in range(20)]
        assert {"frame", "websocket.send"} <= set(client.types)
        client.says(leave())


async def test_a_client_that_was_closed_gets_no_frame() -> None:
    class Closing(Member):
        async def receive_json(self, content: Any, **kwargs: Any) -> None:
            await self.close()
            assert await self.send_json(content) is False

    async with DirectClient(Closing.as_asgi(), CONNECT) as client:
        await client.answers(1)
        await say("before")
        await client.answers(2)
        client.says(frame('"late"'))
        await client.answers(3)
        await say("after")
        await settle()
        assert client.types == ["websocket.accept", "frame", "websocket.close"]
        client.says(leave())


def wrapped(application: Any) -> Any:
    """Middleware that changes what is sent."""

    async def middleware(scope: Scope, receive: Any, send: Callable[..., Any]) -> None:
        async def shouting(message: Message) -> None:
            if message["type"] == "websocket.send":
                message["text"] = message["text"].upper()
            await send(message)

        await application(scope, receive, shouting)

    return middleware


@pytest.mark.parametrize(
    "application",
    [
        wrapped(Member.as_asgi()),
        wrapped(SessionMiddlewareStack(Member.as_asgi())),
        SessionMiddlewareStack(wrapped(Member.as_asgi())),
    ],
    ids=["alone", "outside", "inside"],
)
async def test_middleware_that_wraps_send_sees_every_message(application: Any) -> None:
    async with DirectClient(application, CONNECT, frame('"a"')) as client:
        await client.answers(2)
        await say("first")
        await client.answers(3)
        await settle()
        await say("second")
        await client.answers(4)
        assert client.texts == ['"A"', "FIRST", "SECOND"]
        assert client.direct == []
        client.says(leave())


@pytest.mark.parametrize(
    ("saved_before", "arrives_as"),
    [("http.response.start", "frame"), ("websocket.send", "websocket.send")],
)
async def test_sessions_let_frames_pass_that_they_are_not_saved_before(
    saved_before: str, arrives_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InstanceSessionWrapper, "save_message_types", [saved_before])
    async with DirectClient(SessionMiddlewareStack(Member.as_asgi()), CONNECT) as client:
        await client.answers(1)
        await say("first")
        await client.answers(2)
        assert client.types == ["websocket.accept", arrives_as]
        client.says(leave())
