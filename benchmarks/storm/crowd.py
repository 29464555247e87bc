"""Clients that come back: as little of a WebSocket client as shows what a server does to it."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
CLOSE_FRAME = 0x88
ECHO_OF_CLOSE = b"\x88\x80\x00\x00\x00\x00"
"""A close frame without a code, masked as a client's frames are."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
"""Seconds: "full jitter", as the guide for deploys recommends it."""


@dataclass
class Account:
    """What all clients together met."""

    handshakes: list[float] = field(default_factory=list)
    """When each attempt to connect reached a server. Those that reached nobody cost nobody."""
    refused: int = 0
    """Attempts that found nobody listening."""
    denied: int = 0
    """Attempts that were answered, but not with a WebSocket: a 503."""
    dropped: int = 0
    """Connections that ended without a close frame."""
    close_frames: int = 0
    away: list[float] = field(default_factory=list)
    """Seconds between a client's loss of its connection and its next one."""


class Client(asyncio.Protocol):
    """One client. It connects until it is told to rest."""

    def __init__(self, port: Callable[[], int], account: Account, on_open: Callable[[], None]):
        self._port = port
        self._account = account
        self._on_open = on_open
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._failures = 0
        self._lost_at: float | None = None
        self._said_goodbye = False
        self._task: asyncio.Task[None] | None = None
        self.is_open = False
        self.rests = False

    def connect(self) -> None:
        if not self.rests:
            self._task = self._loop.create_task(self._connect())

    def rest(self) -> None:
        self.rests = True
        if self._transport is not None:
            self._transport.abort()

    async def _connect(self) -> None:
        self._head, self._said_goodbye = b"", False
        try:
            await self._loop.create_connection(lambda: self, "127.0.0.1", self._port())
        except OSError:
            self._account.refused += 1
            self._try_again()

    def _try_again(self) -> None:
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2**self._failures)
        self._failures += 1
        self._loop.call_later(random.random() * longest, self.connect)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._account.handshakes.append(time.monotonic())
        transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            self._head += data
            head, complete, data = self._head.partition(b"\r\n\r\n")
            if not complete:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self._account.denied += 1
                self._abort()
                return
            self._opened()
        if data and data[0] == CLOSE_FRAME and not self._said_goodbye:
            self._said_goodbye = True
            self._account.close_frames += 1
            assert self._transport is not None
            self._transport.write(ECHO_OF_CLOSE)

    def _opened(self) -> None:
        self.is_open = True
        self._failures = 0
        if self._lost_at is not None:
            self._account.away.append(time.monotonic() - self._lost_at)
        self._on_open()

    def _abort(self) -> None:
        assert self._transport is not None
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        was_open, self.is_open = self.is_open, False
        if self.rests:
            return
        if was_open:
            self._lost_at = time.monotonic()
            if not self._said_goodbye:
                self._account.dropped += 1
        self._try_again()
