"""JsonWebsocketConsumer and AsyncJsonWebsocketConsumer: codecs, keywords, bad frames."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from channels.testing import WebsocketCommunicator
from tests.behaviours.lines import behaviour
from tests.behaviours.tools import Message, connected, written_for

Steps = Iterator[Any]
families = pytest.mark.parametrize("base", [AsyncJsonWebsocketConsumer, JsonWebsocketConsumer])


def echo_json(self: Any, content: Any, **kwargs: Any) -> Steps:
    yield self.send_json(content)


@families
@pytest.mark.parametrize(
    "value", [{"a": [1, None, "ü"]}, [], "text", 0, None, False, 1.5], ids=repr
)
@behaviour("JSON: receive_json() gets any decoded value and send_json() sends any as text")
async def test_json_values(base: type, value: Any) -> None:
    async with connected(written_for(base, receive_json=echo_json).as_asgi()) as client:
        await client.send_to(text_data=json.dumps(value))
        frame = await client.receive_from()
    assert isinstance(frame, str)
    assert json.loads(frame) == value


@families
@behaviour("JSON: send_json(content, close=...) closes after the frame")
async def test_json_close(base: type) -> None:
    def receive_json(self: Any, content: Any) -> Steps:
        yield self.send_json(content, True)

    async with connected(written_for(base, receive_json=receive_json).as_asgi()) as client:
        await client.send_json_to([1])
        assert await client.receive_json_from() == [1]
        assert (await client.receive_output())["type"] == "websocket.close"


@behaviour("JSON: encode_json and decode_json are classmethods (plain in the sync class)")
def test_json_codecs_sync() -> None:
    assert json.loads(JsonWebsocketConsumer.encode_json({"a": 1})) == {"a": 1}
    assert JsonWebsocketConsumer.decode_json('{"a": 1}') == {"a": 1}


@behaviour("JSON: encode_json and decode_json are classmethods (coroutines in the async class)")
async def test_json_codecs_async() -> None:
    assert json.loads(await AsyncJsonWebsocketConsumer.encode_json({"a": 1})) == {"a": 1}
    assert await AsyncJsonWebsocketConsumer.decode_json('{"a": 1}') == {"a": 1}


@behaviour("JSON: encode_json and decode_json may be overridden (async)")
async def test_json_override_async() -> None:
    class Shouts(AsyncJsonWebsocketConsumer):
        @classmethod
        async def decode_json(cls, text_data: str) -> Any:
            return text_data.split(",")

        @classmethod
        async def encode_json(cls, content: Any) -> str:
            return "|".join(content)

        async def receive_json(self, content: Any, **kwargs: Any) -> None:
            await self.send_json(content)

    async with connected(Shouts.as_asgi()) as client:
        await client.send_to(text_data="a,b")
        assert await client.receive_from() == "a|b"


@behaviour("JSON: encode_json and decode_json may be overridden (sync)")
async def test_json_override_sync() -> None:
    class Shouts(JsonWebsocketConsumer):
        @classmethod
        def decode_json(cls, text_data: str) -> Any:
            return text_data.split(",")

        @classmethod
        def encode_json(cls, content: Any) -> str:
            return "|".join(content)

        def receive_json(self, content: Any, **kwargs: Any) -> None:
            self.send_json(content)

    async with connected(Shouts.as_asgi()) as client:
        await client.send_to(text_data="a,b")
        assert await client.receive_from() == "a|b"


@families
@behaviour("JSON: extra keywords pass through receive() to receive_json()")
async def test_json_keywords(base: type) -> None:
    seen: list[Any] = []

    def receive(self: Any, text_data: Any = None, bytes_data: Any = None, **kwargs: Any) -> Steps:
        yield base.receive(self, text_data, bytes_data, via="override", **kwargs)

    def receive_json(self: Any, content: Any, **kwargs: Any) -> Steps:
        seen.append((content, kwargs))
        yield self.send_json("ok")

    app = written_for(base, receive=receive, receive_json=receive_json).as_asgi()
    async with connected(app) as client:
        await client.send_json_to({"a": 1})
        await client.receive_json_from()
    assert seen == [({"a": 1}, {"via": "override"})]


@families
@pytest.mark.parametrize("frame", [{"bytes": b"{}"}, {"text": ""}], ids=["binary", "empty"])
@behaviour("JSON: a binary or empty frame is ValueError('No text section ...')")
async def test_json_without_text(base: type, frame: Message) -> None:
    client = WebsocketCommunicator(base.as_asgi(), "/")
    await client.connect()
    await client.send_input({"type": "websocket.receive", **frame})
    with pytest.raises(ValueError) as caught:
        await client.wait()
    assert str(caught.value) == "No text section for incoming WebSocket frame!"


@families
@behaviour("JSON: malformed JSON is a ValueError that the application may catch around receive()")
async def test_json_malformed(base: type) -> None:
    def receive(self: Any, text_data: Any = None, bytes_data: Any = None) -> Steps:
        try:
            yield base.receive(self, text_data, bytes_data)
        except ValueError:
            yield self.send("not JSON")

    async with connected(written_for(base, receive=receive).as_asgi()) as client:
        await client.send_to(text_data="{nope")
        assert await client.receive_from() == "not JSON"


@families
@behaviour(
    "JSON: malformed JSON that nobody catches leaves the application as json.JSONDecodeError"
)
async def test_json_malformed_leaves(base: type) -> None:
    client = WebsocketCommunicator(base.as_asgi(), "/")
    await client.connect()
    await client.send_to(text_data="{nope")
    with pytest.raises(json.JSONDecodeError):
        await client.wait()


@families
@behaviour("JSON: the JSON consumers are websocket consumers, so send() still takes text and bytes")
async def test_json_send(base: type) -> None:
    def receive_json(self: Any, content: Any) -> Steps:
        yield self.send(text_data="raw")
        yield self.send(bytes_data=b"raw")

    async with connected(written_for(base, receive_json=receive_json).as_asgi()) as client:
        await client.send_json_to(1)
        assert await client.receive_from() == "raw"
        assert await client.receive_from() == b"raw"


@behaviour("JSON: the family tree is as documented")
def test_family_tree() -> None:
    assert issubclass(AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer)
    assert issubclass(JsonWebsocketConsumer, WebsocketConsumer)
