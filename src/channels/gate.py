"""What may still be sent on a connection: the one place where its state towards the client is kept.

Servers differ in what they do with an event that comes too late: some raise, each an error of its
own, some drop the TCP connection. The gate decides before they are asked.
"""

import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

from asgiref.sync import markcoroutinefunction

from channels.direct import Write, frame_of, text_frame
from channels.layers.rules import CLOSE, DROP_OLDEST, Rules
from channels.layers.snapshot import frame_bytes
from channels.statistics import count
from channels.typing import Message, Send
from channels.wire import encodable, prepared

logger: logging.Logger = logging.getLogger("django.channels")


HELD_FRAME = 512
"""Bytes of memory that a held frame is counted with beside its content."""

ENDED_BY_CLOSE = (
    "websocket.send",
    "websocket.close",
    "websocket.http.response.start",
    "http.response.start",
    "http.response.body",
)
"""Events that mean nothing any more once the connection is closed."""


class State(Enum):
    """Where a connection stands towards its client."""

    WAITING = "waiting"
    """A WebSocket that was neither accepted nor closed, a request without response headers."""
    OPEN = "open"
    """An accepted WebSocket, a response that has begun."""
    CLOSED = "closed"
    """Nothing more can be said: closed by either side, or the response is complete."""


WAITING, OPEN, CLOSED = State


class Gate:
    """Passes events to the server's ``send`` as long as they can mean something.

    After the first ``accept`` or ``close`` a further ``accept`` is dropped; after a ``close``, the
    client's departure or the last part of a response everything is. A dropped event is one DEBUG
    line and answers ``False``; what is passed on answers what the server answers, ``None``.

    What no server could encode is mended or refused here, see :mod:`channels.wire`.

    Args:
        send: the server's.
        count_drop: called for each finished frame that comes too late, and with ``"full"`` for one
            that finds too many before it.
        write: the direct way past ``send``, see :mod:`channels.direct`.
    """

    __slots__ = (
        "_count_drop",
        "_denying",
        "_held",
        "_held_bytes",
        "_rules",
        "is_event_stream",
        "pass_on",
        "state",
        "write",
    )

    def __init__(
        self, send: Send, count_drop: Callable[..., None], write: Write | None = None
    ) -> None:
        self.state: State = WAITING
        self.is_event_stream: bool = False
        """Whether a response has begun that is a stream of server-sent events."""
        self.pass_on: Callable[[Message], Awaitable[Any]] = send
        """The server's ``send``, for what needs no look any more: in state OPEN, a
        ``websocket.send`` whose text can be encoded."""
        self._count_drop = count_drop
        self._held: list[Message] | None = None
        self._held_bytes = 0
        self._rules: Rules | None = None
        self._denying = False
        self.write: Write | None = write
        """Writes a finished frame, in state OPEN; ``False`` where :meth:`send` has to do it."""

    @markcoroutinefunction  # so that async_to_sync() takes it without a warning
    def send(self, message: Message) -> Awaitable[Any]:
        """Pass one event on, or drop it."""
        # No coroutine of our own for what passes: this is the path of every message.
        kind = message.get("type")
        if kind == "websocket.send" and self.state is not CLOSED:
            if self.write is not None and self.state is OPEN:
                frame = frame_of(message)
                if frame is not None and self.write(frame):
                    return _sent()
            text = message.get("text")
            if isinstance(text, str) and not text.isascii() and encodable(text) is not text:
                message = {**message, "text": encodable(text)}
            return self.pass_on(message)
        if self._is_late(kind):
            return self._drop(message)
        message = prepared(message)
        self._note(kind, message)
        if kind == "websocket.accept" and self._held is not None:
            held, self._held = self._held, None
            return self._accept(message, held)
        return self.pass_on(message)

    def write_text(self, text: str | bytes) -> bool:
        """Send a text frame on the direct way; ``False`` where :meth:`send` has to do it.

        Args:
            text: bytes are UTF-8.
        """
        write = self.write
        return write is not None and self.state is OPEN and write(text_frame(text))

    @markcoroutinefunction
    def send_frame(self, message: Message) -> Awaitable[Any]:
        """Pass on a frame that needs no handler; before ``accept`` it is held until then."""
        if self.state is WAITING:
            return self._hold(message)
        return self._offer_frame(message)

    async def offer(self, message: Message) -> Any:
        """Pass one event on, or drop it, as :meth:`send` does; ``False`` also where the server
        raises because the client has gone."""
        try:
            return await self.send(message)
        except OSError as error:
            if not self.lost(error):
                raise
            return False

    async def _offer_frame(self, message: Message) -> Any:
        try:
            answer = await self.send(message)
        except OSError as error:
            if not self.lost(error):
                raise
            answer = False
        if answer is False:
            self._count_drop()
        return answer

    def lost(self, error: OSError) -> bool:
        """Whether a server says by ``error``, which its ``send`` raised, that the client has gone.
        Then nothing more is sent."""
        if not says_gone(error):
            return False
        logger.debug("The client has gone, says the server: %r.", error)
        self.close()
        return True

    def limit(self, rules: Rules) -> None:
        """Set how much may be held before ``accept``, and what becomes of what is over."""
        self._rules = rules

    def close(self) -> None:
        """Nothing can be sent from now on: the client has gone."""
        self.state = CLOSED
        self._denying = False
        for _ in self._held or ():
            self._count_drop()
        self._held = None

    def _is_late(self, kind: Any) -> bool:
        if kind == "websocket.accept":
            return self.state is not WAITING
        if kind == "websocket.http.response.body":
            return not self._denying
        return kind in ENDED_BY_CLOSE and self.state is CLOSED

    def _note(self, kind: Any, message: Message) -> None:
        """Note what an event that passes makes of the connection."""
        more = bool(message.get("more_body", False))
        if kind == "websocket.accept":
            self.state = OPEN
            count("connections.accepted")
        elif kind == "http.response.start":
            self.state = OPEN
            self.is_event_stream = is_event_stream(message)
        elif kind == "websocket.close":
            self.close()
        elif kind == "http.response.body" and not more:
            self.state = CLOSED
        elif kind == "websocket.http.response.start":
            # A denial with a response of its own; its body follows.
            self.close()
            self._denying = True
        elif kind == "websocket.http.response.body":
            self._denying = more

    async def _accept(self, message: Message, held: list[Message]) -> Any:
        try:
            answer = await self.pass_on(message)
            while held:
                await self.send_frame(held.pop(0))
        finally:
            for _ in held:  # the server refused to accept, or the connection ends meanwhile
                self._count_drop()
        return answer

    async def _hold(self, message: Message) -> None:
        if self._held is None:
            self._held = []
        self._held.append(message)
        self._held_bytes += HELD_FRAME + frame_bytes(message)
        rules = self._rules
        if rules is None or rules.most_bytes is None:
            return
        while self._held_bytes > rules.most_bytes and len(self._held) > 1:
            dropped = self._held.pop(0 if rules.on_full == DROP_OLDEST else -1)
            self._held_bytes -= HELD_FRAME + frame_bytes(dropped)
            self._count_drop("full")
            if rules.on_full == CLOSE and rules.overflow is not None:
                rules.overflow()

    async def _drop(self, message: Message) -> bool:
        logger.debug(
            "Nothing was sent for %r: the connection is %s.", message.get("type"), self.state.value
        )
        return False


async def _sent() -> None:
    """What remains of a send that is done already."""


def is_event_stream(start: Message) -> bool:
    """Whether the response that begins with ``start`` is a stream of server-sent events.

    Its client takes the end of the stream as a reason to connect again. The end of any other
    response says that it is complete.
    """
    for name, value in start.get("headers") or ():
        if name.lower() == b"content-type":
            return bool(value.lower().startswith(b"text/event-stream"))
    return False


def says_gone(error: OSError) -> bool:
    """Whether a server's ``send`` says by ``error`` that the client has gone.

    ASGI has servers raise an ``OSError`` of their own for it ("Disconnected Client"). Of Python's
    the connection errors count; others, such as a timeout or a missing file, are a middleware's.
    """
    return isinstance(error, ConnectionError) or type(error).__module__ != "builtins"
