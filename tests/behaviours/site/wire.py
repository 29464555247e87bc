"""HTTP and WebSocket by hand over a socket: no client library is the same on both sides."""

import base64
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE = 0x1, 0x2, 0x8


class Wire:
    """One connection, blocking, with a timeout."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.path = parts.netloc, parts.path or "/"
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self.buffer = b""

    @property
    def port(self) -> int:
        """Our own end, which access logs name."""
        return int(self.socket.getsockname()[1])

    def request(self, *headers: str, method: str = "GET", body: bytes = b"") -> None:
        lines = [f"{method} {self.path} HTTP/1.1", f"Host: {self.host}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer."""
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = (line.split(":", 1) for line in lines)
        return int(first.split()[1]), {name.lower(): value.strip() for name, value in headers}

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while chunk := self.socket.recv(65536):
            self.buffer += chunk
        return self.buffer

    def handshake(self, *subprotocols: str) -> tuple[int, dict[str, str]]:
        key = base64.b64encode(os.urandom(16)).decode()
        offered = [f"Sec-WebSocket-Protocol: {', '.join(subprotocols)}"] if subprotocols else []
        self.request(
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            f"Origin: http://{self.host}",
            *offered,
        )
        return self.head()

    def send(self, data: str | bytes, opcode: int | None = None) -> None:
        payload = data.encode() if isinstance(data, str) else data
        assert len(payload) < 126, "short frames are enough here"
        kind = opcode or (TEXT if isinstance(data, str) else BINARY)
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.socket.sendall(bytes([0x80 | kind, 0x80 | len(payload)]) + mask + masked)

    def frame(self) -> tuple[int, bytes]:
        """The next frame's opcode and payload, pings left out."""
        while True:
            first, length = self._take(2)
            if length == 126:
                (length,) = struct.unpack("!H", self._take(2))
            payload = self._take(length)
            if first & 0x0F not in {0x9, 0xA}:
                return first & 0x0F, payload

    def text(self) -> str:
        opcode, payload = self.frame()
        assert opcode == TEXT, (opcode, payload)
        return payload.decode()

    def close_code(self) -> int:
        opcode, payload = self.frame()
        assert opcode == CLOSE, (opcode, payload)
        return int(struct.unpack("!H", payload[:2])[0])

    def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def _more(self) -> None:
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError(f"The server closed after {self.buffer!r}")
        self.buffer += chunk


@contextmanager
def wire(url: str) -> Iterator[Wire]:
    connection = Wire(url)
    try:
        yield connection
    finally:
        connection.socket.close()


def get(url: str, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of a whole response."""
    with wire(url) as connection:
        connection.request("Connection: close", method=method, body=body)
        status, headers = connection.head()
        rest = connection.rest()
        if headers.get("transfer-encoding") == "chunked":
            rest = b"".join(_chunks(rest))
        return status, rest


def _chunks(body: bytes) -> Iterator[bytes]:
    while body:
        size, body = body.split(b"\r\n", 1)
        length = int(size, 16)
        yield body[:length]
        body = body[length + 2 :]
        if length == 0:
            return
