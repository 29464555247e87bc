"""The fuzzed site behind each server, in a process of its own whose log is kept."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT = 30.0
END_LIMIT = 10.0
PATIENCE = 10.0
"""Seconds after which something that must happen is taken not to."""

APPLICATION = "tests.fuzz.site:application"
COMMANDS: dict[str, Callable[[int], list[str]]] = {
    "uvicorn": lambda port: [
        "uvicorn", "--port", str(port), "--log-level", "warning", "--ws", "websockets-sansio",
        "--ws-max-size", "1048576", APPLICATION,
    ],
    "daphne": lambda port: ["daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0", APPLICATION],
    "hypercorn": lambda port: [
        "hypercorn", "--bind", f"127.0.0.1:{port}", "--log-level", "warning",
        "--websocket-ping-interval", "60", APPLICATION,
    ],
    "granian": lambda port: [
        "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port),
        "--log-level", "warning", APPLICATION,
    ],
}  # fmt: skip


class Site:
    """One running server."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.port = port
        self._process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_bytes().decode("utf-8", "backslashreplace")

    def alive(self) -> bool:
        return self._process.poll() is None

    def state(self) -> dict[str, Any]:
        """What the site says of itself."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/state/")
            state: dict[str, Any] = json.loads(connection.getresponse().read())
            return state
        finally:
            connection.close()

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a state of which something holds."""
        deadline = time.monotonic() + PATIENCE
        while not holds(state := self.state()):
            assert time.monotonic() < deadline, f"it never comes to that: {state}"
            time.sleep(0.05)
        return state


@contextmanager
def serving(server: str, folder: Path) -> Iterator[Site]:
    """Serve meanwhile."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.fuzz.settings",
        "FUZZ_FOLDER": str(folder),
        "PYTHONUNBUFFERED": "1",
    }
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--verbosity=0"],
        cwd=ROOT, env=environment, check=True, timeout=START_LIMIT, capture_output=True,
    )  # fmt: skip
    log = folder / f"{server}.log"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[server](port)],
            cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    site = Site(port, process, log)
    try:
        _wait_until_it_listens(site)
        yield site
    finally:
        process.terminate()
        try:
            process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(END_LIMIT)


def _wait_until_it_listens(site: Site) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        assert site.alive(), f"the server ended:\n{site.log}"
        assert time.monotonic() < deadline, f"the server does not come up:\n{site.log}"
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", site.port)) == 0:
                return
        time.sleep(0.05)
