"""Lanes that measure how long something takes to start, each time in a new process."""

import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.child import ChildError, environment
from benchmarks.lanes.base import START_TIMEOUT, Sample
from benchmarks.lanes.places import Places
from benchmarks.machine import ROOT

IMPORTS = """
import time
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"])
django.setup()
from django.core.asgi import get_asgi_application
import django.contrib.auth.models, django.contrib.sessions.backends.base, django.urls
wall, cpu = time.perf_counter(), time.process_time()
import channels, channels.auth, channels.generic.websocket, channels.layers, channels.routing
import channels.security.websocket
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
"""What an ``asgi.py`` imports, after Django and the parts of it that every project uses."""


class ImportLane:
    """Imports the package; the unit is an import in a new process."""

    def __init__(self, places: Places, contender: str, loop: str) -> None:
        self._python = places.environments.python(contender)
        self.versions: dict[str, str] = {}

    def begin(self) -> None:
        """Nothing runs between slices."""

    def ready(self) -> None:
        """Nothing runs between slices."""

    def warm_up(self, seconds: float) -> None:
        self.slice(0)  # the first one reads the files from the disk

    def slice(self, seconds: float) -> Sample:
        sample = {"count": 0, "wall": 0.0, "cpu": 0.0}
        deadline = time.monotonic() + seconds
        while not sample["count"] or time.monotonic() < deadline:
            done = subprocess.run(
                [str(self._python), "-c", IMPORTS],
                cwd=ROOT,
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise ChildError(f"The import failed:\n{done.stderr[-2000:]}")
            wall, cpu = done.stdout.split()
            sample["wall"] += float(wall)
            sample["cpu"] += float(cpu)
            sample["count"] += 1
        return sample

    def stop(self) -> None:
        """Nothing runs between slices."""


class DemoLane:
    """Starts a site until it answers; the unit is a start.

    ``ours`` is the example site with its database prepared, as at every start but the first;
    ``floor`` is Django's own development server with one page.
    """

    def __init__(self, places: Places, contender: str, loop: str) -> None:
        self._python = places.environments.python(contender)
        self._is_demo = contender == "ours"
        self._folder = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[bytes] | None = None
        self.versions: dict[str, str] = {}

    def begin(self) -> None:
        """Nothing runs between slices."""

    def ready(self) -> None:
        """Nothing runs between slices."""

    def warm_up(self, seconds: float) -> None:
        self.slice(0)  # the first start migrates the database

    def slice(self, seconds: float) -> Sample:
        sample = {"count": 0, "wall": 0.0}
        while not sample["count"] or sample["wall"] < seconds:
            sample["wall"] += self._start_once()
            sample["count"] += 1
        return sample

    def stop(self) -> None:
        self._kill()
        self._folder.cleanup()

    def _start_once(self) -> float:
        port = _free_port()
        begin = time.perf_counter()
        with (Path(self._folder.name) / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(self._python), *self._command(port)],
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                self._wait_for_answer(port, begin + START_TIMEOUT)
                return time.perf_counter() - begin
            finally:
                self._kill()

    def _command(self, port: int) -> list[str]:
        if self._is_demo:
            return ["examples/chat/manage.py", "demo", "--noreload", str(port)]
        return ["-m", "django", "runserver", "--noreload", f"127.0.0.1:{port}"]

    def _environment(self) -> dict[str, str]:
        return environment(
            SECRET_KEY="benchmarks only",
            CHAT_DATABASE=str(Path(self._folder.name) / "chat.sqlite3"),
            DJANGO_SETTINGS_MODULE="config.settings"
            if self._is_demo
            else "benchmarks.apps.bare_settings",
        )

    def _wait_for_answer(self, port: int, deadline: float) -> None:
        while time.perf_counter() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.005)
            else:
                return
        said = (Path(self._folder.name) / "log").read_text(errors="replace")
        raise ChildError(f"The site did not come up on port {port}. It said:\n{said[-2000:]}")

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
