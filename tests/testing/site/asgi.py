"""Consumers that use the database, sync and async."""

from typing import Any

from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.urls import path

http = get_asgi_application()

from channels.db import database_sync_to_async  # noqa: E402
from channels.generic.websocket import (  # noqa: E402
    AsyncWebsocketConsumer,
    WebsocketConsumer,
)
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402


def add(name: str) -> str:
    User.objects.create(username=name)
    return ",".join(User.objects.order_by("id").values_list("username", flat=True))


class Sync(WebsocketConsumer):
    def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        self.send(text_data=add(text_data))


class Async(AsyncWebsocketConsumer):
    groups = ["everybody"]

    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        await self.send(text_data=await database_sync_to_async(add)(text_data))

    async def note(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": URLRouter([path("sync/", Sync.as_asgi()), path("async/", Async.as_asgi())]),
    }
)
