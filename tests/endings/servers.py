"""The four servers, each in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
APPLICATION = "tests.endings.application:application"
START_LIMIT = 30.0
END_LIMIT = 15.0
LOOK_EVERY = 0.02

COMMANDS: dict[str, Callable[[int], list[str]]] = {
    "uvicorn": lambda port: [
        *("uvicorn", "--host", "127.0.0.1", "--port", str(port)),
        *("--ws", "websockets-sansio", "--log-level", "warning", APPLICATION),
    ],
    "uvicorn-frames": lambda port: [
        *("uvicorn", "--host", "127.0.0.1", "--port", str(port)),
        *("--ws", "channels.server.websocket:WebSocketProtocol"),
        *("--log-level", "warning", APPLICATION),
    ],
    "daphne": lambda port: [
        *("daphne", "--bind", "127.0.0.1", "--port", str(port)),
        *("--verbosity", "0", APPLICATION),
    ],
    "hypercorn": lambda port: [
        *("hypercorn", "--bind", f"127.0.0.1:{port}", "--workers", "0"),
        *("--log-level", "warning", APPLICATION),
    ],
    "granian": lambda port: [
        *("granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--loop", "asyncio", "--workers-kill-timeout", "10", "--log-level", "warning"),
        APPLICATION,
    ],
}


class Served:
    """A server that runs, and the journal of what it serves."""

    def __init__(
        self, kind: str, process: "subprocess.Popen[bytes]", port: int, journal: Path, output: Path
    ) -> None:
        self.kind = kind
        self.port = port
        self._process = process
        self._journal = journal
        self._output = output

    def tracebacks(self) -> int:
        """How many the server has logged so far."""
        return self._output.read_text().count("Traceback (most recent call last)")

    def wait_for_traceback(self, before: int, seconds: float) -> int:
        """How many more than ``before`` there are, once there is one or the time is over."""
        until = time.monotonic() + seconds
        while self.tracebacks() == before and time.monotonic() < until:
            time.sleep(LOOK_EVERY)
        return self.tracebacks() - before

    def entries(self, name: str) -> list[dict[str, Any]]:
        text = self._journal.read_text() if self._journal.exists() else ""
        found = [json.loads(line) for line in text.splitlines()]
        return [entry for entry in found if entry["name"] == name]

    def wait_until_over(self, name: str, seconds: float) -> list[dict[str, Any]]:
        """The journal of one connection, once its application has ended."""
        until = time.monotonic() + seconds
        while True:
            entries = self.entries(name)
            if any("over" in entry for entry in entries) or time.monotonic() > until:
                return entries
            time.sleep(LOOK_EVERY)

    def terminate_soon(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for the process; its exit status."""
        return self._process.wait(END_LIMIT)


@contextmanager
def serving(kind: str, folder: Path) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    journal, output = folder / "journal", folder / "output"
    program, *arguments = COMMANDS[kind](port)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        "DJANGO_SETTINGS_MODULE": "tests.endings.settings",
        "ENDINGS_JOURNAL": str(journal),
    }
    with output.open("wb") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / program), *arguments],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + START_LIMIT
        while not _listens(port):
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < until, output.read_text()
            time.sleep(LOOK_EVERY)
        yield Served(kind, process, port, journal, output)
    finally:
        process.terminate()
        try:
            process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:  # Daphne, which waits for a handler that hangs
            process.kill()
            process.wait(END_LIMIT)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
