"""uvicorn's WebSocket protocol, for rooms: it can be handed finished frames.

In production: ``uvicorn --ws channels.server.websocket:WebSocketProtocol mysite.asgi:application``.
``runserver`` and the live test server use it without being told.
"""

import logging
from collections.abc import Awaitable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from channels.direct import EXTENSION

logger: logging.Logger = logging.getLogger("django.channels.server")

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's ``websockets-sansio`` with the extension ``raceway.frames``, see
    :class:`channels.direct.FrameWriter`, and without three of its mistakes (0.54)."""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:  # else the request was refused, and no application runs
            scope: Any = self.scope
            scope["extensions"][EXTENSION] = self

    def write_frame(self, frame: bytes) -> bool:
        """See :class:`channels.direct.FrameWriter`."""
        conn = self.conn
        if (
            not self.handshake_complete
            or self.close_sent
            or self.transport.is_closing()  # the client has closed, or is gone
            or conn.extensions
            or conn.debug  # frames are being logged, by the one who makes them
            or not self.writable.is_set()
        ):
            return False
        self.transport.write(frame)
        return True

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # uvicorn's HTTP parser took the request and `websockets` does not, for a control
            # character in a header for example. Nobody would ever answer.
            logger.info("A WebSocket's opening request could not be read.")
            answer = b"".join(self.conn.data_to_send())
            self.transport.write(answer or BAD_REQUEST)
            self.transport.close()

    # Not a coroutine of its own: this is the path of every message.
    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        if self.initial_response is None:
            return super().send(message)
        return self._send_denial(message)

    async def _send_denial(self, message: Any) -> None:
        await super().send(message)
        if self.close_sent:
            # A denial that is a response of its own completes the handshake too; else uvicorn
            # reports an application that returned without answering.
            self.handshake_complete = True

    def shutdown(self) -> None:
        # Where the client closes at the same time there is nobody left to send a close frame to,
        # and trying to raises.
        if not self.transport.is_closing():
            super().shutdown()
