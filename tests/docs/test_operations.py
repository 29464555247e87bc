"""The samples of the operations guide: tried, and not only read.

nginx, the two instances and the clients are real. A unit and a Dockerfile cannot be started here;
their command lines are run as they stand, and systemd reads the unit where it is installed.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.redis_servers import Authority, Server
from tests.redis_servers.server import free_port

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "docs" / "how-to" / "samples"
PATIENCE = 20.0

SETTINGS = """
import os
from mysite.logging_settings import LOGGING
SECRET_KEY = "x"
ALLOWED_HOSTS = ["example.com", "127.0.0.1"]
INSTALLED_APPS = ["channels"]
ROOT_URLCONF = "mysite.urls"
ASGI_APPLICATION = "mysite.asgi.application"
CHANNELS = {"TRUSTED_PROXIES": [], "DRAIN_SECONDS": 0.2, "DRAIN_DEADLINE_SECONDS": 5}
CHANNEL_LAYERS = {"default": {
    "BACKEND": "channels.layers.redis.RedisChannelLayer",
    "CONFIG": {"hosts": [os.environ["REDIS"]], "send_timeout": 1},
}}
"""
URLS = """
from django.urls import path
from mysite import health
urlpatterns = [path("health/live", health.live), path("health/ready", health.ready)]
"""
ASGI = """
import json, os
from django.core.asgi import get_asgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
http = get_asgi_application()
from django.urls import path
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

class Room(AsyncWebsocketConsumer):
    groups = ["room"]
    async def receive(self, text_data=None, bytes_data=None):
        said = {"text": text_data, "address": self.scope["client"][0], "process": os.getppid()}
        message = {"type": "websocket.send", "text": json.dumps(said)}
        if text_data == "to all":
            await self.channel_layer.group_send("room", message)
        else:
            await self.send(text_data=message["text"])

application = ProtocolTypeRouter({
    "http": http,
    "websocket": AllowedHostsOriginValidator(URLRouter([path("ws/", Room.as_asgi())])),
})
"""


def unit() -> dict[str, str]:
    """The settings of the unit's service."""
    lines = (SAMPLES / "mysite@.service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def nginx_program(folder: Path) -> Path | None:
    """The one on the PATH, or Debian's, unpacked and not installed."""
    found = shutil.which("nginx")
    if found is not None:
        return Path(found)
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return None
    for step in (["apt-get", "-q", "update"], ["apt-get", "-q", "download", "nginx"]):
        subprocess.run(step, cwd=folder, check=False, capture_output=True, timeout=120)
    for package in folder.glob("nginx_*.deb"):
        subprocess.run(["dpkg", "-x", str(package), "nginx"], cwd=folder, check=True)
        return folder / "nginx/usr/sbin/nginx"
    return None


class Deployment:
    """nginx in front of two instances, as the guide has them."""

    def __init__(self, folder: Path, redis: Server, authority: Authority, nginx: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._redis = redis
        self._authority = authority
        self._nginx = nginx
        self.instances: dict[int, subprocess.Popen[bytes]] = {}
        package = folder / "mysite"
        package.mkdir()
        for name, source in {"settings": SETTINGS, "urls": URLS, "asgi": ASGI}.items():
            (package / f"{name}.py").write_text(source)
        for name in ("health.py", "logging_settings.py"):
            shutil.copy(SAMPLES / name, package)

    @property
    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))

    @contextmanager
    def instance(self, number: int) -> Iterator[None]:
        command = shlex.split(unit()["ExecStart"].replace("%i", str(number)))
        command = [part.replace("/run/mysite", str(self.folder)) for part in command]
        python = os.environ.get("PYTHONPATH", "")
        with (self.folder / f"{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", *command[1:]],
                cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": "mysite.settings",
                    "PYTHONPATH": f"{self.folder}:{python}",
                    "REDIS": self._redis.url,
                },
            )  # fmt: skip
        self.instances[number] = process
        try:
            self._until((self.folder / f"{number}.sock").exists)
            yield
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()

    @contextmanager
    def proxy(self) -> Iterator[None]:
        sample = (SAMPLES / "nginx.conf").read_text()
        for old, new in {
            "unix:/run/mysite/": f"unix:{self.folder}/",
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "/etc/ssl/example.com.pem": str(self._authority.certificate),
            "/etc/ssl/example.com.key": str(self._authority.key),
            "/var/log/nginx/mysite.log": f"{self.folder}/access.log",
        }.items():
            assert old in sample
            sample = sample.replace(old, new)
        (self.folder / "mysite.conf").write_text(sample)
        temporary = "\n".join(
            f"{name}_temp_path {self.folder}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(
            f"daemon off; {'user root;' if os.geteuid() == 0 else ''} "
            f"pid {self.folder}/nginx.pid; error_log {self.folder}/error.log; "
            f"events {{}} http {{ {temporary} include {self.folder}/mysite.conf; }}"
        )
        command = [self._nginx, "-p", self.folder, "-c", self.folder / "nginx.conf"]
        subprocess.run([*command, "-t"], check=True, capture_output=True)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            self._until(lambda: self.get("/health/live") == (200, "alive\n"))
            yield
        finally:
            process.send_signal(signal.SIGQUIT)
            process.terminate()
            process.wait(PATIENCE)

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._authority.authority))

    def get(self, path: str) -> tuple[int, str]:
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", headers={"Host": "example.com"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5, context=self.context()) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def socket(
        self, path: str = "/ws/", *, origin: str = "https://example.com", **headers: str
    ) -> Any:
        options: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "ssl": self.context(),
            "server_hostname": "127.0.0.1",  # whom the certificate is for
            "proxy": None,
            "origin": origin,
            "additional_headers": headers,
        }
        return connect(f"wss://example.com{path}", **options)

    def _until(self, holds: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, self.log[-3000:]
            time.sleep(0.05)


@pytest.fixture(scope="module")
def deployment(redis7: Server, authority: Authority) -> Iterator[Deployment]:
    with ExitStack() as stack:
        # A short path: that of a Unix socket has a hundred characters at most.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ops-")))
        folder.chmod(0o755)
        nginx = nginx_program(folder)
        if nginx is None:
            pytest.skip("there is no nginx, and no apt-get to fetch it with")
        running = Deployment(folder, redis7, authority, nginx)
        stack.enter_context(running.instance(1))
        stack.enter_context(running.instance(2))
        stack.enter_context(running.proxy())
        yield running


async def said(socket: ClientConnection, text: str) -> dict[str, Any]:
    """Say something and wait until it comes back."""
    await socket.send(text)
    async with asyncio.timeout(PATIENCE):
        while True:
            answer: dict[str, Any] = json.loads(await socket.recv())
            if answer["text"] == text:
                return answer


@pytest.mark.slow
@pytest.mark.timeout(120)
class TestDeployment:
    async def test_websockets_go_through_and_the_instances_are_one_room(
        self, deployment: Deployment
    ) -> None:
        async with deployment.socket() as one, deployment.socket() as two:
            assert (await said(one, "to all"))["text"] == "to all"
            async with asyncio.timeout(PATIENCE):
                assert json.loads(await two.recv())["text"] == "to all"

    async def test_the_address_is_the_clients_and_cannot_be_chosen(
        self, deployment: Deployment
    ) -> None:
        forged = {"X-Forwarded-For": "203.0.113.9"}
        async with deployment.socket(**forged) as socket:
            assert (await said(socket, "where"))["address"] == "127.0.0.1"

    async def test_an_origin_of_somebody_else_is_denied(self, deployment: Deployment) -> None:
        with pytest.raises(InvalidStatus) as caught:
            async with deployment.socket(origin="https://evil.test"):
                pass
        assert caught.value.response.status_code == 403

    async def test_no_log_has_the_query_string(self, deployment: Deployment) -> None:
        async with deployment.socket("/ws/?token=s3cret") as socket:
            await said(socket, "hello")
        deployment.get("/health/live?token=s3cret")
        assert "/ws/" in deployment.log
        assert "s3cret" not in deployment.log

    async def test_health(self, deployment: Deployment, redis7: Server) -> None:
        assert await asyncio.to_thread(deployment.get, "/health/ready") == (200, "ready\n")
        redis7.freeze()
        try:
            status, body = await asyncio.to_thread(deployment.get, "/health/ready")
            assert status == 503
            assert re.fullmatch(r"\w+\n", body), "what is wrong in detail is for the log"
            alive = await asyncio.to_thread(deployment.get, "/health/live")
            assert alive == (200, "alive\n")
        finally:
            redis7.thaw()

    async def test_an_instance_restarts_and_new_clients_find_the_other(
        self, deployment: Deployment
    ) -> None:
        """The last one: instance 1 is gone after it."""
        sockets = [await deployment.socket() for _ in range(12)]
        first = deployment.instances[1]
        homes = [(await said(socket, f"n{n}"))["process"] for n, socket in enumerate(sockets)]
        assert set(homes) == {process.pid for process in deployment.instances.values()}
        first.send_signal(signal.SIGTERM)
        while first.poll() is None:
            # Never refused: by the one that drains to begin with, then by the other.
            async with deployment.socket() as newcomer:
                with suppress(ConnectionClosed):
                    await said(newcomer, "hello")
            assert newcomer.close_code in {1000, 1012}
        for socket, home in zip(sockets, homes, strict=True):
            if home == first.pid:
                await socket.wait_closed()
                assert socket.close_code == 1012
            else:
                assert (await said(socket, "still there"))["process"] == home
                await socket.close()


def test_the_deadline_of_the_unit_is_after_ours() -> None:
    from channels.conf import KEYS

    assert float(unit()["TimeoutStopSec"]) > KEYS["DRAIN_DEADLINE_SECONDS"].default()


def test_the_containers_command_has_options_that_there_are() -> None:
    lines = (SAMPLES / "Dockerfile").read_text().splitlines()
    command = json.loads(next(line for line in lines if line.startswith("CMD"))[4:])
    assert command[0] == "uvicorn"
    shown = subprocess.run(
        [sys.executable, "-m", "uvicorn", "--help"], check=True, capture_output=True, text=True
    ).stdout
    for option in command[2:]:
        assert not option.startswith("--") or option in shown


def test_the_unit_is_one_that_systemd_reads(tmp_path: Path) -> None:
    text = (SAMPLES / "mysite@.service").read_text()
    program = shutil.which("systemd-analyze")
    assert "ExecStart" in text
    if program is None:
        return  # the command line is run by the tests above
    # What is there on the machine of a reader, and not here.
    text = text.replace("/srv/mysite/venv/bin/uvicorn", "/bin/true")
    text = text.replace("WorkingDirectory=/srv/mysite", "WorkingDirectory=/tmp")
    (tmp_path / "mysite@.service").write_text(text.replace("User=mysite", "User=root"))
    read = subprocess.run(
        [program, "verify", str(tmp_path / "mysite@1.service")],
        check=False, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    complaints = [line for line in read.stderr.splitlines() if "mysite@" in line]
    assert not complaints
