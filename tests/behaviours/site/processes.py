"""The site's commands as processes of their own, with this interpreter's path."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "tests.behaviours.site.settings",
        "SITE_DATABASE": ":memory:",
        **more,
    }


def django(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "django", *arguments],
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@contextmanager
def runserver(log: Path, *arguments: str) -> Iterator[str]:
    """``host:port`` of a running ``manage.py runserver``, whose output goes to ``log``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "django", "runserver", "--noreload", *arguments, address]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment(), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _wait_for(process, address, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    host, port = address.split(":")
    give_up = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"runserver did not come up:\n{log.read_text()}") from error
            time.sleep(0.05)
        else:
            return
