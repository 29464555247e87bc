"""Consumers used without a connection: made by hand, attributes set, methods called."""

from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from channels.consumer import AsyncConsumer
from channels.exceptions import AcceptConnection, DenyConnection, StopConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from channels.layers import InMemoryChannelLayer
from tests.behaviours.lines import behaviour
from tests.behaviours.tools import Message


@behaviour("Bare instances: Consumer() needs no scope, and takes any arguments")
@pytest.mark.parametrize(
    "consumer",
    [
        AsyncWebsocketConsumer,
        WebsocketConsumer,
        AsyncJsonWebsocketConsumer,
        JsonWebsocketConsumer,
        AsyncHttpConsumer,
    ],
)
def test_construct(consumer: Any) -> None:
    consumer()
    consumer({"type": "websocket"}, 1, name="x")


@behaviour("Bare instances: with base_send set by hand, accept, send and close send through it")
async def test_base_send() -> None:
    consumer = AsyncWebsocketConsumer()
    consumer.base_send = AsyncMock()
    await consumer.accept("chat")
    await consumer.send(text_data="hi")
    await consumer.close(4000)
    assert [call.args[0] for call in consumer.base_send.await_args_list] == [
        {"type": "websocket.accept", "subprotocol": "chat"},
        {"type": "websocket.send", "text": "hi"},
        {"type": "websocket.close", "code": 4000},
    ]


@behaviour("Bare instances: a synchronous consumer with base_send set by hand, too")
def test_base_send_sync() -> None:
    consumer = JsonWebsocketConsumer()
    consumer.base_send = Mock()
    consumer.accept()
    consumer.send_json({"a": 1}, close=True)
    sent = [call.args[0] for call in consumer.base_send.call_args_list]
    assert [message["type"] for message in sent] == [
        "websocket.accept",
        "websocket.send",
        "websocket.close",
    ]


@behaviour("Bare instances: send mocked, receive_json called, the answer looked at")
async def test_mocked_send() -> None:
    class Echo(AsyncJsonWebsocketConsumer):
        async def receive_json(self, content: Any, **kwargs: Any) -> None:
            await self.send_json(content)

    consumer = Echo()
    consumer.base_send = AsyncMock()
    await consumer.receive(text_data='{"a": 1}')
    (sent,) = consumer.base_send.await_args.args
    assert await Echo.decode_json(sent["text"]) == {"a": 1}


@behaviour("Bare instances: channel_layer and channel_name set by hand serve websocket_connect")
async def test_layer_by_hand() -> None:
    class Member(AsyncWebsocketConsumer):
        groups = ["room"]

    consumer = Member()
    consumer.base_send = AsyncMock()
    consumer.channel_layer = InMemoryChannelLayer()
    consumer.channel_name = "mine"
    await consumer.websocket_connect({"type": "websocket.connect"})
    assert list(consumer.channel_layer.groups["room"]) == ["mine"]
    with pytest.raises(StopConsumer):
        await consumer.websocket_disconnect({"type": "websocket.disconnect", "code": 1000})
    assert consumer.channel_layer.groups == {}


@behaviour("Bare instances: websocket_disconnect leaves groups, calls disconnect(code), raises")
async def test_disconnect_by_hand() -> None:
    order: list[Any] = []

    class Member(AsyncWebsocketConsumer):
        groups = ["room"]

        async def disconnect(self, code: int) -> None:
            order.append((code, dict(self.channel_layer.groups)))

    consumer = Member()
    consumer.channel_layer = InMemoryChannelLayer()
    consumer.channel_name = "mine"
    await consumer.channel_layer.group_add("room", "mine")
    with pytest.raises(StopConsumer):
        await consumer.websocket_disconnect({"type": "websocket.disconnect", "code": 4001})
    assert order == [(4001, {})]


@behaviour("Bare instances: dispatch(message) may be called by hand")
async def test_dispatch_by_hand() -> None:
    class Pings(AsyncConsumer):
        async def test_ping(self, message: Message) -> None:
            await self.send({"type": "test.pong", "n": message["n"]})

    consumer = Pings()
    consumer.base_send = AsyncMock()
    await consumer.dispatch({"type": "test.ping", "n": 1})
    consumer.base_send.assert_awaited_once_with({"type": "test.pong", "n": 1})
    with pytest.raises(ValueError, match="No handler for message type"):
        await consumer.dispatch({"type": "test.other"})


@behaviour("Bare instances: AcceptConnection, DenyConnection call an overridden accept, close")
@pytest.mark.parametrize(
    ("error", "called"), [(AcceptConnection, "accept"), (DenyConnection, "close")]
)
async def test_overridden_accept(error: type[Exception], called: str) -> None:
    calls: list[str] = []

    class Own(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            raise error

        async def accept(self, *args: Any, **kwargs: Any) -> None:
            calls.append("accept")

        async def close(self, *args: Any, **kwargs: Any) -> None:
            calls.append("close")

    await Own().websocket_connect({"type": "websocket.connect"})
    assert calls == [called]


@behaviour("Bare instances: an HTTP consumer's send_response goes through a send set by hand")
async def test_http_by_hand() -> None:
    consumer = AsyncHttpConsumer()
    consumer.send = AsyncMock()
    await consumer.send_response(204, b"")
    assert [call.args[0]["type"] for call in consumer.send.await_args_list] == [
        "http.response.start",
        "http.response.body",
    ]
    assert consumer.body == []
