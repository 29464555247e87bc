"""A WebSocket client that sends what no decent client would."""

import os
import socket
import struct
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PATIENCE = 10.0

Headers = Iterable[tuple[str | bytes, str | bytes]]


class Frame(NamedTuple):
    """A frame as it is on the wire, valid or not."""

    opcode: int
    payload: bytes
    final: bool = True
    reserved: int = 0
    masked: bool = True
    claimed: int | None = None
    """The length that its head states, where it is another than the payload's."""

    def encode(self) -> bytes:
        first = (0x80 if self.final else 0) | (self.reserved & 7) << 4 | (self.opcode & 15)
        length = len(self.payload) if self.claimed is None else self.claimed
        mask_bit = 0x80 if self.masked else 0
        if length < 126:
            head = struct.pack("!BB", first, mask_bit | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", first, mask_bit | 126, length)
        else:
            head = struct.pack("!BBQ", first, mask_bit | 127, length)
        if not self.masked:
            return head + self.payload
        key = b"\x01\x02\x03\x04"
        whole = int.from_bytes(self.payload, "big")
        mask = int.from_bytes((key * (len(self.payload) // 4 + 1))[: len(self.payload)], "big")
        return head + key + (whole ^ mask).to_bytes(len(self.payload), "big")


def text(content: str | bytes) -> Frame:
    return Frame(TEXT, content.encode() if isinstance(content, str) else content)


def close(code: int | None, reason: bytes = b"") -> Frame:
    return Frame(CLOSE, (b"" if code is None else struct.pack("!H", code)) + reason)


class RawClient:
    """One TCP connection. Reads and writes block, for ten seconds at most."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def write(self, data: bytes) -> bool:
        """Send bytes; ``False`` where the server has closed."""
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def handshake(self, target: str | bytes, headers: Headers = ()) -> int:
        """Ask for a WebSocket and return the status of the answer, 0 where there is none."""
        upgrade = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", b64encode(os.urandom(16))),
            ("Sec-WebSocket-Version", "13"),
        ]
        return self.request(target, [*upgrade, *headers])

    def request(self, target: str | bytes, headers: Headers = ()) -> int:
        """Send a request and return the status of the answer, 0 where there is none."""
        lines = [
            b"GET " + _bytes(target) + b" HTTP/1.1",
            b"Host: 127.0.0.1",
            *(_bytes(name) + b": " + _bytes(value) for name, value in headers),
        ]
        self.write(b"\r\n".join(lines) + b"\r\n\r\n")
        return self.status()

    def status(self) -> int:
        """Read the head of an answer and return its status, 0 where the connection ends."""
        while b"\r\n\r\n" not in self._unread:
            if not self._read():
                return 0
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        self.head = head
        return int(head.split(b" ", 2)[1])

    def frame(self) -> Frame | None:
        """The next frame, or ``None`` where the connection ends."""
        head = self._exactly(2)
        if head is None:
            return None
        length = head[1] & 0x7F
        if length > 125:
            longer = self._exactly(2 if length == 126 else 8)
            if longer is None:
                return None
            length = int.from_bytes(longer, "big")
        payload = self._exactly(length)
        if payload is None:
            return None
        return Frame(head[0] & 15, payload, bool(head[0] & 0x80), masked=False)

    def echo(self, word: str) -> None:
        """Say a word to something that echoes and wait for it.

        Raises:
            AssertionError: it does not come back.
        """
        assert self.write(text(word).encode()), "the server has closed the connection"
        while True:
            frame = self.frame()
            assert frame is not None, "the connection ended"
            assert frame.opcode != CLOSE, f"the server closed: {frame.payload!r}"
            if frame.opcode == PING:
                self.write(frame._replace(opcode=PONG, masked=True).encode())
            elif frame.payload == word.encode():
                return

    def leave(self) -> None:
        """Say that nothing more will be written."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def drain(self, patience: float = PATIENCE) -> Frame | None:
        """Read until the end, or until nothing comes for ``patience`` seconds; returns the close
        frame if one came, and answers it."""
        last = None
        self._socket.settimeout(patience)
        with suppress(TimeoutError):
            while (frame := self.frame()) is not None:
                if frame.opcode == CLOSE:
                    last = frame
                    self.write(frame._replace(masked=True).encode())
                    self.leave()
        return last

    def _exactly(self, number: int) -> bytes | None:
        while len(self._unread) < number:
            if not self._read():
                return None
        data, self._unread = self._unread[:number], self._unread[number:]
        return data

    def _read(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            return False
        self._unread += data
        return bool(data)

    def vanish(self) -> None:
        """Reset the connection, as a machine that crashed does when it is back."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._socket.close()


def _bytes(value: str | bytes) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value
