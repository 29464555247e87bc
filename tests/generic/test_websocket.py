"""The generic WebSocket consumers, both families: groups, overrides, and instances used oddly."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction

from channels.exceptions import AcceptConnection, DenyConnection, InvalidChannelLayerError
from channels.generic import http, websocket
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from channels.layers import channel_layers, get_channel_layer
from tests.behaviours.tools import written_for
from tests.client import CONNECT, Client, frame, leave

families = pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
json_families = pytest.mark.parametrize("base", [AsyncJsonWebsocketConsumer, JsonWebsocketConsumer])
Steps = Iterator[Any]


@families
async def test_a_class_list_of_groups_is_never_changed_by_an_instance(base: type) -> None:
    def joins_more(self: Any) -> Steps:
        self.groups.append("more")
        yield self.accept()

    def no_init(self: Any) -> None:
        """Without super(), as subclasses do."""

    for init in ({}, {"__init__": no_init}):
        consumer = written_for(base, groups=["room"], connect=joins_more, **init)
        for _ in range(2):
            async with Client(consumer(), CONNECT) as client:
                await client.answers(1)
                client.says(leave())
                await client.ended()
        assert consumer.groups == ["room"]  # type: ignore[attr-defined]


@families
@pytest.mark.parametrize("collection", [list, set, tuple, frozenset, dict.fromkeys])
async def test_groups_set_in_init_are_joined_and_left(
    base: type, collection: Callable[[list[str]], Any]
) -> None:
    def init(self: Any) -> None:
        self.groups = collection(["red", "blue"])

    async with Client(written_for(base, __init__=init)(), CONNECT) as client:
        await client.answers(1)
        assert set(get_channel_layer().groups) == {"red", "blue"}
        client.says(leave())
        await client.ended()
    assert get_channel_layer().groups == {}


@families
async def test_one_instance_serves_connections_in_turn(base: type) -> None:
    seen: list[Any] = []

    def connect(self: Any) -> Steps:
        seen.append((self.channel_name, self.scope["path"]))
        yield self.accept()

    application = written_for(base, groups={"room"}, connect=connect)()
    for path in ("/a", "/b"):
        async with Client(
            application, CONNECT, scope={"type": "websocket", "path": path}
        ) as client:
            await client.answers(1)
            assert list(get_channel_layer().groups["room"]) == [seen[-1][0]]
            client.says(frame("x"), leave())
            await client.ended()
    assert [path for _, path in seen] == ["/a", "/b"]
    assert seen[0][0] != seen[1][0]
    assert get_channel_layer().groups == {}


@families
@pytest.mark.parametrize(
    ("error", "sent"), [(AcceptConnection, "websocket.accept"), (DenyConnection, "websocket.close")]
)
async def test_connect_may_answer_by_raising(base: type, error: type[Exception], sent: str) -> None:
    def connect(self: Any) -> None:
        raise error

    if not base._sync:  # type: ignore[attr-defined]
        sync_connect = connect

        async def connect(self: Any) -> None:
            sync_connect(self)

    consumer = type("Raises", (base,), {"connect": connect})
    async with Client(consumer(), CONNECT, leave()) as client:
        await client.ended()
    assert client.types == [sent]


@families
async def test_what_is_dropped_answers_false_and_what_is_sent_does_not(base: type) -> None:
    answers: list[Any] = []

    def connect(self: Any) -> Steps:
        for step in (
            lambda: self.accept("first"),
            lambda: self.accept("second"),
            lambda: self.send("text"),
            lambda: self.send(bytes_data="né", close=4001),
            self.close,
            self.accept,
            lambda: self.send("late"),
        ):
            answers.append((yield step()))  # noqa: PERF401 - a step of the test

    async with Client(written_for(base, connect=connect)(), CONNECT, leave()) as client:
        await client.ended()
    assert client.sent == [
        {"type": "websocket.accept", "subprotocol": "first"},
        {"type": "websocket.send", "text": "text"},
        {"type": "websocket.send", "bytes": "né".encode()},
        {"type": "websocket.close", "code": 4001},
    ]
    assert [answer is False for answer in answers] == [
        False,
        True,
        False,
        False,
        True,
        True,
        True,
    ]


@families
async def test_close_does_not_end_the_consumer(base: type) -> None:
    log: list[Any] = []

    def receive(self: Any, text_data: str) -> Steps:
        log.append(text_data)
        yield self.close()

    def disconnect(self: Any, code: int) -> None:
        log.append(code)

    if not base._sync:  # type: ignore[attr-defined]

        async def disconnect(self: Any, code: int) -> None:  # type: ignore[no-redef]
            log.append(code)

    consumer = written_for(base, receive=receive, disconnect=disconnect)
    async with Client(consumer(), CONNECT, frame("one"), frame("two"), leave(1006)) as client:
        await client.ended()
    assert log == ["one", "two", 1006]


@families
async def test_groups_without_a_layer_end_the_connection(
    base: type, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_LAYERS = {}
    calls: list[Any] = []

    def connect(self: Any) -> Steps:
        calls.append("connect")
        yield None

    def disconnect(self: Any, code: int) -> Steps:
        calls.append(code)
        yield None

    consumer = written_for(base, groups=["room"], connect=connect, disconnect=disconnect)
    async with Client(consumer(), CONNECT) as client:
        with pytest.raises(InvalidChannelLayerError) as caught:
            await client.ended()
    assert calls == [1011]
    assert client.sent == []
    assert not caplog.records, "one error, once"
    assert any(consumer.__qualname__ in note for note in caught.value.__notes__)


class Unreliable:
    """A layer whose groups fail for some names."""

    def __init__(self, *failing: str) -> None:
        self.failing, self.left = set(failing), set[str]()
        self.inner = channel_layers.make_backend("default")

    async def new_channel(self) -> str:
        return "specific.unreliable!1"

    async def receive(self, channel: str) -> Any:
        await asyncio.Event().wait()

    async def group_add(self, group: str, channel: str) -> None:
        if f"+{group}" in self.failing:
            raise ConnectionError(f"joining {group}")

    async def group_discard(self, group: str, channel: str) -> None:
        if f"-{group}" in self.failing:
            raise ConnectionError(f"leaving {group}")
        self.left.add(group)


@families
async def test_a_group_that_cannot_be_left_hides_neither_the_others_nor_the_end(
    base: type, settings: Any
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    layer = Unreliable("-b")
    channel_layers.set("default", layer)
    codes: list[int] = []

    def disconnect(self: Any, code: int) -> Steps:
        codes.append(code)
        yield None

    consumer = written_for(base, groups=["a", "b", "c"], disconnect=disconnect)
    async with Client(consumer(), CONNECT, leave(1001)) as client:
        with pytest.raises(ConnectionError, match="leaving b"):
            await client.ended()
    assert codes == [1001]
    assert layer.left == {"a", "c"}


@families
async def test_a_group_that_cannot_be_joined_ends_the_connection_once(
    base: type, settings: Any
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    layer = Unreliable("+b")
    channel_layers.set("default", layer)
    calls: list[Any] = []

    def connect(self: Any) -> Steps:
        calls.append("connect")
        yield self.accept()

    def disconnect(self: Any, code: int) -> Steps:
        calls.append(code)
        yield None

    consumer = written_for(base, groups=["a", "b"], connect=connect, disconnect=disconnect)
    async with Client(consumer(), CONNECT) as client:
        with pytest.raises(ConnectionError, match="joining b"):
            await client.ended()
    assert calls == [1011]
    assert layer.left == {"a", "b"}


@json_families
@pytest.mark.parametrize(
    ("event", "note"),
    [
        ({"type": "websocket.receive", "text": "{no"}, "3 characters that are not JSON"),
        ({"type": "websocket.receive", "text": ""}, "an empty text frame"),
        ({"type": "websocket.receive", "bytes": b"{}"}, "a binary frame of 2 bytes"),
    ],
)
async def test_bad_frames_of_one_client_end_its_connection_alone(
    base: type, event: dict[str, Any], note: str
) -> None:
    def receive_json(self: Any, content: Any) -> Steps:
        yield self.send_json(content)

    application = written_for(base, receive_json=receive_json).as_asgi()  # type: ignore[attr-defined]
    async with Client(application, CONNECT) as good, Client(application, CONNECT, event) as bad:
        with pytest.raises(ValueError) as caught:
            await bad.ended()
        assert any(note in line for line in caught.value.__notes__)
        assert bad.sent[-1] == {"type": "websocket.close", "code": 1011}
        good.says(frame('{"a": [1]}'))
        await good.answers(2)
        assert good.texts == ['{"a":[1]}']
        good.says(leave())
        await good.ended()


@json_families
async def test_json_may_be_encoded_and_decoded_otherwise(base: type) -> None:
    def receive_json(self: Any, content: Any, **kwargs: Any) -> Steps:
        yield self.send_json(content)

    def encode(cls: Any, content: Any) -> str:
        return f"<{content}>"

    def decode(cls: Any, text_data: str) -> Any:
        return text_data.upper()

    if iscoroutinefunction(base.encode_json):  # type: ignore[attr-defined]
        sync_encode, sync_decode = encode, decode

        async def encode(cls: Any, content: Any) -> str:  # type: ignore[no-redef]
            return sync_encode(cls, content)

        async def decode(cls: Any, text_data: str) -> Any:  # type: ignore[no-redef]
            return sync_decode(cls, text_data)

    consumer = written_for(
        base,
        receive_json=receive_json,
        encode_json=classmethod(encode),
        decode_json=classmethod(decode),
    )
    async with Client(consumer(), CONNECT, frame("abc"), leave()) as client:
        await client.ended()
    assert client.texts == ["<ABC>"]


def test_names_that_suites_patch_are_there() -> None:
    for module in (websocket, http):
        assert callable(module.aclose_old_connections)


@pytest.mark.parametrize(
    "base",
    [
        AsyncWebsocketConsumer,
        WebsocketConsumer,
        AsyncJsonWebsocketConsumer,
        JsonWebsocketConsumer,
        http.AsyncHttpConsumer,
    ],
)
def test_any_arguments_are_taken_and_left_to_the_subclass(base: type) -> None:
    class Own(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.room = kwargs["room"]

    assert Own(1, 2, room="lobby").room == "lobby"
