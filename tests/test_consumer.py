"""The base consumers: messages to handlers, what is set on an instance, and finished frames."""

import asyncio
import inspect
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction

import channels.consumer
from channels.consumer import AsyncConsumer, SyncConsumer, get_handler_name
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import channel_layers, get_channel_layer
from channels.typing import Message
from tests.client import CONNECT, Client, frame, leave, settle

families = pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])


# The name of a handler.


@pytest.mark.parametrize(
    ("kind", "name"),
    [("websocket.connect", "websocket_connect"), ("a_b", "a_b"), ("a.b.c", "a_b_c"), ("", "")],
)
def test_the_handler_of_a_type(kind: str, name: str) -> None:
    assert get_handler_name({"type": kind}) == name


@pytest.mark.parametrize(
    ("message", "text", "note"),
    [
        ({}, "Incoming message has no 'type' attribute", "Its keys are []; add a 'type'"),
        ({"a": 1}, "Incoming message has no 'type' attribute", "['a']"),
        ({"type": "_x"}, "Malformed type in message (leading underscore)", "'_x'"),
        ({"type": ".x"}, "Malformed type in message (leading underscore)", "'.x'"),
    ],
)
def test_a_message_without_a_usable_type(message: Message, text: str, note: str) -> None:
    with pytest.raises(ValueError) as caught:
        get_handler_name(message)
    assert str(caught.value) == text
    assert note in caught.value.__notes__[0]


@pytest.mark.parametrize("kind", [None, 1, ["chat"], {"a": 1}, b"chat", True])
async def test_a_type_that_is_not_a_string(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"Malformed type in message: .* is not a string"):
        get_handler_name({"type": kind})
    async with Client(AsyncWebsocketConsumer(), CONNECT) as client:
        await client.answers(1)
        client.says({"type": kind})
        with pytest.raises(ValueError, match="Malformed type in message"):
            await client.ended()


def test_the_error_shows_keys_and_no_content() -> None:
    with pytest.raises(ValueError) as caught:
        get_handler_name({"password": "secret"} | {f"key {n}": n for n in range(10_000)})
    assert "password" in caught.value.__notes__[0]
    assert "secret" not in caught.value.__notes__[0]
    assert len(caught.value.__notes__[0]) < 1000


async def test_a_type_that_splits_lines_does_not_split_the_log() -> None:
    async with Client(AsyncConsumer(), {"type": "a\nCRITICAL forged"}) as client:
        with pytest.raises(ValueError) as caught:
            await client.ended()
    assert str(caught.value) == r"No handler for message type 'a\nCRITICAL forged'"
    assert all("\n" not in note for note in caught.value.__notes__)


@pytest.mark.parametrize("plain", [AsyncConsumer, SyncConsumer])
async def test_an_unknown_type_names_the_method_that_is_missing(plain: Any) -> None:
    class Own(plain):  # type: ignore[misc]
        pass

    async with Client(Own(), {"type": "chat.message"}) as client:
        with pytest.raises(ValueError) as caught:
            await client.ended()
    assert str(caught.value) == "No handler for message type chat.message"
    assert "Own.chat_message(self, event)" in caught.value.__notes__[0]


# What is set, and when.


async def test_a_connection_sets_everything_in_call_and_nothing_in_init() -> None:
    class Bare(AsyncWebsocketConsumer):
        def __init__(self) -> None:
            """Without super()."""

    consumer = Bare()
    assert vars(consumer) == {}
    seen: list[Any] = []
    for path in ("/a", "/b"):
        async with Client(
            consumer, CONNECT, frame("x"), leave(), scope={"type": "websocket", "path": path}
        ) as client:
            await client.ended()
        seen.append((consumer.scope["path"], consumer.channel_name))
        assert consumer.channel_layer is get_channel_layer()
    assert [path for path, _ in seen] == ["/a", "/b"]
    assert seen[0][1] != seen[1][1]


@pytest.mark.parametrize("alias", [None, "missing"])
async def test_without_a_layer_there_is_no_channel(alias: str | None) -> None:
    class Alone(AsyncWebsocketConsumer):
        channel_layer_alias = alias

    consumer = Alone()
    async with Client(consumer, CONNECT, frame("x"), leave()) as client:
        await client.ended()
    assert consumer.channel_layer is None
    assert not hasattr(consumer, "channel_name")
    assert not hasattr(consumer, "channel_receive")


async def test_another_layer_by_its_alias(settings: Any) -> None:
    backend = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    settings.CHANNEL_LAYERS = {"default": backend, "other": backend}

    class Other(AsyncWebsocketConsumer):
        channel_layer_alias = "other"
        groups = ["room"]

    async with Client(Other(), CONNECT) as client:
        await client.answers(1)
        assert list(channel_layers["other"].groups) == ["room"]
        assert channel_layers["default"].groups == {}
        client.says(leave())
        await client.ended()


async def test_channel_receive_reads_the_own_channel() -> None:
    class Asks(AsyncWebsocketConsumer):
        async def receive(self, **_: Any) -> None:
            await self.channel_layer.send(self.channel_name, {"type": "mine", "n": 1})
            await self.send(str((await self.channel_receive())["n"]))

    async with Client(Asks(), CONNECT, frame("x"), leave()) as client:
        await client.ended()
    assert client.texts == ["1"]


def test_as_asgi() -> None:
    class Documented(AsyncConsumer):
        """Says what it is."""

        def __init__(self, *, colour: str) -> None:
            self.colour = colour

    application = Documented.as_asgi(colour="blue")
    assert application.consumer_class is Documented
    assert application.consumer_initkwargs == {"colour": "blue"}
    assert application.__name__ == "Documented"  # type: ignore[attr-defined]
    assert application.__doc__ == "Says what it is."
    assert iscoroutinefunction(application)
    assert not inspect.isclass(application)


async def test_each_connection_gets_an_instance_of_its_own() -> None:
    made: list[AsyncConsumer] = []

    class Counted(AsyncWebsocketConsumer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            made.append(self)

    application = Counted.as_asgi(a=1)
    for _ in range(2):
        async with Client(application, CONNECT, leave()) as client:
            await client.ended()
    assert len(set(map(id, made))) == 2


async def test_base_send_may_be_wrapped_by_async_to_sync() -> None:
    class Wraps(AsyncWebsocketConsumer):
        @database_sync_to_async
        def in_a_thread(self) -> None:
            async_to_sync(self.base_send)({"type": "websocket.send", "text": "from a thread"})

        async def receive(self, **_: Any) -> None:
            await self.in_a_thread()

    async with Client(Wraps(), CONNECT, frame("x"), leave()) as client:
        await client.ended()
    assert client.texts == ["from a thread"]


async def test_a_sync_consumer_sends_and_reads_the_layer_from_its_thread() -> None:
    threads: list[int] = []

    class Sync(WebsocketConsumer):
        groups = ["room"]

        def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
            threads.append(threading.get_ident())
            async_to_sync(self.channel_layer.group_send)("room", {"type": "note", "text": "hi"})

        def note(self, event: Message) -> None:
            threads.append(threading.get_ident())
            self.send(event["text"])

    async with Client(Sync(), CONNECT, frame("x")) as client:
        await client.answers(2)
        client.says(leave())
        await client.ended()
    assert client.texts == ["hi"]
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("module", ["channels.consumer"])
async def test_aclose_old_connections_is_looked_up_where_suites_patch_it(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    async def patched() -> None:
        calls.append(module)

    monkeypatch.setattr(f"{module}.aclose_old_connections", patched)

    class Uses(AsyncWebsocketConsumer):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            if text_data == "sync":
                await database_sync_to_async(int)()

    async with Client(Uses(), CONNECT, frame("async"), leave()) as client:
        await client.ended()
    assert calls == []
    async with Client(Uses(), CONNECT, frame("sync"), leave()) as client:
        await client.ended()
    assert calls, "after a handler that used sync code"


def test_names_that_others_take_from_here() -> None:
    for name in ("database_sync_to_async", "get_channel_layer", "StopConsumer"):
        assert hasattr(channels.consumer, name)
    assert channels.consumer.StopConsumer is StopConsumer


# Finished frames: messages of type websocket.send.


def finished(text: str, **more: Any) -> Message:
    return {"type": "websocket.send", "text": text, **more}


class Member(AsyncWebsocketConsumer):
    groups = ["room"]

    async def note(self, event: Message) -> None:
        await asyncio.sleep(0)
        await self.send(event["text"])


@families
async def test_a_finished_frame_goes_out_without_a_handler(base: Any) -> None:
    consumer = type("Member", (base,), {"groups": ["room"]})
    async with Client(consumer(), CONNECT) as client:
        await client.answers(1)
        await get_channel_layer().group_send("room", finished("text"))
        await get_channel_layer().group_send("room", {"type": "websocket.send", "bytes": b"\x00"})
        await client.answers(3)
        client.says(leave())
        await client.ended()
    assert client.sent[1:] == [finished("text"), {"type": "websocket.send", "bytes": b"\x00"}]


async def test_finished_frames_and_messages_keep_their_order() -> None:
    async with Client(Member(), CONNECT) as client:
        await client.answers(1)
        for number in range(20):
            message = finished(str(number))
            if number % 3 == 0:
                message["type"] = "note"
            await get_channel_layer().group_send("room", message)
        await client.answers(21)
        client.says(leave())
        await client.ended()
    assert client.texts == [str(number) for number in range(20)]


async def test_each_member_gets_a_dict_of_its_own() -> None:
    async with Client(Member(), CONNECT) as first, Client(Member(), CONNECT) as second:
        for client in (first, second):
            await client.answers(1)
        sent = finished("x")
        await get_channel_layer().group_send("room", sent)
        sent["text"] = "changed"
        for client in (first, second):
            await client.answers(2)
        first.sent[1]["text"] = "spoilt"
        assert second.sent[1] == finished("x")
        for client in (first, second):
            client.says(leave())
            await client.ended()


async def test_a_finished_frame_waits_for_accept() -> None:
    class Late(Member):
        async def connect(self) -> None:
            """Accepts when it is asked."""

        async def receive(self, **_: Any) -> None:
            await self.accept()
            await self.send("welcome")

    async with Client(Late(), CONNECT) as client:
        await settle()
        for text in "ab":
            await get_channel_layer().group_send("room", finished(text))
        await settle()
        assert client.sent == []
        client.says(frame("now"), leave())
        await client.ended()
    assert client.types[0] == "websocket.accept"
    assert client.texts == ["a", "b", "welcome"]


@pytest.mark.parametrize("held", [False, True], ids=["after close", "held and then denied"])
async def test_a_finished_frame_that_comes_too_late_is_dropped_and_counted(held: bool) -> None:
    class Leaves(Member):
        async def connect(self) -> None:
            if not held:
                await self.accept()
                await self.close()

        async def receive(self, **_: Any) -> None:
            await self.close()

    drops = get_channel_layer().drops.counts
    before = drops["closed"]
    async with Client(Leaves(), CONNECT) as client:
        await settle()
        await get_channel_layer().group_send("room", finished("late"))
        await settle()
        if held:
            assert drops["closed"] == before
            client.says(frame("deny it"))
            await settle()
        assert drops["closed"] == before + 1
        client.says(leave())
        await client.ended()
    assert client.texts == []


@families
async def test_a_class_with_a_handler_of_that_name_is_asked(base: Any) -> None:
    def handler(self: Any, event: Message) -> Any:
        return self.send(event["text"].upper())

    consumer = type("Shouts", (base,), {"groups": ["room"], "websocket_send": handler})
    async with Client(consumer(), CONNECT) as client:
        await client.answers(1)
        await get_channel_layer().group_send("room", finished("hi"))
        await client.answers(2)
        client.says(leave())
        await client.ended()
    assert client.texts == ["HI"]


@families
@pytest.mark.parametrize("patched", [False, True], ids=["overridden", "patched on the base"])
async def test_a_dispatch_that_is_not_ours_sees_them_and_super_sends_them(
    base: Any, patched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    owner = SyncConsumer if base is WebsocketConsumer else AsyncConsumer
    real = owner.dispatch if base is AsyncWebsocketConsumer else vars(owner)["dispatch"].func

    async def dispatch(self: Any, message: Message) -> None:
        seen.append(message["type"])
        await real(self, message)

    def sync_dispatch(self: Any, message: Message) -> None:
        seen.append(message["type"])
        real(self, message)

    own: Any = dispatch if base is AsyncWebsocketConsumer else database_sync_to_async(sync_dispatch)
    body: dict[str, Any] = {"groups": ["room"]}
    if patched:
        monkeypatch.setattr(owner, "dispatch", own)
    else:
        body["dispatch"] = own
    async with Client(type("Watched", (base,), body)(), CONNECT) as client:
        await client.answers(1)
        await get_channel_layer().group_send("room", finished("hi"))
        await client.answers(2)
        client.says(leave())
        await client.ended()
    assert client.sent[1] == finished("hi")
    assert seen == ["websocket.connect", "websocket.send", "websocket.disconnect"]
