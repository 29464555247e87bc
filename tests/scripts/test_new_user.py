"""The README's first command in an empty folder, as somebody who has just cloned the project."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a commit of the working tree would hold."""
    folder = tmp_path_factory.mktemp("clone")
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


class Demo:
    """`make demo`, from its start to Ctrl-C."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.began = time.monotonic()
        self.output = ""
        self._process = subprocess.Popen(
            ["make", "demo"],
            cwd=folder,
            env={**os.environ, "PORT": str(self.port), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_until_it_serves(self) -> float:
        """Return how many seconds it took. The test's own timeout bounds the wait."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output += line
            if "Quit the server" in line:
                return time.monotonic() - self.began
        pytest.fail(f"make demo ended:\n{self.output}")

    def page(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as response:
            return str(response.read().decode())

    def press_ctrl_c(self) -> None:
        os.killpg(self._process.pid, signal.SIGINT)
        assert self._process.stdout is not None
        # Not communicate(): it would miss what the loop above has read ahead.
        self.output += self._process.stdout.read()
        self._process.wait()

    def kill(self) -> None:
        with self._process as process:  # closes the pipe
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def demo(clone: Path) -> Iterator[Demo]:
    started = Demo(clone)
    yield started
    started.kill()


@pytest.mark.parametrize("run", ["first", "second"])
def test_the_demo_serves_and_ends_cleanly(demo: Demo, run: str) -> None:
    seconds = demo.wait_until_it_serves()
    assert "<html" in demo.page("/")
    demo.press_ctrl_c()
    assert ("Installing" in demo.output) == (run == "first")
    assert re.search(r"Traceback|\bError\b|\*\*\*", demo.output) is None, demo.output
    if run == "second":
        assert seconds < 10
