"""A client of one connection, in the same loop: says events, keeps what it is told."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from channels.typing import ASGIApplication, Message, Scope
from tests.wire import http, websocket

CONNECT: Message = {"type": "websocket.connect"}
PATIENCE = 10
"""Seconds after which something that must happen is taken not to."""


def frame(text: str) -> Message:
    return {"type": "websocket.receive", "text": text}


def leave(code: int = 1001) -> Message:
    return {"type": "websocket.disconnect", "code": code, "reason": ""}


def request(body: bytes = b"", more_body: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more_body}


HTTP_LEAVE: Message = {"type": "http.disconnect"}


async def settle() -> None:
    """Let everything run that can, as long as it needs no thread."""
    for _ in range(30):
        await asyncio.sleep(0)


class Client:
    """Starts the application in a task; the block's end waits for it, or cancels it if it failed.

    The application's exception is raised by :meth:`ended` and not by the block's end.
    """

    def __init__(
        self, application: ASGIApplication, *events: Message, scope: Scope | None = None
    ) -> None:
        self.application = application
        self.scope = scope or (
            http() if events and events[0]["type"].startswith("http") else websocket()
        )
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self._news = asyncio.Event()
        self.task: asyncio.Task[Any]
        self.says(*events)

    def says(self, *events: Message) -> None:
        for event in events:
            self.events.put_nowait(event)

    async def receive(self) -> Message:
        return await self.events.get()

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self._news.set()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds that an answer of the application brings about.

        Raises what the application ended with, if it ended before.
        """
        async with asyncio.timeout(PATIENCE):
            while not holds():
                assert not self.task.done(), f"it ended: {self.task.result()}"
                self._news.clear()
                await self._news.wait()

    async def answers(self, number: int) -> list[Message]:
        """Wait until the application has sent so many events."""
        await self.until(lambda: len(self.sent) >= number)
        return self.sent

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if "text" in message]

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(
            self.application(self.scope, self.receive, self.send)  # type: ignore[arg-type]
        )
        self.task.add_done_callback(lambda _: self._news.set())
        return self

    async def ended(self) -> Any:
        """Wait for the application and return or raise what it ended with."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self.task])
        return self.task.result()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is not None and not self.task.done():
            self.task.cancel()
        with suppress(BaseException):
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait([self.task])
        if not self.task.done():
            self.task.cancel()
            raise AssertionError("the application did not end")
        if not self.task.cancelled():
            self.task.exception()  # seen
