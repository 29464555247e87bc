"""What a client may count on whatever the application does: an answer in time, a close frame."""

import asyncio
import logging
from contextlib import suppress

from channels.direct import passing_frames
from channels.typing import ASGIApplication, Message, Receive, Scope, Send

logger: logging.Logger = logging.getLogger("django.channels.server")

INTERNAL_ERROR = 1011


class Limits:
    """Wraps an application with time limits, and with a 1011 when it fails.

    Args:
        http: seconds that a response may take from the request to its last byte. Then a request
            without an answer gets a 503, and a response in progress is cut. None or 0 is no limit.
        handshake: seconds after which a WebSocket that was neither accepted nor denied is denied.
            None or 0 is no limit.

    The application is cancelled when its time is over.
    """

    def __init__(
        self, application: ASGIApplication, *, http: float | None, handshake: float | None
    ) -> None:
        self._application = application
        self._http = http or None
        self._handshake = handshake or None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http" and self._http is not None:
            await self._request(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = over = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            if over:
                return
            started = started or message["type"] == "http.response.start"
            await send(message)

        async def respond() -> None:
            await self._application(scope, receive, watched_send)

        # A task of its own: a sync view cannot be cancelled, and its client gets the answer before
        # it has come to an end.
        response = asyncio.create_task(respond())
        try:
            done, _ = await asyncio.wait([response], timeout=self._http)
            if not done:
                over = True
                logger.warning("The application took longer than %g s to respond.", self._http)
                if not started:
                    await _service_unavailable(send)
        finally:
            if not response.done():
                response.cancel()
                await asyncio.wait([response])
        if not (over and response.cancelled()):
            response.result()

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = asyncio.timeout(self._handshake)
        answered = is_open = False

        async def watched_send(message: Message) -> None:
            nonlocal answered, is_open
            if message["type"] != "websocket.send":
                is_open = message["type"] == "websocket.accept"
                if not answered and not limit.expired():
                    limit.reschedule(None)
                answered = True
            await send(message)

        try:
            async with limit:
                inside = passing_frames(scope, send, watched_send)
                await self._application(inside, receive, watched_send)
        except TimeoutError:
            if not limit.expired():
                raise
            logger.warning(
                "The application neither accepted nor denied a WebSocket within %g s.",
                self._handshake,
            )
            if not answered:
                await send({"type": "websocket.close"})
        except Exception:
            if is_open:
                # uvicorn drops the connection without a close frame. The client may be gone too.
                with suppress(Exception):
                    await send({"type": "websocket.close", "code": INTERNAL_ERROR})
            raise


async def _service_unavailable(send: Send) -> None:
    body = b"Service Unavailable: the application failed to respond within the time limit.\n"
    await send(
        {
            "type": "http.response.start",
            "status": 503,
            "headers": [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
