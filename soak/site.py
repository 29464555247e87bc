"""The application that is soaked: rooms, sync and async, JSON, event streams, and a listener.

Clients say what is to be done in JSON: ``{"do": "say", "room": "r3"}``.
"""

import asyncio
import json
import time
from typing import Any

import django

django.setup()

from asgiref.sync import async_to_sync  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from channels.exceptions import ChannelFull  # noqa: E402
from channels.generic.http import AsyncHttpConsumer  # noqa: E402
from channels.generic.websocket import (  # noqa: E402
    AsyncJsonWebsocketConsumer,
    JsonWebsocketConsumer,
)
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from soak import ledger  # noqa: E402
from soak.ledger import count, rooms  # noqa: E402

ledger.watch_deliveries()

FRAME = "F:"
"""What a finished frame's text begins with."""


def said(room: str) -> dict[str, Any]:
    return {"type": "said", "room": room, "number": rooms.number(), "text": "x" * 100}


class Talker(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        count("connected")
        self.rooms: set[str] = set()
        self.home = self.scope["url_route"]["kwargs"]["room"]
        await self.join(self.home)
        await self.accept()
        count("accepted")

    async def join(self, room: str) -> None:
        await self.channel_layer.group_add(room, self.channel_name)
        if room not in self.rooms:
            self.rooms.add(room)
            count("joined")

    async def leave(self, room: str) -> None:
        await self.channel_layer.group_discard(room, self.channel_name)
        if room in self.rooms:
            self.rooms.discard(room)
            count("left")

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        do = content.get("do") if isinstance(content, dict) else None
        room = str(content["room"]) if do else ""
        if do == "say":
            message = said(room)
            await self.channel_layer.group_send(room, message)
            rooms.took(room, message["number"])
        elif do == "frame":
            text = FRAME + "y" * 100
            await self.channel_layer.group_send(room, {"type": "websocket.send", "text": text})
        elif do == "join":
            await self.join(room)
        elif do == "leave":
            await self.leave(room)
        elif do == "self":
            try:
                await self.channel_layer.send(self.channel_name, {"type": "own"})
            except ChannelFull:
                count("channel full")
        elif do == "slow":
            await asyncio.sleep(content["seconds"])
        elif do == "fail":
            raise RuntimeError("a handler fails (on purpose)")
        elif do == "close":
            await self.close(4000)
        else:
            await self.send_json(content)

    async def said(self, event: Any) -> None:
        count("handled")
        await self.send_json(event)

    async def own(self, event: Any) -> None:
        count("handled")

    async def group_gap(self, event: Any) -> None:
        count("handled")

    async def disconnect(self, code: int) -> None:
        # The groups themselves are left by the consumer.
        count("left", len(self.rooms))
        count("disconnected")


class SyncTalker(JsonWebsocketConsumer):
    def connect(self) -> None:
        count("connected")
        self.home = self.scope["url_route"]["kwargs"]["room"]
        self.joined = False
        async_to_sync(self.channel_layer.group_add)(self.home, self.channel_name)
        self.joined = True
        count("joined")
        self.accept()
        count("accepted")

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        do = content.get("do") if isinstance(content, dict) else None
        if do == "say":
            message = said(self.home)
            async_to_sync(self.channel_layer.group_send)(self.home, message)
            rooms.took(self.home, message["number"])
        elif do == "slow":
            time.sleep(content["seconds"])
        elif do == "fail":
            raise RuntimeError("a handler fails (on purpose)")
        else:
            self.send_json(content)

    def said(self, event: Any) -> None:
        count("handled")
        self.send_json(event)

    def group_gap(self, event: Any) -> None:
        count("handled")

    def disconnect(self, code: int) -> None:
        count("left", self.joined)
        count("disconnected")


class Listener(AsyncJsonWebsocketConsumer):
    """Always there, and only listens: what was said in its room and was not heard is a loss."""

    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["room"]
        while True:
            try:
                await self.channel_layer.group_add(self.room, self.channel_name)
                break
            except ConnectionError:
                await asyncio.sleep(0.1)
        self.heard = rooms.listen(self.room)
        await self.accept()

    async def said(self, event: Any) -> None:
        count("handled")
        self.heard.said(event["number"])

    async def group_gap(self, event: Any) -> None:
        count("handled")
        self.heard.missed(event.get("missed"))

    async def disconnect(self, code: int) -> None:
        # Nothing that is said from now on is for it.
        rooms.heard.pop(self.room, None)


class Stream(AsyncHttpConsumer):
    """Server-sent events until the client leaves."""

    joined = False

    async def handle(self, body: bytes) -> None:
        await self.channel_layer.group_add("stream", self.channel_name)
        self.joined = True
        count("joined")
        await self.send_headers(headers=[(b"content-type", b"text/event-stream")])
        await self.send_body(b": hello\n\n", more_body=True)
        await asyncio.Event().wait()

    async def said(self, event: Any) -> None:
        count("handled")
        data = f"data: {event['number']}\n\n".encode()
        await self.send_body(data, more_body=True)

    async def group_gap(self, event: Any) -> None:
        count("handled")

    async def disconnect(self) -> None:
        count("left", self.joined)


class State(AsyncHttpConsumer):
    channel_layer_alias = None

    async def handle(self, body: bytes) -> None:
        await self.send_response(200, json.dumps(ledger.state()).encode())


def counting_frames(application: Any) -> Any:
    """Count the finished frames that the server takes."""

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        async def counting_send(message: Any) -> None:
            if not (message.get("text") or "").startswith(FRAME):
                await send(message)
                return
            try:
                await send(message)
            except OSError:
                raise  # the client had gone: the package counts it as dropped
            except BaseException:
                count("frames")  # it was on its way when the connection ended
                raise
            count("frames")

        await application(scope, receive, counting_send)

    return counted


ROOM = "<slug:room>/"
application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [path("state/", State.as_asgi()), re_path(r"^stream/$", Stream.as_asgi())]
        ),
        "websocket": AllowedHostsOriginValidator(
            counting_frames(
                URLRouter(
                    [
                        path(f"talk/{ROOM}", Talker.as_asgi()),
                        path(f"sync/{ROOM}", SyncTalker.as_asgi()),
                        path(f"listen/{ROOM}", Listener.as_asgi()),
                    ]
                )
            ),
            allow_missing_origin=True,
        ),
    }
)
assert get_channel_layer() is not None
