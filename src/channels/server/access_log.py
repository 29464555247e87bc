"""A line for each request and for each step of a WebSocket's life, as people know them.

::

    HTTP GET /polls/?page=2 200 [0.05, 127.0.0.1:55412]
    WebSocket HANDSHAKING /ws/chat/ [127.0.0.1:55414]
    WebSocket CONNECT /ws/chat/ [127.0.0.1:55414]
    WebSocket DISCONNECT /ws/chat/ [127.0.0.1:55414]

A WebSocket's query string is left out: that is where browsers put tokens.
"""

import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.core.management.color import Style, no_style

from channels.direct import passing_frames
from channels.typing import ASGIApplication, Message, Receive, Scope, Send

logger: logging.Logger = logging.getLogger("django.channels.server")

HTTP_LINE = "HTTP %(method)s %(path)s %(status)s [%(time_taken).2f, %(client)s]"
WEBSOCKET_LINE = "WebSocket {action} %(path)s [%(client)s]"


class AccessLog:
    """Wraps an application and logs on ``django.channels.server``.

    A request is logged when its last byte was handed to the server, or when it ended before: with
    the status that the client saw, 500 if the application failed without an answer, and not at all
    if the client left before there was one. The level is WARNING for 4xx and ERROR for 5xx. The
    record's ``args`` is a dictionary with ``path``, ``client`` and, for HTTP, ``method``,
    ``status``, ``time_taken`` (seconds) and ``size`` (bytes of the body).

    Control characters that a client smuggles into its request are shown escaped, so that one line
    stays one line, and nobody's terminal is coloured but by ``style``.
    """

    def __init__(
        self,
        application: ASGIApplication,
        *,
        style: Style | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._application = application
        self._style: Any = style or no_style()
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = self._clock()
        status: int | None = None
        size = 0
        logged = gone = False

        def log(code: int) -> None:
            nonlocal logged
            logged = True
            details = {
                "method": printable(scope["method"]),
                "path": _path(scope) + _query(scope),
                "status": code,
                "client": _client(scope),
                "time_taken": self._clock() - began,
                "size": size,
            }
            logger.log(
                _level(code), self._coloured(code, HTTP_LINE), details, extra={"status_code": code}
            )

        async def watched_receive() -> Message:
            nonlocal gone
            message = await receive()
            gone = gone or message["type"] == "http.disconnect"
            return message

        async def watched_send(message: Message) -> None:
            nonlocal status, size
            await send(message)
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body" and status is not None and not logged:
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    log(status)

        try:
            await self._application(scope, watched_receive, watched_send)
        except Exception:
            if not logged:
                log(500 if status is None else status)
            raise
        finally:
            if not logged and status is not None:
                log(status)
        if not logged and not gone:
            # uvicorn answers for an application that returns without a word.
            log(500)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        details = {"path": _path(scope), "client": _client(scope)}
        answered = ended = False

        def log(action: str, colour: str | None = None) -> None:
            line = WEBSOCKET_LINE.format(action=action)
            logger.info(getattr(self._style, colour)(line) if colour else line, details)

        async def watched_receive() -> Message:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                disconnected()
            return message

        async def watched_send(message: Message) -> None:
            nonlocal answered
            await send(message)
            if not answered and message["type"] != "websocket.send":
                answered = True
                if message["type"] == "websocket.accept":
                    log("CONNECT", "HTTP_SUCCESS")
                else:
                    log("REJECT", "HTTP_BAD_REQUEST")

        def disconnected() -> None:
            nonlocal ended
            if not ended:
                ended = True
                log("DISCONNECT")

        log("HANDSHAKING")
        try:
            inside = passing_frames(scope, send, watched_send)
            await self._application(inside, watched_receive, watched_send)
        finally:
            disconnected()

    def _coloured(self, status: int, line: str) -> str:
        style = self._style
        if 200 <= status < 300:
            colour = style.HTTP_SUCCESS
        elif status < 200:
            colour = style.HTTP_INFO
        elif status == 304:
            colour = style.HTTP_NOT_MODIFIED
        elif status < 400:
            colour = style.HTTP_REDIRECT
        elif status == 404:
            colour = style.HTTP_NOT_FOUND
        elif status < 500:
            colour = style.HTTP_BAD_REQUEST
        else:
            colour = style.HTTP_SERVER_ERROR
        return str(colour(line))


def printable(text: str) -> str:
    r"""``text`` with everything that would not show on one line of a terminal as ``\x1b`` and such.

    Backslashes stay as they are: the line is for people, who read Windows paths more often than
    forged escapes.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _path(scope: Scope) -> str:
    """The path as the client wrote it, percent signs and all."""
    raw = scope.get("raw_path")
    if raw is None:
        return printable(quote(scope["path"], errors="surrogatepass"))
    return printable(raw.decode("latin-1"))


def _query(scope: Scope) -> str:
    query = scope.get("query_string", b"")
    return "?" + printable(query.decode("latin-1")) if query else ""


def _client(scope: Scope) -> str:
    client = scope.get("client")
    if not client:
        return "-"
    host, port = client[0], client[1]
    return printable(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def _level(status: int) -> int:
    if status >= 500:
        return logging.ERROR
    return logging.WARNING if status >= 400 else logging.INFO
