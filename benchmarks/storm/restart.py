"""One deploy: a server with a crowd, a signal, and the way back."""

import asyncio
import os
import signal
import socket
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import environment
from benchmarks.machine import ROOT
from benchmarks.storm.crowd import Account, Client

PATIENCE = 120.0
"""Seconds after which whoever is not back counts as lost for good."""

RAMP = 50
"""Clients that begin to connect at a time, before the deploy."""


@dataclass
class Outcome:
    """What a deploy was like."""

    clients: int
    status: int
    """The exit status of the process that ended."""
    ended_after: float
    all_back_after: float
    """Both in seconds from the signal; the latter is infinite where somebody never came back."""
    lost_for_good: int
    close_frames: int
    dropped: int
    disconnects: int
    refused: int
    denied: int
    most_at_once: int
    """Handshakes that reached a server within its busiest tenth of a second."""
    median_away: float
    longest_away: float


class Server:
    """uvicorn with the site, on a port that it keeps over a restart."""

    def __init__(self, python: Path, port: int) -> None:
        self._python = python
        self.port = port
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[int] | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            str(self._python), "-m", "uvicorn", "benchmarks.storm.site:application",
            "--port", str(self.port), "--log-level", "warning", "--ws", "websockets-sansio",
            "--backlog", "4096",
            cwd=ROOT, env=environment(), stdout=asyncio.subprocess.PIPE,
            start_new_session=sys.platform != "win32",
        )  # fmt: skip
        self._reader = asyncio.create_task(self._count_disconnects())
        async with asyncio.timeout(60):
            while self._process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                except OSError:
                    await asyncio.sleep(0.02)
        raise RuntimeError(f"The server ended with status {self._process.returncode}.")

    async def _count_disconnects(self) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        return (await self._process.stdout.read()).count(b"disconnect\n")

    def signal(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    async def ended(self) -> tuple[int, int]:
        """Its exit status, and how many ``disconnect`` it ran."""
        assert self._process is not None
        assert self._reader is not None
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait(), await self._reader

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self.ended()


async def deploy(python: Path, clients: int, *, rolling: bool) -> Outcome:
    """Restart a server under a crowd.

    Args:
        python: the interpreter of the environment to be looked at.
        rolling: a new server is there before the old one is told to end, and a proxy would send
            everybody to it. Without it the new one begins when the old one has ended.
    """
    old, new = Server(python, free_port()), Server(python, free_port())
    if not rolling:
        new.port = old.port
    port = old.port
    account, back = Account(), asyncio.Event()
    crowd: list[Client] = []

    def look() -> None:
        if all(client.is_open for client in crowd):
            back.set()

    crowd.extend(Client(lambda: port, account, look) for _ in range(clients))
    try:
        await old.start()
        for begin in range(0, clients, RAMP):
            for client in crowd[begin : begin + RAMP]:
                client.connect()
            await asyncio.sleep(0.05)
        async with asyncio.timeout(PATIENCE):
            await back.wait()
        await asyncio.sleep(0.5)  # uvicorn logs and settles; nobody is measured yet
        account.__init__()  # type: ignore[misc] # from here on it counts
        back.clear()
        if rolling:
            await new.start()
            port = new.port
        began = time.monotonic()
        old.signal()
        status, disconnects = await old.ended()
        ended_after = time.monotonic() - began
        if not rolling:
            await new.start()
        all_back_after = float("inf")
        try:
            async with asyncio.timeout(PATIENCE):
                look()
                await back.wait()
                all_back_after = time.monotonic() - began
        except TimeoutError:
            pass
        lost = sum(not client.is_open for client in crowd)
    finally:
        for client in crowd:
            client.rest()
        await old.kill()
        await new.kill()
    tenths = Counter(int((at - began) * 10) for at in account.handshakes)
    return Outcome(
        clients=clients,
        status=status,
        ended_after=ended_after,
        all_back_after=all_back_after,
        lost_for_good=lost,
        close_frames=account.close_frames,
        dropped=account.dropped,
        disconnects=disconnects,
        refused=account.refused,
        denied=account.denied,
        most_at_once=max(tenths.values(), default=0),
        median_away=statistics.median(account.away or [float("inf")]),
        longest_away=max(account.away, default=float("inf")),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def upstream_python() -> Path:
    """The interpreter of the environment with upstream, which ``make bench-env`` makes."""
    return ROOT / os.environ.get("BENCH_VENV", ".venv-bench") / "bin" / "python"
