"""What a client and a reader of the log see of `manage.py runserver`."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.site.processes import runserver
from tests.behaviours.site.wire import Wire, get, wire


class Site:
    def __init__(self, address: str, log: Path) -> None:
        self.http, self.ws, self.log = f"http://{address}", f"ws://{address}", log

    def logged(self, pattern: str) -> str:
        """The first line of the log that matches; the log may lag a little behind."""
        give_up = time.monotonic() + 10
        while time.monotonic() < give_up:
            for line in self.log.read_text().splitlines():
                if re.search(pattern, line):
                    return line
            time.sleep(0.02)
        raise AssertionError(f"{pattern!r} is not in the log:\n{self.log.read_text()}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    log = tmp_path_factory.mktemp("site") / "log.txt"
    with runserver(log) as address:
        yield Site(address, log)


@pytest.fixture
def dial(site: Site) -> Iterator[Callable[[str], Wire]]:
    opened: list[Wire] = []

    def connect(path: str) -> Wire:
        opened.append(Wire(site.ws + path))
        return opened[-1]

    yield connect
    for client in opened:
        client.socket.close()


@behaviour("Server: runserver serves WebSocket: accept, text, binary, a chosen subprotocol")
def test_echo(dial: Callable[[str], Wire]) -> None:
    client = dial("/echo/")
    status, headers = client.handshake("chat", "other")
    assert status == 101
    assert headers["sec-websocket-protocol"] == "chat"
    client.send("hello")
    assert client.frame() == (1, b"hello")
    client.send(b"\x00\xff")
    assert client.frame() == (2, b"\x00\xff")


@behaviour("Server: runserver serves HTTP consumers and Django's views beside them")
def test_http(site: Site) -> None:
    assert get(site.http + "/hello/", "POST", b"you") == (200, b"hello you")
    assert get(site.http + "/view/") == (200, b"a view")
    assert get(site.http + "/static/probe.txt") == (200, b"static probe\n")
    assert get(site.http + "/nothing/")[0] == 404


@behaviour("Server: close() before accept is HTTP 403")
def test_denied(dial: Callable[[str], Wire]) -> None:
    assert dial("/deny/").handshake()[0] == 403


@behaviour("Server: an unknown WebSocket path")
@differs(upstream="is HTTP 500 with a traceback in the log", ours="is HTTP 404")
def test_unknown_path(dial: Callable[[str], Wire]) -> None:
    assert dial("/nowhere/").handshake()[0] == expected(upstream=500, ours=404)


@behaviour("Server: close(4001) reaches the client with its code")
def test_close_code(dial: Callable[[str], Wire]) -> None:
    client = dial("/echo/")
    client.handshake()
    client.send("close")
    assert client.close_code() == 4001


@behaviour("Server: an exception after accept closes with 1011, and its traceback is logged")
def test_exception_closes(site: Site, dial: Callable[[str], Wire]) -> None:
    client = dial("/echo/")
    client.handshake()
    client.send("fail")
    assert client.close_code() == 1011
    site.logged("RuntimeError: asked to fail")


@behaviour("Server: an exception before the response's start is HTTP 500")
def test_exception_500(site: Site) -> None:
    assert get(site.http + "/fail/")[0] == 500


@behaviour("Server: the access log's words for WebSockets: HANDSHAKING, CONNECT, DISCONNECT")
def test_access_log_websocket(site: Site) -> None:
    with wire(site.ws + "/echo/") as client:
        client.handshake()
        end = re.escape(f"[127.0.0.1:{client.port}]")
        site.logged(rf"WebSocket HANDSHAKING /echo/ {end}")
        site.logged(rf"WebSocket CONNECT /echo/ {end}")
    site.logged(rf"WebSocket DISCONNECT /echo/ {end}")


@behaviour("Server: the access log's word for a denied WebSocket: REJECT")
def test_access_log_reject(site: Site, dial: Callable[[str], Wire]) -> None:
    client = dial("/deny/")
    client.handshake()
    site.logged(rf"WebSocket REJECT /deny/ {re.escape(f'[127.0.0.1:{client.port}]')}")


@behaviour("Server: the access log's words for HTTP: HTTP GET path status [seconds, client]")
def test_access_log_http(site: Site) -> None:
    with wire(site.http + "/hello/") as client:
        client.request("Connection: close")
        client.rest()
        port = client.port
    site.logged(rf"HTTP GET /hello/ 200 \[\d+\.\d+, 127\.0\.0\.1:{port}\]")
