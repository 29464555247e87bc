"""What a communicator shows of a consumer that raises."""

from typing import Any

import pytest

from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from channels.testing import HttpCommunicator, WebsocketCommunicator


class BrokenError(Exception):
    """What the consumers here raise."""


class SyncConsumer(JsonWebsocketConsumer):
    def connect(self) -> None:
        if self.scope["path"] == "/connect/":
            raise BrokenError("in connect")
        self.accept()

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        raise BrokenError(content)

    def disconnect(self, code: int) -> None:
        self.scope["ended"].append(code)


class AsyncConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        if self.scope["path"] == "/connect/":
            raise BrokenError("in connect")
        await self.accept()

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        raise BrokenError(content)

    async def disconnect(self, code: int) -> None:
        self.scope["ended"].append(code)


both = pytest.mark.parametrize("consumer", [SyncConsumer, AsyncConsumer])


def client(consumer: Any, path: str) -> WebsocketCommunicator:
    communicator = WebsocketCommunicator(consumer.as_asgi(), path)
    communicator.scope["ended"] = []
    return communicator


@both
async def test_connect_raises_what_connect_raised(consumer: Any) -> None:
    async with client(consumer, "/connect/") as communicator:
        with pytest.raises(BrokenError, match="in connect"):
            await communicator.connect()
    assert communicator.scope["ended"] == [1011]


@both
@pytest.mark.parametrize("call", ["receive_from", "receive_json_from", "receive_output"])
async def test_receiving_raises_what_the_handler_raised(consumer: Any, call: str) -> None:
    async with client(consumer, "/") as communicator:
        await communicator.connect()
        await communicator.send_json_to("in receive_json")
        with pytest.raises(BrokenError, match="in receive_json"):
            await getattr(communicator, call)(timeout=10)
    assert communicator.scope["ended"] == [1011]


@both
async def test_an_exception_that_nobody_received_leaves_the_block(consumer: Any) -> None:
    with pytest.raises(BrokenError, match="unseen"):  # noqa: PT012
        async with client(consumer, "/") as communicator:
            await communicator.connect()
            await communicator.send_json_to("unseen")


async def test_a_response_raises_what_the_handler_raised() -> None:
    class Page(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            raise BrokenError("in handle")

    with pytest.raises(BrokenError, match="in handle"):
        await HttpCommunicator(Page.as_asgi(), "GET", "/").get_response(timeout=10)
