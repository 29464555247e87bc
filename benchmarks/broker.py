"""A Redis server for the lanes that need one."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence

from benchmarks.child import ChildError

PROGRAMS: Sequence[str] = ("redis-server", "valkey-server")

PATIENCE = 10.0
"""Seconds until it has to answer."""


class Broker:
    """A server on a free port of 127.0.0.1 that keeps nothing on disk.

    Raises:
        ChildError: there is no server program, or it does not start.
    """

    def __init__(self) -> None:
        # The programs that a deployment has; BENCH_REDIS names another one.
        wanted = [os.environ.get("BENCH_REDIS", ""), *PROGRAMS]
        program = next((path for name in wanted if name and (path := shutil.which(name))), None)
        if program is None:
            raise ChildError(
                f"None of {', '.join(PROGRAMS)} is on the PATH. Install one, or name it in "
                "BENCH_REDIS."
            )
        self._folder = tempfile.TemporaryDirectory()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
            cwd=self._folder.name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait(program)

    def cpu(self) -> float:
        """Seconds of CPU that the server has used."""
        found = dict(line.split(":", 1) for line in self._ask("INFO cpu").split() if ":" in line)
        return float(found["used_cpu_sys"]) + float(found["used_cpu_user"])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _ask(self, command: str) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(f"{command}\r\nQUIT\r\n".encode())
            answer = b""
            while data := connection.recv(1 << 16):
                answer += data
        return answer.decode()

    def _wait(self, program: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self._ask("PING")
            except OSError:
                time.sleep(0.01)
            else:
                return
        self.stop()
        raise ChildError(f"{program} did not answer on port {self.port} in {PATIENCE:.0f} s.")
