"""Servers as people start them in production, for the site in this folder."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from channels.draining.closing import REASON
from tests.server.process import LIMIT, Process, running

SITE = Path(__file__).parent / "site"
APPLICATION = "mysite.asgi:application"

COMMANDS: dict[str, list[str]] = {
    "uvicorn": ["uvicorn", APPLICATION, "--port", "0"],
    "uvicorn with workers": ["uvicorn", APPLICATION, "--port", "0", "--workers", "2"],
    "uvicorn with asyncio": ["uvicorn", APPLICATION, "--port", "0", "--loop", "asyncio"],
    "gunicorn": [
        "gunicorn", "-k", "uvicorn_worker.UvicornWorker", "-w", "2", "-b", "127.0.0.1:0",
        "--no-control-socket", APPLICATION,
    ],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", APPLICATION],
    "granian with asyncio": [
        "granian", "--interface", "asgi", "--loop", "asyncio", "--port", "{port}", APPLICATION,
    ],
    "hypercorn": ["hypercorn", APPLICATION, "-b", "127.0.0.1:0"],
    "hypercorn without workers": ["hypercorn", APPLICATION, "-b", "127.0.0.1:0", "-w", "0"],
    "daphne": ["daphne", "-p", "0", APPLICATION],
}  # fmt: skip

ADDRESS = r"(?:http://|TCP address |Listening at: http://)(127\.0\.0\.1:[1-9]\d*)"


@contextmanager
def serving(name: str, *more: str, **environment: str) -> Iterator[tuple[Process, str]]:
    """Start one of the servers; the block gets its process and address."""
    module, *arguments = COMMANDS[name]
    port = str(free_port())
    arguments = [argument.replace("{port}", port) for argument in arguments]
    environment = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": ".", **environment}
    command = [sys.executable, "-m", module, *arguments, *more]
    with running(*command, project=SITE, **environment) as process:
        yield process, process.wait_for(ADDRESS).group(1)


def free_port() -> int:
    """For a server that does not say which port it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def open_websocket(address: str, path: str = "/async/") -> Iterator[ClientConnection]:
    """A WebSocket that has had its first message, so its consumer is connected."""
    wait_until_it_listens(address)
    with connect(f"ws://{address}{path}", proxy=None) as websocket:
        websocket.recv(timeout=10)
        yield websocket


def wait_until_it_listens(address: str) -> None:
    """Some servers say their address, or that they have started, a moment before they listen."""
    host, port = address.split(":")
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            socket.create_connection((host, int(port))).close()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, f"nobody listens on {address}"
            time.sleep(0.02)


def touch_until(server: Process, file: Path, seen: str) -> None:
    """Change ``file`` until the server says so: a reloader does not see what happens before its
    first look, and compares whole seconds on some file systems."""
    for attempt in range(1, 20):
        file.write_text(file.read_text() + "\n")
        try:
            server.wait_for(seen, limit=0.5 * attempt)
            return
        except AssertionError:
            continue
    raise AssertionError(f"{seen!r} does not come in:\n{server.text}")


def goodbye(websocket: ClientConnection) -> tuple[int, str] | None:
    """The close frame that the server sent, after what it sent before; None without one."""
    try:
        while True:
            websocket.recv(timeout=20)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else None


TOLD = (1012, REASON)
