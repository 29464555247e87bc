"""A server or a management command in a process of its own, and what it prints."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROJECT = Path(__file__).parent / "project"
LIMIT = 15.0
"""Seconds after which a test stops waiting. Nothing takes as long when it works."""


class Process:
    """A command in the given folder. Output and errors are read as one text."""

    def __init__(self, *command: str, project: Path, **environment: str) -> None:
        self._text = ""
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            command,
            cwd=project,
            env={
                **_inherited(),
                "PYTHONUNBUFFERED": "1",
                "DJANGO_RUNSERVER_HIDE_WARNING": "true",
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A process group of its own: a test sends it what a terminal sends at Ctrl-C.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._text += line
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        return self._process.pid

    @property
    def text(self) -> str:
        with self._changed:
            return self._text

    def wait_for(self, pattern: str, *, times: int = 1, limit: float = LIMIT) -> re.Match[str]:
        """The ``times``-th place where the output matches, as soon as it does."""
        deadline = time.monotonic() + limit
        with self._changed:
            while True:
                found = list(re.finditer(pattern, self._text))
                if len(found) >= times:
                    return found[times - 1]
                left = deadline - time.monotonic()
                if left <= 0 or (self._process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"{pattern!r} does not come in:\n{self._text}")
                self._changed.wait(min(left, 0.5))

    def wait_for_address(self, *, times: int = 1) -> str:
        """Host and port, from the line that the command prints when it is bound."""
        pattern = r"development server at http://(\S+)/\n"
        return self.wait_for(pattern, times=times).group(1)

    def say(self, line: str) -> None:
        """A line on its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def ctrl_c(self) -> None:
        """SIGINT to the whole group, as a terminal does it."""
        self.send_to_group(signal.SIGINT)

    def send_to_group(self, number: signal.Signals) -> None:
        """A signal to the process and its children, as systemd does it."""
        os.killpg(self._process.pid, number)

    def send(self, number: signal.Signals) -> None:
        """A signal to the process that was started, and to it alone."""
        self._process.send_signal(number)

    def end(self) -> tuple[int, float]:
        """Wait until it has ended; its exit code, and how many seconds it took from now."""
        began = time.monotonic()
        status = self._process.wait(LIMIT)
        took = time.monotonic() - began
        self._reader.join(LIMIT)
        return status, took

    def kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(LIMIT)
        self._reader.join(LIMIT)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


@contextmanager
def manage(*arguments: str, project: Path = PROJECT, **environment: str) -> Iterator[Process]:
    """Run a management command; whatever is left of it at the end of the block is killed."""
    command = (sys.executable, "-W", "error", "manage.py", *arguments)
    with running(*command, project=project, **environment) as process:
        yield process


@contextmanager
def running(*command: str, project: Path, **environment: str) -> Iterator[Process]:
    """Run a command; whatever is left of it at the end of the block is killed."""
    process = Process(*command, project=project, **environment)
    try:
        yield process
    finally:
        process.kill_group()


def _inherited() -> dict[str, str]:
    ours = {"DJANGO_SETTINGS_MODULE", "RUN_MAIN", "WEB_CONCURRENCY"}
    return {name: value for name, value in os.environ.items() if name not in ours}
