"""A request that can be told that its client has gone, also while it waits for the server."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from asgiref.sync import markcoroutinefunction

from channels.gate import is_event_stream
from channels.live import Live
from channels.typing import ASGIApplication, Message, Receive, Scope, Send


class Request:
    """Stands between the server and an HTTP application, whichever it is.

    Every application has to end when it receives ``http.disconnect``; Django's own cancels the
    view. So that is how a drain ends it. An event stream's response is completed afterwards: to its
    client that is a reason to connect again, and no failure. A request that has no answer by then
    gets a 503. Any other response stays torn, because it must not look complete.
    """

    def __init__(self, live: Live, receive: Receive, send: Send) -> None:
        self.is_event_stream: bool = False
        self._live = live
        self._receive = receive
        self._send = send
        self._waits: asyncio.Task[Any] | None = None
        self._ends = False
        self._interrupted = False
        self._has_begun = False
        self._is_complete = False

    async def serve(self, application: ASGIApplication, scope: Scope) -> Any:
        """Serve the request; returns what the application returns."""
        self._live.requests.add(self)
        try:
            answer = await application(scope, self.receive, self.send)
        finally:
            self._live.requests.discard(self)
        if self._ends and not self._is_complete:
            await self._complete()
        return answer

    async def _complete(self) -> None:
        if not self._has_begun:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await self._send({"type": "http.response.start", "status": 503, "headers": headers})
            await self._send({"type": "http.response.body", "body": b"Service Unavailable"})
        elif self.is_event_stream:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def end_soon(self) -> None:
        """Let the application receive ``http.disconnect``, now if it waits for something."""
        self._ends = True
        if self._waits is not None and not self._interrupted:
            self._interrupted = True
            self._waits.cancel()

    async def receive(self) -> Message:
        if self._ends:
            return {"type": "http.disconnect"}
        task = self._waits = asyncio.current_task()
        assert task is not None, "asyncio runs coroutines in tasks"
        cancels_before = task.cancelling()
        try:
            return await self._receive()
        except asyncio.CancelledError:
            # Ours alone is an event; anybody else's is one, too, and stays what it is.
            if not self._interrupted or task.uncancel() > cancels_before:
                raise
            return {"type": "http.disconnect"}
        finally:
            self._waits = None

    @markcoroutinefunction  # so that async_to_sync() takes it without a warning
    def send(self, message: Message) -> Awaitable[Any]:
        kind = message.get("type")
        if kind == "http.response.start":
            self._has_begun = True
            self.is_event_stream = is_event_stream(message)
        elif kind == "http.response.body":
            self._is_complete = not message.get("more_body", False)
        return self._send(message)
