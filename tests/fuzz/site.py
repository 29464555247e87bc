"""An application that does with a client's input what applications do with it.

Nothing here protects itself: what a client sends becomes JSON, group messages, group names, close
reasons, headers. ``/state/`` says what the process holds.
"""

import asyncio
import gc
import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import django

django.setup()

from django.urls import path, re_path  # noqa: E402

import channels  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.generic.http import AsyncHttpConsumer  # noqa: E402
from channels.generic.websocket import (  # noqa: E402
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
)
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

PACKAGE = Path(channels.__file__).parent
counts: Counter[str] = Counter()


class Counted:
    """Counts the beginnings and ends of every consumer."""

    async def websocket_connect(self, message: Any) -> None:
        counts["connected"] += 1
        await super().websocket_connect(message)  # type: ignore[misc]

    async def disconnect(self, code: int) -> None:
        counts["disconnected"] += 1


class Json(Counted, AsyncJsonWebsocketConsumer):
    """What one client says goes to all of them, as it was decoded."""

    groups = ["json"]

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        message = {"type": "said", "content": content}
        await self.channel_layer.group_send("json", message)

    async def said(self, event: Any) -> None:
        await self.send_json(event["content"])


class SyncJson(JsonWebsocketConsumer):
    def websocket_connect(self, message: Any) -> None:
        counts["connected"] += 1
        super().websocket_connect(message)

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        self.send_json(content)

    def disconnect(self, code: int) -> None:
        counts["disconnected"] += 1


class Room(Counted, AsyncWebsocketConsumer):
    """Speaks of the JSON value's texts in frames that are text: as templates make them."""

    groups = ["room"]

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data is None:
            frame: dict[str, Any] = {"type": "websocket.send", "bytes": bytes_data}
        else:
            try:
                said = json.loads(text_data)
            except (ValueError, RecursionError):
                said = text_data
            if isinstance(said, dict) and "handled" in said:
                frame = {"type": "said", "text": str(said["handled"])[:5000]}
            else:
                frame = {"type": "websocket.send", "text": str(said)[:5000]}
        await self.channel_layer.group_send("room", frame)

    async def said(self, event: Any) -> None:
        await self.send(text_data=f"<p>{event['text']}</p>")


class Named(Counted, AsyncWebsocketConsumer):
    """A group for each text that somebody puts into the path."""

    async def connect(self) -> None:
        self.name = self.scope["url_route"]["kwargs"]["name"]
        await self.channel_layer.group_add(self.name, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await super().disconnect(code)
        await self.channel_layer.group_discard(self.name, self.channel_name)


class Polite(Counted, AsyncWebsocketConsumer):
    """Speaks the first subprotocol, and closes with the client's words as the reason."""

    async def connect(self) -> None:
        offered = self.scope["subprotocols"]
        await self.accept(subprotocol=offered[0] if offered else None)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.close(code=4000, reason=text_data)


class Witness(Counted, AsyncWebsocketConsumer):
    """Echoes."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data=text_data, bytes_data=bytes_data)


class Body(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        counts["requests"] += 1
        user = str(self.scope["user"])
        await self.send_response(200, f"{len(body)} {user}".encode())


def _is_ours(task: "asyncio.Task[Any]") -> bool:
    """Whether a task runs code of the package: servers leave some of their own behind."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and str(PACKAGE) in code.co_filename


class State(AsyncHttpConsumer):
    """What the process holds: counters, mailboxes, groups, our tasks, threads."""

    async def handle(self, body: bytes) -> None:
        layer: Any = get_channel_layer()
        gc.collect()
        state = {
            **counts,
            "channels": len(layer.channels),
            "groups": sum(map(len, layer.groups.values())),
            "tasks": sum(map(_is_ours, asyncio.all_tasks())),
            "threads": threading.active_count(),
        }
        await self.send_response(200, json.dumps(state).encode())


websockets = AuthMiddlewareStack(
    URLRouter(
        [
            path("json/", Json.as_asgi()),
            path("sync/", SyncJson.as_asgi()),
            path("room/", Room.as_asgi()),
            path("named/<path:name>/", Named.as_asgi()),
            path("number/<int:name>/", Named.as_asgi()),
            re_path(r"^pattern/(?P<name>\w{1,20})/$", Named.as_asgi()),
            path("polite/", Polite.as_asgi()),
            path("witness/", Witness.as_asgi()),
        ]
    )
)
application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                path("state/", State.as_asgi()),
                re_path("", AuthMiddlewareStack(Body.as_asgi())),
            ]
        ),
        "websocket": AllowedHostsOriginValidator(websockets, allow_missing_origin=True),
    }
)
