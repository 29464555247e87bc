"""A process that kills what this one started, should this one be killed itself.

A fixture stops its servers, also after a failure; but nothing runs in a process that dies of a
signal, and whoever runs tests under a time limit sends one. The guard reads from a pipe whose other
end nobody else holds, so its end is the end of this process.
"""

import atexit
import os
import subprocess
import sys
import threading

_SCRIPT = """
import os, signal, sys
alive = set()
for line in sys.stdin:
    sign, pid = line[0], int(line[1:])
    (alive.add if sign == "+" else alive.discard)(pid)
for pid in alive:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


class Guard:
    """Knows the processes that must not outlive this one. Its own process starts with the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    def watch(self, pid: int) -> None:
        self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        """It has ended and was waited for: the number may be another's soon."""
        self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        if os.getpid() != self._owner:
            return
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-S", "-E", "-c", _SCRIPT],
                    stdin=subprocess.PIPE,
                    # A Ctrl-C is for the tests, which then stop their servers in good order.
                    start_new_session=True,
                )
                atexit.register(self._end)
            assert self._process.stdin is not None
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()

    def _end(self) -> None:
        if self._process is not None and os.getpid() == self._owner:
            self._process.communicate(timeout=10)
            self._process = None


guard = Guard()
