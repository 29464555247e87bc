"""A process that the harness asks for work."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.lines import Message
from benchmarks.machine import ROOT

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(4 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(16 * 2**20)}
"""For glibc. asyncio reads into a buffer of 256 KiB. By default it depends on what a process has
freed before whether such a buffer comes from the heap or costs three system calls, for every frame:
the bare application paid for that and larger ones did not."""


class ChildError(Exception):
    """A process could not do what it was asked to; the text says which and why."""


def environment(**more: str) -> dict[str, str]:
    """The environment variables of a process that is measured.

    None of Python's own: a path could bring in another ``channels``, debug modes are slow, and
    without files of bytecode an import is a compilation.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, **ALLOCATOR, **more}


class Child:
    """``python -m MODULE ARGUMENTS…`` and the answers it gives.

    Args:
        python: the interpreter of the environment that it runs in.
        variables: environment variables beside those that every process gets.
    """

    def __init__(
        self,
        python: Path,
        module: str,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.name = " ".join((module.removeprefix("benchmarks."), *arguments))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process = subprocess.Popen(
            [str(python), "-m", module, *arguments],
            cwd=ROOT,
            env=environment(DJANGO_SETTINGS_MODULE="benchmarks.apps.settings", **(variables or {})),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # Ctrl-C goes to the harness, which ends its processes in order.
            start_new_session=sys.platform != "win32",
        )
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def ask(self, what: str, **arguments: Any) -> None:
        """Put a question, without waiting for the answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, "with": arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ChildError(self._obituary()) from None

    def answer(self, timeout: float) -> Message:
        """Wait for the next answer.

        Raises:
            ChildError: the process ended, took too long or says that something failed.
        """
        try:
            line = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise ChildError(f"{self.name}: no answer in {timeout:.0f} s.") from None
        if not line:
            raise ChildError(self._obituary())
        message: Message = json.loads(line)
        if "error" in message:
            raise ChildError(f"{self.name} failed:\n{message['error']}")
        return message

    def stop(self) -> None:
        """End the process, at once: it has nothing to save."""
        assert self._process.stdin is not None
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):  # a question that was not taken any more
            self._process.stdin.close()
        self._listener.join()
        self._errors.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._answers.put(line)
        self._answers.put("")

    def _obituary(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()[-30:]
        return "\n".join([f"{self.name} ended with exit code {code}. It said:", *said])
