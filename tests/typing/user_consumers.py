"""Consumers as applications write them, annotated and not."""

from typing import Any, assert_type

from channels.auth import get_user, login, logout
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.db import database_sync_to_async
from channels.exceptions import DenyConnection, StopConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from channels.layers import get_channel_layer


class AsyncEcho(AsyncConsumer):
    async def websocket_connect(self, event: dict[str, Any]) -> None:
        await self.send({"type": "websocket.accept"})

    async def websocket_receive(self, event: dict[str, Any]) -> None:
        await self.send({"type": "websocket.send", "text": event["text"]})
        raise StopConsumer


class SyncEcho(SyncConsumer):
    channel_layer_alias = None

    def websocket_receive(self, event: dict[str, Any]) -> None:
        self.send({"type": "websocket.send", "text": event["text"]})


class Chat(AsyncWebsocketConsumer):
    groups = ["lobby"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lines = 0

    async def connect(self) -> None:
        assert_type(self.channel_name, str)
        if self.scope["user"].is_anonymous:
            raise DenyConnection
        await self.accept("chat", headers=[(b"x-room", b"lobby")])

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.lines += await self.count()
        await self.send(text_data=text_data, close=4001)
        await self.close(code=4002, reason="enough")

    @database_sync_to_async
    def count(self) -> int:
        return 1

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard("lobby", self.channel_name)


class Rooms(AsyncJsonWebsocketConsumer):
    groups = {"lobby"}

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.channel_layer.group_send(
            "lobby", {"type": "room.line", "text": content["text"]}, exclude=[self.channel_name]
        )

    async def room_line(self, event: dict[str, Any]) -> None:
        await self.send_json(event)

    @classmethod
    async def encode_json(cls, content: Any) -> str:
        return repr(content)


class SyncRooms(JsonWebsocketConsumer):
    def receive_json(self, content: Any, **kwargs: Any) -> None:
        self.send_json(content, close=True)


class SyncChat(WebsocketConsumer):
    def connect(self) -> None:
        self.accept()

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.send(bytes_data=bytes_data)


class Feed(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        await self.send_headers(status=200, headers=[(b"Content-Type", b"text/event-stream")])
        await self.send_body(b"data: 1\n\n", more_body=True)
        await self.send_response(200, b"", headers={b"X-A": b"1"})


class Ends(AsyncWebsocketConsumer):
    grace_seconds = 2.5
    max_concurrency = 4

    async def on_error(self, exc: Exception) -> int | None:
        return 4003 if isinstance(exc, PermissionError) else await super().on_error(exc)


class EndsInThread(WebsocketConsumer):
    grace_seconds = 2

    def on_error(self, exc: Exception) -> int | None:
        return 4003 if isinstance(exc, PermissionError) else super().on_error(exc)


class Unannotated(AsyncWebsocketConsumer):
    async def receive(  # type: ignore[no-untyped-def]
        self,
        text_data=None,  # pyright: ignore[reportMissingParameterType]
        bytes_data=None,  # pyright: ignore[reportMissingParameterType]
    ):
        await self.send(text_data=text_data)


async def sign_in_and_out(consumer: Chat) -> None:
    user = await get_user(consumer.scope)
    # It may be an AnonymousUser.
    await login(consumer.scope, user)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await logout(consumer.scope)
    await get_channel_layer().send("thumbnails", {"type": "thumbnails.make"})


def plain() -> str:
    return ""


async def database() -> None:
    assert_type(await database_sync_to_async(plain)(), str)
    assert_type(await database_sync_to_async(plain, thread_sensitive=False)(), str)
