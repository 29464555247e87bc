"""uvicorn with the site of this folder, as people start it."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import run
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.deploys.servers import ADDRESS, free_port, wait_until_it_listens
from tests.server.process import Process, running

SITE = Path(__file__).parent / "site"
APPLICATION = "mysite.asgi:application"

COMMANDS: dict[str, list[str]] = {
    # Without uvicorn's own look at the header, the address is found by ours.
    "uvicorn": ["uvicorn", APPLICATION, "--port", "0", "--no-proxy-headers"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", APPLICATION],
    "hypercorn": ["hypercorn", APPLICATION, "-b", "127.0.0.1:0"],
    "daphne": ["daphne", "-p", "0", APPLICATION],
}


class Site:
    """One process that serves the site."""

    def __init__(self, process: Process, address: str) -> None:
        self.process: Process = process
        self._address = address

    def get(self, path: str, cookie: str = "") -> httpx.Response:
        headers = {"cookie": cookie} if cookie else {}
        return httpx.get(
            f"http://{self._address}{path}", headers=headers, timeout=20, trust_env=False
        )

    def sign_in(self, name: str) -> tuple[str, str]:
        """The user's primary key, and the cookie of a new session."""
        response = self.get(f"/in/{name}/")
        return response.text, f"sessionid={response.cookies['sessionid']}"

    @contextmanager
    def stall(self, path: str) -> Iterator[socket.socket]:
        """A WebSocket whose client has taken its handshake and takes nothing more."""
        host, port = self._address.split(":")
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            client.settimeout(20)
            client.connect((host, int(port)))
            client.sendall(
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += client.recv(1)
            assert answer.startswith(b"HTTP/1.1 101 "), answer
            yield client

    @property
    def memory(self) -> int:
        """Bytes that the process has in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024

    @contextmanager
    def connect(
        self, path: str = "/async/", cookie: str = "", **headers: str
    ) -> Iterator[ClientConnection]:
        """An open WebSocket. Its first message, the channel's name, is in ``name``."""
        more = {"Cookie": cookie} if cookie else {}
        with self.open(path, **headers, **more) as websocket:
            websocket.name = websocket.recv(timeout=20)  # type: ignore[attr-defined]
            yield websocket

    def open(self, path: str, **headers: str) -> connect:
        """A WebSocket, when the block is entered."""
        return connect(
            f"ws://{self._address}{path}", additional_headers=headers, proxy=None, open_timeout=20
        )


@contextmanager
def serving(database: Path, *, server: str = "uvicorn", **environment: str) -> Iterator[Site]:
    """Start a process of the site; the database is made if it is not there."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "PYTHONPATH": ".",
        "SITE_DATABASE": str(database),
        **environment,
    }
    if not database.exists():
        run(
            [sys.executable, "-m", "django", "migrate", "-v", "0"],
            cwd=SITE,
            env={**os.environ, **environment},
            check=True,
            timeout=60,
        )
    module, *arguments = COMMANDS[server]
    port = str(free_port())
    command = [sys.executable, "-m", module, *(word.replace("{port}", port) for word in arguments)]
    with running(*command, project=SITE, **environment) as process:
        address = process.wait_for(ADDRESS).group(1)
        wait_until_it_listens(address)
        yield Site(process, address)


def goodbye(websocket: ClientConnection, timeout: float = 20) -> tuple[int, str] | None:
    """The close frame that the server sent, after what it sent before; None without one."""
    try:
        while True:
            websocket.recv(timeout=timeout)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else None


def is_open(websocket: Any) -> bool:
    """Whether the other end still answers."""
    websocket.send("still there?")
    return bool(websocket.recv(timeout=20) == "still there?")
