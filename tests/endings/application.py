"""What the servers serve: consumers that end as their client tells them, and a journal of it.

The path says which consumer, the query string by what name the journal knows the connection. The
client's first frame sets off what is to happen.
"""

import asyncio
import json
import os
import threading
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.endings.settings")
django.setup()

from asgiref.sync import async_to_sync
from django.urls import path

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter

HANG_SECONDS = 60
"""How long a sync handler hangs: longer than any test waits."""


SEND_EVERY = 0.02


def note(name: str, **entry: Any) -> None:
    """Add a line to the journal. A line that is appended with one write stays one."""
    line = json.dumps({"name": name, **entry}) + "\n"
    journal = os.open(os.environ["ENDINGS_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(journal, line.encode())
    finally:
        os.close(journal)


class Failed(Exception):
    """The consumer's own."""


class Family:
    """What the two families share."""

    scope: Any

    @property
    def name(self) -> str:
        return str(self.scope["query_string"].decode())

    @property
    def ending(self) -> str:
        return str(self.scope["url_route"]["kwargs"]["ending"])

    def joined(self) -> list[str]:
        # Of a layer that is not ours, groups that the consumer does not list are its own to leave.
        by_hand = [] if self.ending == "layer_fails" else [f"by-hand-{self.name}"]
        return [*self.groups, *by_hand]

    def decide(self, exc: Exception) -> int | None:
        return 4003 if self.ending == "on_error" else None


class Async(Family, AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.groups.append(f"own-{self.name}")
        for group in self.joined():
            await self.channel_layer.group_add(group, self.channel_name)
        if self.ending == "deny":
            await self.close()
            return
        if self.ending == "connect_raises":
            raise Failed
        await self.accept()
        if self.ending == "connect_raises_late":
            raise Failed

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        match self.ending:
            case "close":
                await self.close(4002, "enough")
            case "receive_raises" | "on_error":
                raise Failed
            case "stop":
                raise StopConsumer
            case "layer_handler_raises" | "layer_handler_closes" | "layer_fails":
                await self.channel_layer.send(self.channel_name, {"type": "fail"})
            case "hang":
                await self.send("hangs")
                await asyncio.Event().wait()
            case "cancel":
                cancel_soon(self)
            case "send_late":
                answer = await self.send("ready")
                while answer is None:
                    await asyncio.sleep(SEND_EVERY)
                    answer = await self.send("late")
                note(self.name, late=[answer, await self.send("later"), await self.close()])
            case _:
                await self.send("ready")

    async def fail(self, event: Any) -> None:
        if self.ending == "layer_handler_closes":
            await self.close(4002)
            return
        raise Failed

    async def on_error(self, exc: Exception) -> int | None:
        return self.decide(exc)

    async def disconnect(self, code: int) -> None:
        note(self.name, disconnect=code)


class Sync(Family, WebsocketConsumer):
    def connect(self) -> None:
        self.groups.append(f"own-{self.name}")
        for group in self.joined():
            async_to_sync(self.channel_layer.group_add)(group, self.channel_name)
        if self.ending == "deny":
            self.close()
            return
        if self.ending == "connect_raises":
            raise Failed
        self.accept()
        if self.ending == "connect_raises_late":
            raise Failed

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        match self.ending:
            case "close":
                self.close(4002, "enough")
            case "receive_raises" | "on_error":
                raise Failed
            case "stop":
                raise StopConsumer
            case "layer_handler_raises" | "layer_handler_closes" | "layer_fails":
                send = async_to_sync(self.channel_layer.send)
                send(self.channel_name, {"type": "fail"})
            case "hang":
                self.send("hangs")
                threading.Event().wait(HANG_SECONDS)
            case "cancel":
                cancel_soon(self)
            case "send_late":
                answer = self.send("ready")
                while answer is None:
                    time.sleep(SEND_EVERY)
                    answer = self.send("late")
                note(self.name, late=[answer, self.send("later"), self.close()])
            case _:
                self.send("ready")

    def fail(self, event: Any) -> None:
        if self.ending == "layer_handler_closes":
            self.close(4002)
            return
        raise Failed

    def on_error(self, exc: Exception) -> int | None:
        return self.decide(exc)

    def disconnect(self, code: int) -> None:
        note(self.name, disconnect=code)


def cancel_soon(consumer: Any) -> None:
    loop, task = consumer.scope["task"]
    loop.call_soon_threadsafe(task.cancel)


def served(consumer: Any) -> Any:
    """The consumer's application, which notes when it is over and what is left of its groups."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        name = scope["query_string"].decode()
        scope["task"] = asyncio.get_running_loop(), asyncio.current_task()
        fails = scope["url_route"]["kwargs"]["ending"] == "layer_fails"
        alias = "failing" if fails else "default"
        one = type(consumer.__name__, (consumer,), {"channel_layer_alias": alias})
        raised = ""
        try:
            await one.as_asgi()(scope, receive, send)
        except BaseException as error:
            raised = type(error).__name__
            raise
        finally:
            left = [group for group in get_channel_layer(alias).groups if name in group]
            note(name, over=True, groups=left, raised=raised)

    return application


application = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [
                path("async/<str:ending>/", served(Async)),
                path("sync/<str:ending>/", served(Sync)),
            ]
        )
    }
)
