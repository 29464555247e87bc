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

from tests.faults.account import Account, Sent, account, merged, numbers

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
        """What sends raised."""
        self.drops: list[dict[str, int]] = []
        """By process: what its layer counted."""
        self.logs: list[str] = []
        """By process, at the end."""
        self.account = Account()
        self.slowest_send = 0.0
        """Seconds that the sends that were under way at the end took."""
        self._killed: list[Process] = []
        self.ways: dict[str, list[str]] = {}
        """By member: what it has to get."""
        self.jobs: dict[str, list[str]] = {}
        """By general channel: its receivers, who have to get everything together."""
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

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._stack.close()
            self.logs = [process.log for process in self.processes]

    def receive_jobs(self, channel: str, process: Process, seed: int | None = None) -> None:
        """One more receiver of a general channel; with ``seed`` one that is cancelled at random
        points all the time."""
        self.jobs.setdefault(channel, []).append(process.ask("take_jobs", channel, seed))

    def receive_cancelled(self, process: Process, seed: int) -> None:
        """One more member, that waits in ``receive()`` and is cancelled at random points."""
        channel = process.ask("receive_cancelled", GROUPS, seed)
        self.ways[channel] = [f"group:{group}" for group in GROUPS]

    def start(self) -> None:
        """Send to both groups, to the first member of every process, and to channels with jobs."""
        first: dict[str, str] = {}
        for channel in self.ways:
            if "!" in channel:
                first.setdefault(channel.partition("!")[0], channel)
        direct = [f"channel:{channel}" for channel in first.values()]
        for channel, way in zip(first.values(), direct, strict=True):
            self.ways[channel].append(way)
        ways = [f"group:{group}" for group in GROUPS] + direct
        ways += [f"channel:{channel}" for channel in self.jobs]
        for process in self.processes:
            process.ask("send", ways)

    def kill(self, process: Process) -> None:
        """Kill a process. What it had is nobody's business any more, and what it sent unknown."""
        process.kill()
        self._killed.append(process)

    def _finish(self) -> None:
        """End the sending, let the rest arrive, and count."""
        processes = [process for process in self.processes if process not in self._killed]
        began = time.monotonic()
        for process in processes:
            process.tell("finish_sending")
        for process in processes:
            found = process.answer("finish_sending")
            self.errors += found["errors"]
            for key, returned in found["returned"].items():
                self._sent(key).returned |= numbers(returned)
            for key, raised in found["raised"].items():
                self._sent(key).raised |= numbers(raised)
        self.slowest_send = time.monotonic() - began
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            self.account = self._count(processes)
            # A gap tells that more is not to be waited for, once it is all there.
            if time.monotonic() > deadline or not self.account.lost_by - self.account.gaps.keys():
                break
            time.sleep(0.1)
        for process in processes:
            process.ask("end")

    def _sent(self, key: str) -> Sent:
        way, _, sender = key.partition(" ")
        return self.sent.setdefault(way, {}).setdefault(sender, Sent(set(), set()))

    def _count(self, processes: list[Process]) -> Account:
        got: dict[str, Any] = {}
        gaps: dict[str, Any] = {}
        self.drops = []
        for process in processes:
            found = process.ask("report")
            got |= found["got"]
            gaps |= found["gaps"]
            self.drops.append(found["drops"])
        ways = dict(self.ways)
        for channel, receivers in self.jobs.items():
            if len(receivers) == 1:
                together = got[receivers[0]]
            else:
                together = merged(got.pop(receiver) for receiver in receivers)
            got[channel], ways[channel] = together, [f"channel:{channel}"]
        return account(self.sent, got, gaps, {member: ways.get(member, []) for member in got})
