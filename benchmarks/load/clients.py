"""The clients of one server, and what they do in a slice. Callbacks only: no task per client."""

import asyncio
import logging
from time import perf_counter
from typing import Any

from picows import (  # type: ignore[import-not-found] # in the load generator's environment
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from benchmarks.apps.texts import JSON_TEXT, TEXT
from benchmarks.clocks import Stopwatch

AT_ONCE = 50
"""Handshakes in flight while connections are opened."""

PATIENCE = 60.0
"""Seconds after which an answer that has not come will not come."""


class Client(WSListener):  # type: ignore[misc] # compiled, without types
    def __init__(self, crowd: "Crowd") -> None:
        self._crowd = crowd
        self.transport: Any = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self._crowd.arrived(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._crowd.left()


class Crowd:
    """All clients of this process. One slice at a time."""

    def __init__(self) -> None:
        self._clients: list[Client] = []
        self._closing = False
        self._over: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._count = 0
        self._open_ended = 0
        self._payload = b""
        self._arrived = self._ignore

    async def open(self, *, port: int, path: str, count: int) -> dict[str, Any]:
        """Add ``count`` clients; the unit is a connection."""
        gate = asyncio.Semaphore(AT_ONCE)
        url = f"ws://127.0.0.1:{port}/{path}"
        # picows tells of every connection on INFO and asks the logging package each time.
        logging.disable(logging.INFO)
        watch = Stopwatch()
        await asyncio.gather(*(self._connect(gate, url) for _ in range(count)))
        return {"count": count, **watch.read()}

    async def echo(self, *, seconds: float) -> dict[str, Any]:
        """Every client says something, and again when the answer is there; the unit is an echo."""
        self._payload = TEXT.encode()
        self._arrived = self._echo_arrived
        self._open_ended = len(self._clients)
        return await self._run(seconds, self._clients)

    async def room(self, *, seconds: float) -> dict[str, Any]:
        """One client says something, and again when all have it; the unit is a frame received."""
        self._payload = JSON_TEXT.encode()
        self._arrived = self._line_arrived
        self._open_ended = len(self._clients)
        return await self._run(seconds, self._clients[:1])

    async def close(self) -> dict[str, Any]:
        self._closing = True
        for client in self._clients:
            client.transport.disconnect()
        await asyncio.gather(*(client.transport.wait_disconnected() for client in self._clients))
        self._clients.clear()
        self._closing = False
        return {}

    def arrived(self, transport: WSTransport) -> None:
        self._arrived(transport)

    def left(self) -> None:
        if not self._closing and self._over is not None and not self._over.done():
            self._over.set_exception(ConnectionError("The server closed a connection."))

    async def _connect(self, gate: asyncio.Semaphore, url: str) -> None:
        async with gate:
            _, client = await ws_connect(
                lambda: Client(self), url, websocket_handshake_timeout=PATIENCE
            )
        self._clients.append(client)

    async def _run(self, seconds: float, speakers: list[Client]) -> dict[str, Any]:
        self._over = asyncio.get_running_loop().create_future()
        self._count = 0
        watch = Stopwatch(seconds)
        self._deadline = watch.deadline
        for client in speakers:
            client.transport.send(WSMsgType.TEXT, self._payload)
        try:
            await asyncio.wait_for(self._over, seconds + PATIENCE)
        except TimeoutError:
            raise TimeoutError(
                f"{self._open_ended} of {len(self._clients)} clients still waited for a frame "
                f"{PATIENCE:.0f} s after the slice; {self._count} frames had come."
            ) from None
        finally:
            self._arrived = self._ignore
        return {"count": self._count, **watch.read()}

    def _echo_arrived(self, transport: WSTransport) -> None:
        self._count += 1
        if perf_counter() < self._deadline:
            transport.send(WSMsgType.TEXT, self._payload)
        else:
            self._open_ended -= 1
            if not self._open_ended:
                self._finish()

    def _line_arrived(self, transport: WSTransport) -> None:
        self._count += 1
        self._open_ended -= 1
        if self._open_ended:
            return
        if perf_counter() < self._deadline:
            self._open_ended = len(self._clients)
            self._clients[0].transport.send(WSMsgType.TEXT, self._payload)
        else:
            self._finish()

    def _ignore(self, transport: WSTransport) -> None:
        """Between slices nothing is expected."""

    def _finish(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
