"""The example site as a person starts it: one command, one port, a database of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

CHAT = Path(__file__).resolve().parents[2] / "examples" / "chat"
READY_SECONDS = 30
STOP_SECONDS = 10


class ExampleSite:
    """``manage.py demo`` in a process group of its own; it keeps its port across restarts."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def start(self) -> Self:
        self._log = (self._folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, str(CHAT / "manage.py"), "demo", *self._arguments],
            env=self._environment(),
            cwd=self._folder,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + READY_SECONDS
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                status = self._process.poll()
                self.kill()
                raise RuntimeError(f"The demo does not serve (status {status}):\n{self.output()}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """End it with Ctrl-C, which a terminal sends to the command and to its autoreloader."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(
                f"Ctrl-C did not end the demo within {STOP_SECONDS} s:\n{self.output()}"
            ) from None
        self._forget()

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):  # it ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._forget()

    def output(self) -> str:
        return (self._folder / "server.log").read_text(errors="replace")

    def _forget(self) -> None:
        self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _accepts(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        return {
            # Without the settings of the test run, which are not the site's.
            **{key: value for key, value in os.environ.items() if not key.startswith("DJANGO_")},
            "PORT": str(self.port),
            "CHAT_DATABASE": str(self._folder / "chat.sqlite3"),
            "SECRET_KEY": "browser tests only",
            "PYTHONUNBUFFERED": "1",
        }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
