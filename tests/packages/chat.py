"""A small chat, asynchronous and synchronous, to try layers with."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from asgiref.sync import async_to_sync

from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator

ROOM = "chat.room"
Ready: TypeAlias = Callable[[str], Awaitable[None]]


class AsyncChat(AsyncJsonWebsocketConsumer):
    groups = [ROOM]

    async def receive_json(self, content, **kwargs):
        if content == "name?":
            await self.send_json(self.channel_name)
        else:
            await self.channel_layer.group_send(ROOM, {"type": "chat.said", "text": content})

    async def chat_said(self, event):
        await self.send_json(["async", event["text"]])


class SyncChat(JsonWebsocketConsumer):
    groups = [ROOM]

    def receive_json(self, content, **kwargs):
        if content == "name?":
            self.send_json(self.channel_name)
        else:
            message = {"type": "chat.said", "text": content}
            async_to_sync(self.channel_layer.group_send)(ROOM, message)

    def chat_said(self, event):
        self.send_json(["sync", event["text"]])


async def nothing(channel: str) -> None:
    """For layers that bring a channel what is sent after the consumer has connected."""


async def connected(
    consumer: type[AsyncChat] | type[SyncChat], ready: Ready
) -> tuple[WebsocketCommunicator, str]:
    """A client, and the name of its consumer's channel."""
    client = WebsocketCommunicator(consumer.as_asgi(), "/")
    assert await client.connect(timeout=5) == (True, None)
    await client.send_json_to("name?")
    name = await client.receive_json_from(timeout=5)
    await ready(name)
    return client, name


async def talk(ready: Ready = nothing) -> None:
    """Both kinds of consumer connect, hear a message to one of them alone, talk over their group,
    and leave."""
    layer = get_channel_layer()
    first, name = await connected(AsyncChat, ready)
    for text in ("only you", "x" * 2**20):
        await layer.send(name, {"type": "chat.said", "text": text})
        assert await first.receive_json_from(timeout=5) == ["async", text]

    second, _ = await connected(SyncChat, ready)
    for number, sender in enumerate((first, second, first)):
        text = {"number": number, "text": "grüße"}
        await sender.send_json_to(text)
        assert await first.receive_json_from(timeout=5) == ["async", text]
        assert await second.receive_json_from(timeout=5) == ["sync", text]

    await second.disconnect(timeout=5)
    await layer.group_send(ROOM, {"type": "chat.said", "text": "to the rest"})
    assert await first.receive_json_from(timeout=5) == ["async", "to the rest"]
    assert await first.receive_nothing()
    await first.disconnect(timeout=5)
