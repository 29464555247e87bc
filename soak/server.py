"""The site behind uvicorn, in a process of its own; and what the broker goes through meanwhile."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.redis_servers import Server as Redis

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 30.0
PATIENCE = 30.0

OPTIONS = [
    "--ws=channels.server.websocket:WebSocketProtocol",
    "--log-level=warning",
    # Who stalls is noticed within seconds; listeners live on where the machine is busy.
    "--ws-ping-interval=2",
    "--ws-ping-timeout=8",
    "--ws-max-size=1048576",
]


class Site:
    """A running server. What it says goes to a file."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.port = port
        self.process = process
        self.log = log

    async def state(self) -> dict[str, Any]:
        return await asyncio.to_thread(self._state)

    def _state(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/state/"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            state: dict[str, Any] = json.loads(answer.read())
            return state

    def end(self) -> int:
        """Tell it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(layer: str, log: Path) -> Iterator[Site]:
    """Serve with this layer meanwhile: ``memory``, or the URL of a Redis server."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "soak.settings",
        "SOAK_LAYER": layer,
        # glibc gives every thread an arena of its own, and memory in them is kept.
        "MALLOC_ARENA_MAX": "2",
    }
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--port",
        str(port),
        *OPTIONS,
        "soak.site:application",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    site = Site(port, process, log)
    try:
        _wait_until_it_listens(site)
        yield site
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)


def _wait_until_it_listens(site: Site) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if site.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the site does not come up:\n{site.log.read_text()[-3000:]}")
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", site.port)) == 0:
                return
        time.sleep(0.05)


async def hurt(redis: Redis, seconds: float) -> list[str]:
    """Hurt the broker again and again for so long; returns what was done. It runs at the end."""
    done: list[str] = []
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while end - loop.time() > 8:
        for name in ("kill_clients", "freeze", "restart"):
            await asyncio.sleep(min(5.0, max(0.0, end - loop.time() - 3)))
            if end - loop.time() <= 3:
                return done
            await asyncio.to_thread(getattr(redis, name))
            if name == "freeze":
                await asyncio.sleep(1)
                await asyncio.to_thread(redis.thaw)
            done.append(name)
    return done
