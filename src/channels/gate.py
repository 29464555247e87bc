"""What may still be sent on a connection: the one place where its state towards the client is kept.

Servers differ in what they do with an event that comes too late: some raise, each an error of its
own, some drop the TCP connection. The gate decides before they are asked.
"""

import logging
from collections.abc import Awaitable, Callable, Generator
from enum import Enum
from typing import Any

from channels.typing import Message, Send

logger = logging.getLogger("django.channels")


class State(Enum):
    """Where a connection stands towards its client."""

    WAITING = "waiting"
    """A WebSocket that was neither accepted nor closed, a request without response headers."""
    OPEN = "open"
    """An accepted WebSocket, a response that has begun."""
    CLOSED = "closed"
    """Nothing more can be said: closed by either side, or the response is complete."""


class Gate:
    """Passes events to the server's ``send`` as long as they can mean something.

    After the first ``accept`` or ``close`` a further ``accept`` is dropped; after a ``close``, the
    client's departure or the last part of a response everything is. A dropped event is one DEBUG
    line and answers ``False``; what is passed on answers what the server answers, ``None``.
    """

    __slots__ = ("_held", "_send", "state")

    def __init__(self, send: Send) -> None:
        self.state = State.WAITING
        self._send: Callable[[Message], Awaitable[Any]] = send
        self._held: list[Message] | None = None

    def send(self, message: Message) -> Awaitable[Any]:
        """Pass one event on, or drop it."""
        # No coroutine of our own: this is the path of every message.
        kind = message.get("type")
        if kind == "websocket.send":
            if self.state is State.CLOSED:
                return self._drop(message)
            return self._send(message)
        return self._send_other(kind, message)

    def send_frame(self, message: Message) -> Awaitable[Any]:
        """Pass on a frame that needs no handler; before ``accept`` it is held until then."""
        if self.state is State.WAITING:
            if self._held is None:
                self._held = []
            self._held.append(message)
            return _Answer(None)
        return self.send(message)

    def close(self) -> None:
        """Nothing can be sent from now on: the client has gone."""
        self.state = State.CLOSED
        self._held = None

    def _send_other(self, kind: Any, message: Message) -> Awaitable[Any]:
        if kind == "websocket.accept":
            if self.state is not State.WAITING:
                return self._drop(message)
            self.state = State.OPEN
            if self._held is not None:
                held, self._held = self._held, None
                return self._accept(message, held)
        elif kind == "websocket.close":
            if self.state is State.CLOSED:
                return self._drop(message)
            self.close()
        elif kind == "http.response.start":
            if self.state is State.CLOSED:
                return self._drop(message)
            self.state = State.OPEN
        elif kind == "http.response.body":
            if self.state is State.CLOSED:
                return self._drop(message)
            if not message.get("more_body", False):
                self.state = State.CLOSED
        elif kind == "websocket.http.response.start":
            # A denial with a response of its own; its body follows.
            self.state = State.CLOSED
        return self._send(message)

    async def _accept(self, message: Message, held: list[Message]) -> Any:
        answer = await self._send(message)
        for frame in held:
            await self.send(frame)
        return answer

    def _drop(self, message: Message) -> Awaitable[Any]:
        logger.debug(
            "Nothing was sent for %r: the connection is %s.", message.get("type"), self.state.value
        )
        return _Answer(False)


class _Answer:
    """An awaitable that is done."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[None, None, Any]:
        return self._value
        yield  # a generator, as __await__ has to return
