"""HTTP requests that may take their time: long poll, server-sent events, any streaming response."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from channels.connection import Connection
from channels.consumer import AsyncConsumer
from channels.db import aclose_old_connections
from channels.exceptions import StopConsumer
from channels.gate import CLOSED, OPEN
from channels.limits.door import answer, report
from channels.typing import Message

__all__ = ["AsyncHttpConsumer", "BodyTypeError", "aclose_old_connections"]

HeaderPairs = Iterable[tuple[bytes | str, bytes | str]]
HeaderMapping = Mapping[bytes, bytes] | Mapping[str, str]

FRAMING_HEADERS = frozenset({b"connection", b"transfer-encoding"})
"""How a response is framed on the wire is the server's business; these would contradict it."""


class BodyTypeError(AssertionError, TypeError):
    """A body that is not bytes. (Upstream raises a bare ``AssertionError``.)"""


class AsyncHttpConsumer(AsyncConsumer):
    """A request, answered by :meth:`handle`, now or later.

    ``handle`` runs in a task of its own, beside which the handlers of layer messages run one at a
    time; either may send. The consumer lives until ``handle`` has returned and the response is
    complete (a ``handle`` that returns without having begun one ends it too), or until the client
    leaves: that cancels a ``handle`` that has not completed its response. Then
    :meth:`disconnect` runs, exactly once.

    An exception in ``handle`` ends the consumer and leaves the application; before the headers
    were sent, servers answer it with status 500.
    """

    _connection: Connection  # pyright: ignore[reportIncompatibleVariableOverride]
    body: list[bytes]
    """The parts of the request's body that have come."""

    _handling: asyncio.Task[None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Takes whatever as_asgi() was given, and keeps it from `object`: subclasses read it before
        # or after they call super().
        self.body = []

    def _begin_connection(self) -> None:
        self.body = []
        self._body_bytes = 0
        self._handling = None

    async def handle(self, body: bytes) -> None:
        """Answer the request, whose whole body is ``body``."""
        raise NotImplementedError("Subclasses of AsyncHttpConsumer must provide a handle() method.")

    async def send(self, message: Message) -> Any:
        answer = await super().send(message)
        handled = self._handling is not None and self._handling.done()
        if handled and self._connection.gate.state is CLOSED:
            # A layer handler has just completed what handle() began.
            self._connection.stop_soon()
        return answer

    async def send_headers(
        self, *, status: int = 200, headers: HeaderPairs | HeaderMapping | None = None
    ) -> None:
        """Begin the response. Servers send the headers with the first part of the body.

        Args:
            headers: pairs or a mapping. ``Connection`` and ``Transfer-Encoding`` are dropped.
        """
        given: Any = headers or ()  # the two shapes share no type that checkers follow
        pairs = given.items() if isinstance(given, Mapping) else given
        encoded = [(_latin1(name), _latin1(value)) for name, value in pairs]
        kept = [pair for pair in encoded if pair[0].lower() not in FRAMING_HEADERS]
        await self.send({"type": "http.response.start", "status": status, "headers": kept})

    async def send_body(self, body: bytes, *, more_body: bool = False) -> None:
        """Send a part of the body; the last one unless ``more_body`` is true.

        Raises:
            BodyTypeError: ``body`` is not bytes.
        """
        if not isinstance(body, bytes):
            wrong = BodyTypeError("Body is not bytes")
            wrong.add_note(f"It is {body!r:.200}; encode text first, as in 'text'.encode().")
            raise wrong
        await self.send({"type": "http.response.body", "body": body, "more_body": more_body})

    async def send_response(self, status: int, body: bytes, **kwargs: Any) -> None:
        """Send a whole response; ``kwargs`` are those of :meth:`send_headers`."""
        await self.send_headers(status=status, **kwargs)
        await self.send_body(body)

    async def disconnect(self) -> None:
        """The request is over. Called exactly once, whatever ended it."""

    async def http_request(self, message: Message) -> None:
        self._connection.owe("http.disconnect")
        if "body" in message:
            self.body.append(message["body"])
            self._body_bytes += len(message["body"])
            most = self._limits.body_bytes
            if most is not None and self._body_bytes > most:
                await self._refuse_body()
                return
        if not message.get("more_body"):
            self._handling = self._connection.start(self._handle)

    async def http_disconnect(self, message: Message) -> None:
        gate = self._connection.gate
        client_left = gate.state is not CLOSED  # servers send this after a whole response too
        gate.close()
        try:
            if self._handling is not None and not self._handling.done():
                limit: float | None = None
                if client_left:
                    self._handling.cancel()
                    # It may take its time to clean up, and not for ever.
                    limit = self._connection.grace_limit()
                await asyncio.wait([self._handling], timeout=limit)
        finally:
            await self.disconnect()
        raise StopConsumer

    async def _refuse_body(self) -> None:
        self.body = []
        report(self.scope, self._limits, "body_bytes")
        await answer(self._connection.gate.send, 413, "Request body too large")
        raise StopConsumer

    async def _handle(self) -> None:
        await self.handle(b"".join(self.body))
        if self._connection.gate.state is not OPEN:
            self._connection.stop_soon()


def _latin1(text: bytes | str) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text
