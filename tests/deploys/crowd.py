"""Many clients at once, in one event loop."""

import asyncio
import resource
import time
from dataclasses import dataclass
from typing import Self

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

AT_ONCE = 100
"""Handshakes in progress at a time: more would only wait in the server's backlog."""


def need_files(number: int) -> None:
    """See to it that this process and its children may open so many files; else skip."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + 200
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip(f"needs {wanted} open files, ulimit -Hn is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass
class Goodbye:
    """How one client's connection came to its end."""

    at: float
    """On :func:`time.monotonic`'s clock."""
    frame: tuple[int, str] | None
    """The code and reason of the close frame; None without one."""


class Crowd:
    """``number`` clients of one address, all of them connected when the block begins."""

    def __init__(self, address: str, paths: list[str]) -> None:
        self._urls = [f"ws://{address}{path}" for path in paths]
        self._websockets: list[ClientConnection] = []

    async def __aenter__(self) -> Self:
        gate = asyncio.Semaphore(AT_ONCE)

        async def open_one(url: str) -> ClientConnection:
            async with gate:
                websocket = await connect(
                    url, proxy=None, compression=None, ping_interval=None, open_timeout=30
                )
                await websocket.recv()
                return websocket

        self._websockets = await asyncio.gather(*map(open_one, self._urls))
        return self

    async def goodbyes(self) -> list[Goodbye]:
        """Wait until everybody has been told or dropped."""
        return await asyncio.gather(*map(self._goodbye, self._websockets))

    async def _goodbye(self, websocket: ClientConnection) -> Goodbye:
        try:
            while True:
                await websocket.recv()
        except ConnectionClosed as closed:
            at = time.monotonic()
            return Goodbye(at, (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else None)

    async def __aexit__(self, *failure: object) -> None:
        for websocket in self._websockets:
            websocket.transport.abort()
            await websocket.wait_closed()
