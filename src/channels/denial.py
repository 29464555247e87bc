"""Denying a WebSocket: with a response where the server can send one, else by a close."""

import asyncio
from http import HTTPStatus

from channels.typing import Scope, Send

LINGER = 3
"""Turns of the event loop that a denial takes longer than needed. uvicorn (0.54) notices that a
response has completed the handshake when the transport has closed, one or two turns later, and
reports an application that returned before as one that never answered: a line at ERROR for each."""


async def deny(scope: Scope, send: Send, status: int, text: str = "") -> None:
    """Answer the opening handshake with an HTTP status and a line of text (the status's own words
    without one).

    Where the server lacks the extension ``websocket.http.response`` the client sees a 403.

    Raises:
        OSError: the client left while it was told; servers raise a kind of it.
    """
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close"})
        return
    body = (text or HTTPStatus(status).phrase).encode()
    await send(
        {
            "type": "websocket.http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(body)).encode("ascii")),
            ],
        }
    )
    await send({"type": "websocket.http.response.body", "body": body})
    for _ in range(LINGER):
        await asyncio.sleep(0)
