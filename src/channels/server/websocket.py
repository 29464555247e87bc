"""uvicorn's WebSocket protocol, for rooms: it can be handed finished frames, and gathers writes.

In production: ``uvicorn --ws channels.server.websocket:WebSocketProtocol mysite.asgi:application``.
``runserver`` and the live test server use it without being told.
"""

import logging
from collections.abc import Awaitable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from channels.direct import EXTENSION, Write
from channels.server.gathering import GatheringTransport, round_of

logger: logging.Logger = logging.getLogger("django.channels.server")

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's ``websockets-sansio`` with the extension ``raceway.frames``, see
    :class:`channels.direct.FrameWriter`, with :class:`~channels.server.gathering` for its writes,
    and without three of its mistakes (0.54)."""

    def connection_made(self, transport: Any) -> None:
        self._gathering = GatheringTransport(transport, round_of(self.loop))
        super().connection_made(self._gathering)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._gathering.takes_frames = False

    def eof_received(self) -> None:
        # A client that says no more may still listen. To return None has the transport closed, by
        # itself and past what was gathered.
        super().eof_received()
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._judge_frames()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._judge_frames()

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        conn = self.conn
        if (
            not self.handshake_complete  # else the request was refused, and no application runs
            and not conn.extensions  # such as compression, which the client has agreed on
            and not conn.debug  # frames are being logged, by the one who makes them
        ):
            scope: Any = self.scope
            scope["extensions"][EXTENSION] = self

    @property
    def write_frame(self) -> Write:
        """See :class:`channels.direct.FrameWriter`."""
        return self._gathering.write_frame

    def _judge_frames(self) -> None:
        """See whether frames are taken, after something that this depends on."""
        self._gathering.takes_frames = (
            self.handshake_complete
            and not self.close_sent
            and self.writable.is_set()
            and not self.transport.is_closing()
        )

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
        if message["type"] == "websocket.send":
            return super().send(message)
        return self._send_step(message)

    async def _send_step(self, message: Any) -> None:
        """Send an event that opens or closes."""
        is_denial = self.initial_response is not None
        try:
            await super().send(message)
        finally:
            self._judge_frames()
        if is_denial and self.close_sent:
            # A denial that is a response of its own completes the handshake too; else uvicorn
            # reports an application that returned without answering.
            self.handshake_complete = True

    def shutdown(self) -> None:
        # Where the client closes at the same time there is nobody left to send a close frame to,
        # and trying to raises.
        if not self.transport.is_closing():
            super().shutdown()
