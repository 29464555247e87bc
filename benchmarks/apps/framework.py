"""The applications as consumers. Ours and upstream run this file unchanged."""

import asyncio
import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.apps.settings")
django.setup()

from benchmarks.apps import texts  # noqa: E402
from channels.generic.websocket import (  # noqa: E402 - Django first, as in every asgi.py
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    WebsocketConsumer,
)
from channels.layers import get_channel_layer  # noqa: E402

# The types of upstream are not ours: for a type checker the consumers' arguments are Any.


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        await self.send(text_data=text_data)


class JsonEcho(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json(content)


class SyncEcho(WebsocketConsumer):
    def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        self.send(text_data=text_data)


class Sleeper(WebsocketConsumer):
    def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        texts.sleep()
        self.send(text_data=text_data)


class Computer(WebsocketConsumer):
    def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        texts.compute()
        self.send(text_data=text_data)


class Member(AsyncWebsocketConsumer):
    async def member_line(self, event: Any) -> None:
        await self.send(text_data=event["text"])


class Room(AsyncJsonWebsocketConsumer):
    """A line goes to all through a handler, which encodes it for its own client."""

    groups = ["room"]

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.channel_layer.group_send("room", {"type": "room.line", "content": content})

    async def room_line(self, event: Any) -> None:
        await self.send_json(event["content"])


class FrameRoom(AsyncWebsocketConsumer):
    """A line goes to all as the finished frame that it is. Upstream has no such way."""

    groups = ["frame-room"]

    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        frame = {"type": "websocket.send", "text": text_data}
        await self.channel_layer.group_send("frame-room", frame)


APPLICATIONS: dict[str, Any] = {
    "echo": Echo.as_asgi(),
    "json-echo": JsonEcho.as_asgi(),
    "sync-echo": SyncEcho.as_asgi(),
    "sleeper": Sleeper.as_asgi(),
    "computer": Computer.as_asgi(),
    "room": Room.as_asgi(),
    "frame-room": FrameRoom.as_asgi(),
}


def joiner(count: int) -> Any:
    """An application whose connections are in ``count`` groups."""
    names = [f"joined-{number}" for number in range(count)]
    joiner_class: Any = type("Joiner", (AsyncWebsocketConsumer,), {"groups": names})
    return joiner_class.as_asgi()


def member(group: str) -> Any:
    """An application whose connections are members of a group."""
    member_class: Any = type("GroupMember", (Member,), {"groups": [group]})
    return member_class.as_asgi()


async def publish(group: str, path: str, text: str = texts.TEXT) -> None:
    """Send one line to all members of a group."""
    kind = "websocket.send" if path == "frame" else "member.line"
    await get_channel_layer().group_send(group, {"type": kind, "text": text})


async def hold_others(count: int) -> list[asyncio.Task[Any]]:
    """Let the layer hold ``count`` channels, each in a group of its own: one in five with somebody
    who waits for a message, the others with a message that nobody has read yet.

    More readers would be truer, and take upstream minutes: its receive() looks at every channel and
    group there is. That is why the readers come first.
    """
    layer = get_channel_layer()
    names = [await layer.new_channel() for _ in range(count)]
    readers = []
    for name in names[::5]:
        readers.append(asyncio.ensure_future(layer.receive(name)))
        await asyncio.sleep(0)
    for number, name in enumerate(names):
        if number % 5:
            await layer.send(name, {"type": "nobody.reads"})
        await layer.group_add(f"other-{number}", name)
    return readers
