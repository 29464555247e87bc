"""Processes that send to each other's members, from outside."""

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from tests.faults.account import Account, Sent, account, numbers

ROOT = Path(__file__).parents[2]
GROUPS = ["room", "hall"]
MEMBERS = 3
ANSWER_SECONDS = 60.0
SETTLE_SECONDS = 20.0


class Process:
    """One worker."""

    def __init__(self, name: str, hosts: Any, options: dict[str, Any], pause: float) -> None:
        self.name = name
        config = {"name": name, "hosts": hosts, "options": options, "pause": pause}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker", json.dumps(config)],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._answers: Queue[str] = Queue()
        self._errors: list[str] = []
        self._threads = [
            threading.Thread(target=self._read, args=(self._process.stdout, self._answers.put)),
            threading.Thread(target=self._read, args=(self._process.stderr, self._errors.append)),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """What it wrote for people."""
        return "".join(self._errors)

    def ask(self, name: str, *arguments: Any) -> Any:
        """Have it do something and wait for the answer."""
        self.tell(name, *arguments)
        return self.answer(name)

    def tell(self, name: str, *arguments: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()

    def answer(self, name: str) -> Any:
        """The answer to the oldest thing told that has none yet."""
        try:
            line = self._answers.get(timeout=ANSWER_SECONDS)
        except Empty:
            raise TimeoutError(f"{self.name} does not answer to {name}: {self.log}") from None
        if not line:
            raise RuntimeError(f"{self.name} ended: {self.log}")
        return json.loads(line)

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """As ``kill -9`` does. Its answers are gone."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Kill it if it still runs, and clean up."""
        self.kill()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def _read(self, stream: Any, put: Any) -> None:
        for line in stream:
            put(line)
        put("")


class Load:
    """Two processes that send to two groups, of which both have members, and to one another.

    Args:
        hosts: as in the setting.
        options: for the layer; a ``prefix`` of its own where none is given.
        pause: seconds between the messages of a sending task.
        processes: how many.
    """

    def __init__(
        self, hosts: Any, *, pause: float = 0.01, processes: int = 2, **options: Any
    ) -> None:
        self.options: dict[str, Any] = {
            "prefix": f"load-{secrets.token_hex(4)}",
            # What comes in while a process is frozen has to fit.
            "capacity": 10_000,
            **options,
        }
        self.processes: list[Process] = []
        self.sent: dict[str, dict[str, Sent]] = {}
        self.errors: list[str] = []
        self.ways: dict[str, list[str]] = {}
        """By member: what it has to get."""
        self._names = [chr(ord("a") + number) for number in range(processes)]
        self._hosts = hosts
        self._pause = pause
        self._stack = ExitStack()

    def __enter__(self) -> "Load":
        try:
            for name in self._names:
                process = Process(name, self._hosts, self.options, self._pause)
                self._stack.callback(process.end)
                self.processes.append(process)
            for process in self.processes:
                process.tell("join", GROUPS, MEMBERS)
            for process in self.processes:
                for channel in process.answer("join"):
                    self.ways[channel] = [f"group:{group}" for group in GROUPS]
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def start(self, *further_ways: str) -> None:
        """Send to both groups, to the first member of every process, and ``further_ways``."""
        first: dict[str, str] = {}
        for channel in self.ways:
            if "!" in channel:
                first.setdefault(channel.partition("!")[0], channel)
        direct = [f"channel:{channel}" for channel in first.values()]
        for channel, way in zip(first.values(), direct, strict=True):
            self.ways[channel].append(way)
        ways = [f"group:{group}" for group in GROUPS] + direct + list(further_ways)
        for process in self.processes:
            process.ask("send", ways)

    def finish(self, without: Process | None = None) -> Account:
        """End the sending, let the rest arrive, and count.

        Args:
            without: a process that was killed: what it had is nobody's business.
        """
        processes = [process for process in self.processes if process is not without]
        for process in processes:
            process.tell("finish_sending")
        for process in processes:
            found = process.answer("finish_sending")
            self.errors += found["errors"]
            for key, returned in found["returned"].items():
                self._sent(key).returned |= numbers(returned)
            for key, raised in found["raised"].items():
                self._sent(key).raised |= numbers(raised)
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            result = self._count(processes, without)
            late = time.monotonic() > deadline
            if late or not {key.partition(" ")[0] for key in result.lost} - result.gaps.keys():
                return result
            time.sleep(0.1)

    def _sent(self, key: str) -> Sent:
        way, _, sender = key.partition(" ")
        return self.sent.setdefault(way, {}).setdefault(sender, Sent(set(), set()))

    def _count(self, processes: list[Process], without: Process | None) -> Account:
        got: dict[str, Any] = {}
        gaps: dict[str, Any] = {}
        self.drops: list[dict[str, int]] = []
        for process in processes:
            found = process.ask("report")
            got |= found["got"]
            gaps |= found["gaps"]
            self.drops.append(found["drops"])
        result = account(self.sent, got, gaps, {m: self.ways.get(m, []) for m in got})
        if without is not None:
            result.invented = 0  # what the killed one sent, nobody knows
        return result
