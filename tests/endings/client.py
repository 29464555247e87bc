"""A WebSocket client that can do what well-behaved ones do not."""

import socket
import struct
from collections import deque
from typing import Any, Self

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

PATIENCE = 10.0

OPEN_SECONDS = 5.0
"""After which a connection on which nothing happens is taken to stay open."""


class Client:
    """One connection. What the other side did is in :attr:`saw`."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}{path}"))
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        self._events: deque[Any] = deque()
        self._over = False
        self.status = self._next(Response).status_code

    def says(self, text: str) -> None:
        self._protocol.send_text(text.encode())
        self._flush()

    def hears(self) -> str:
        frame = self._next(Frame)
        assert frame is not None
        assert frame.opcode is Opcode.TEXT, frame
        return bytes(frame.data).decode()

    def closes(self, code: int | None) -> None:
        """Begin the closing handshake; ``None`` sends a close frame without a code."""
        self._protocol.send_close(code)
        self._flush()

    def vanishes(self) -> None:
        """Reset the TCP connection, as a crashed process or a lost network ends up to do."""
        linger = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()

    def saw(self, patience: float = OPEN_SECONDS) -> Any:
        """How the server ended the connection: the code of its close frame, ``"HTTP 403"``,
        ``"cut"`` where TCP ended without a close frame, or ``"open"``."""
        if self.status != 101:
            return f"HTTP {self.status}"
        self._socket.settimeout(patience)
        try:
            while self._next(Frame) is not None:
                pass
        except TimeoutError:
            return "open"
        received = self._protocol.close_rcvd
        return "cut" if received is None else int(received.code)

    def _next(self, kind: type) -> Any:
        """The next event of a kind; ``None`` at the end."""
        while True:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, kind):
                    return event
            if self._over:
                return None
            try:
                data = self._socket.recv(65536)
            except ConnectionError:
                data = b""
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
                self._over = True
            self._flush()
            self._events.extend(self._protocol.events_received())

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                try:
                    self._socket.sendall(data)
                except OSError:
                    return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
