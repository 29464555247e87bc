"""Consumers that fail where they are told to, and what brings them there."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from channels.layers import get_channel_layer
from channels.typing import Message
from tests.behaviours.tools import written_for
from tests.client import Client, frame, leave, settle

Steps = Iterator[Any]


class Failed(Exception):
    """A handler's own."""


def connect(self: Any) -> Steps:
    yield self.channel_layer.group_add("by-hand", self.channel_name) if not self._sync else None
    self.log.append("connect")
    if self.fails == "connect":
        raise self.error
    yield self.accept()
    if self.fails == "after accept":
        raise self.error


def receive(self: Any, text_data: str) -> Steps:
    if self.fails == "receive":
        raise self.error
    yield self.send(text_data)


def note(self: Any, event: Message) -> Steps:
    if self.fails == "note":
        raise self.error
    yield self.send("note")


def disconnect(self: Any, code: int) -> Steps:
    self.log.append(code)
    if self.fails == "disconnect":
        raise self.error
    yield None


def failing(base: type, fails: str, error: BaseException | None = None) -> tuple[Any, list[Any]]:
    """An application that raises ``error`` in one place, and the account that it keeps."""
    log: list[Any] = []
    body = {"connect": connect, "receive": receive, "note": note, "disconnect": disconnect}
    more = {"groups": ["room"], "fails": fails, "error": error or Failed("mine"), "log": log}
    return written_for(base, **body, **more).as_asgi(), log  # type: ignore[attr-defined]


def nothing_left() -> None:
    """The layer knows nothing of the connections that were."""
    layer = get_channel_layer()
    assert layer.groups == {}
    assert layer.channels == {}


async def provoke(client: Client, where: str) -> None:
    """Bring the connection to the place where it fails."""
    if where in ("receive", "note", "disconnect"):
        await client.answers(1)
    if where == "receive":
        client.says(frame("x"))
    elif where == "note":
        await get_channel_layer().group_send("room", {"type": "note"})
    elif where == "disconnect":
        client.says(leave(4001))


@asynccontextmanager
async def no_task_left() -> AsyncIterator[None]:
    """The block leaves no task behind."""
    before = asyncio.all_tasks()
    yield
    await settle()
    # A fixture's end runs in a task of its own.
    assert asyncio.all_tasks() - {asyncio.current_task()} <= before
