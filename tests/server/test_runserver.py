"""``manage.py runserver`` in a process of its own, as a developer starts it."""

import re
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.server.process import PROJECT, Process, manage

PROMPT = 5.0
"""Seconds in which a server has to end. It takes some 0.1 where nothing else runs."""


def open_websocket(address: str, path: str = "/ws/echo/") -> ClientConnection:
    return connect(f"ws://{address}{path}", proxy=None)


def get(address: str, path: str = "/") -> httpx.Response:
    return httpx.get(f"http://{address}{path}", trust_env=False)


def assert_ends_cleanly(server: Process) -> None:
    status, took = server.end()
    assert status == 0
    assert took < PROMPT
    assert "had not ended" not in server.text  # what is logged when applications are cancelled


def closed_with(websocket: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as caught:
        websocket.recv(timeout=5)
    return caught.value.rcvd.code if caught.value.rcvd else None


def test_http_and_websocket_are_served_logged_and_ended_by_ctrl_c():
    with manage("runserver", "127.0.0.1:0", "--noreload") as server:
        address = server.wait_for_address()
        assert get(address).text == "ASGIRequest at /"
        assert get(address, "/nowhere/?q=1").status_code == 404
        assert get(address, "/broken/").status_code == 500
        with pytest.raises(InvalidStatus) as denied:
            open_websocket(address, "/ws/deny/")
        assert denied.value.response.status_code == 403
        with open_websocket(address) as websocket:
            websocket.send("hello")
            assert websocket.recv(timeout=5).endswith(" hello")
        server.wait_for(r"disconnected with 1000")
        with open_websocket(address, "/ws/echo/?token=secret") as websocket:
            server.ctrl_c()
            assert closed_with(websocket) == 1012
        assert_ends_cleanly(server)

    client = r"127\.0\.0\.1:\d+\]\n"
    for line in [
        rf"^HTTP GET / 200 \[\d+\.\d\d, {client}",
        rf"^HTTP GET /nowhere/\?q=1 404 \[\d+\.\d\d, {client}",
        rf"^HTTP GET /broken/ 500 \[\d+\.\d\d, {client}",
        (
            rf"^WebSocket HANDSHAKING /ws/deny/ \[{client}"
            rf"WebSocket REJECT /ws/deny/ \[{client}"
            rf"WebSocket DISCONNECT /ws/deny/ \[{client}"
        ),
        (
            rf"^WebSocket HANDSHAKING /ws/echo/ \[{client}"
            rf"WebSocket CONNECT /ws/echo/ \[{client}"
            rf"WebSocket DISCONNECT /ws/echo/ \[{client}disconnected with 1000\n"
        ),
        r"^disconnected with 1012\nlifespan over\n",
    ]:
        assert re.search(line, server.text, re.MULTILINE), (line, server.text)
    assert "token=secret" not in server.text
    assert server.text.count("Traceback") == 1  # the one of /broken/
    assert server.text.endswith("lifespan over\n")


def test_sigterm_ends_it_as_cleanly_and_lines_can_be_coloured():
    with manage("runserver", "127.0.0.1:0", "--noreload", "--force-color") as server:
        address = server.wait_for_address()
        get(address, "/nowhere/")
        server.wait_for(r"\x1b\[\d+mHTTP GET /nowhere/ 404 \[.*\]\x1b\[0m\n")
        with open_websocket(address) as websocket:
            server.send(signal.SIGTERM)
            assert closed_with(websocket) == 1012
        assert_ends_cleanly(server)
    assert "disconnected with 1012" in server.text


def test_an_open_response_does_not_keep_ctrl_c_waiting():
    with manage("runserver", "127.0.0.1:0", "--noreload") as server:
        address = server.wait_for_address()
        with httpx.stream("GET", f"http://{address}/stream/", trust_env=False) as response:
            parts = response.iter_bytes()
            assert next(parts) == b"first"
            server.ctrl_c()
            with pytest.raises(httpx.RemoteProtocolError):
                next(parts)
        assert_ends_cleanly(server)
    assert "stream left" in server.text


@pytest.mark.parametrize("reload", [[], ["--noreload"]])
def test_a_blocked_sync_view_cannot_keep_the_process_alive(reload):
    with manage("runserver", "127.0.0.1:0", *reload) as server:
        address = server.wait_for_address()
        with socket.create_connection(address.split(":")) as client:
            client.sendall(b"GET /blocked/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            server.wait_for("view entered")
            server.ctrl_c()
            status, took = server.end()
    # The view sleeps a minute. It is asked to end (1 s), cancelled (0.5 s), left behind (0.5 s).
    assert status == 0
    assert took < 2 * PROMPT


def test_static_files_are_served_in_debug_only_and_not_with_nostatic():
    cases = [
        ({}, [], 200),
        ({}, ["--nostatic"], 404),
        ({"SITE_DEBUG": "0"}, [], 404),
        ({"SITE_DEBUG": "0"}, ["--insecure"], 200),
    ]
    for environment, arguments, wanted in cases:
        with manage("runserver", "127.0.0.1:0", "--noreload", *arguments, **environment) as server:
            response = get(server.wait_for_address(), "/static/site.css")
            server.ctrl_c()
            assert server.end()[0] == 0
        assert response.status_code == wanted, (environment, arguments)
        assert ("teal" in response.text) == (wanted == 200)
        assert "Warning" not in server.text


def test_without_staticfiles_its_options_do_not_exist():
    apps = "mysite channels"
    with manage("runserver", "127.0.0.1:0", "--noreload", SITE_APPS=apps) as server:
        assert get(server.wait_for_address(), "/static/site.css").status_code == 404
        server.ctrl_c()
        assert server.end()[0] == 0
    with manage("runserver", "--nostatic", SITE_APPS=apps) as refused:
        assert refused.end()[0] == 2
    assert "unrecognized arguments: --nostatic" in refused.text


def test_ipv6():
    with manage("runserver", "[::1]:0", "--noreload") as server:
        address = server.wait_for_address()
        assert address.startswith("[::1]:")
        assert get(address).text == "ASGIRequest at /"
        server.wait_for(r"HTTP GET / 200 \[\d\.\d\d, \[::1\]:\d+\]")
        server.ctrl_c()
        assert server.end()[0] == 0
    with manage("runserver", "-6", "0", "--noreload") as server:
        assert get(server.wait_for_address()).status_code == 200


@pytest.mark.parametrize("reload", [[], ["--noreload"]])
def test_a_port_in_use_is_said_in_a_line(reload):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with manage("runserver", f"127.0.0.1:{port}", *reload) as server:
            status, _ = server.end()
    assert status == 1
    assert "Error: That port is already in use." in server.text
    assert "Traceback" not in server.text


def test_bad_addresses_are_refused_with_djangos_words():
    for address, text in [
        ("nonsense", '"nonsense" is not a valid port number or address:port pair.'),
        ("127.0.0.1:99999", "Error: "),
    ]:
        with manage("runserver", address, "--noreload") as server:
            assert server.end()[0] == 1
        assert text in server.text
        assert "Traceback" not in server.text


def test_without_asgi_application_it_is_djangos_own_and_says_why():
    with manage("runserver", "127.0.0.1:0", "--noreload", SITE_ASGI="") as server:
        address = server.wait_for_address()
        assert get(address).text == "WSGIRequest at /"
        assert "teal" in get(address, "/static/site.css").text
        server.ctrl_c()
        assert server.end()[0] == 0
    assert server.text.count("ASGI_APPLICATION is not set") == 1
    assert 'ASGI_APPLICATION = "mysite.asgi.application"' in server.text


def test_without_the_extra_it_is_djangos_own_and_says_what_to_install(tmp_path):
    # A path finder that finds no uvicorn, in place before Django starts.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Without(PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        if name != 'uvicorn':\n"
        "            return super().find_spec(name, path, target)\n"
        "sys.meta_path[sys.meta_path.index(PathFinder)] = Without\n"
    )
    path = ":".join([str(tmp_path), *filter(None, [_python_path()])])
    with manage("runserver", "127.0.0.1:0", "--noreload", PYTHONPATH=path) as server:
        assert get(server.wait_for_address()).text == "WSGIRequest at /"
        server.ctrl_c()
        assert server.end()[0] == 0
    assert server.text.count("pip install 'raceway[server]'") == 1


@pytest.mark.parametrize("reload", [[], ["--noreload"]])
def test_noasgi_is_djangos_own_without_a_word(reload):
    with manage("runserver", "127.0.0.1:0", "--noasgi", *reload) as server:
        assert get(server.wait_for_address()).text == "WSGIRequest at /"
        server.ctrl_c()
        assert_ends_cleanly(server)
    assert "ASGI" not in server.text


def test_a_daphne_that_stands_before_keeps_its_own(tmp_path):
    commands = tmp_path / "daphne" / "management" / "commands"
    commands.mkdir(parents=True)
    for package in (commands, commands.parent, commands.parent.parent):
        (package / "__init__.py").touch()
    (commands / "runserver.py").write_text(
        "from django.core.management.base import BaseCommand\n"
        "class Command(BaseCommand):\n"
        "    def handle(self, **options):\n"
        "        self.stdout.write('daphne serves')\n"
    )
    path = ":".join([str(tmp_path), *filter(None, [_python_path()])])
    apps = "daphne mysite channels django.contrib.staticfiles"
    with manage("runserver", PYTHONPATH=path, SITE_APPS=apps) as server:
        assert server.end()[0] == 0
    assert server.text == "daphne serves\n"


def test_handshake_and_http_timeouts_are_honoured():
    with manage(
        "runserver",
        "127.0.0.1:0",
        "--noreload",
        "--websocket_handshake_timeout",
        "0.2",
        "--http_timeout",
        "0.2",
    ) as server:
        address = server.wait_for_address()
        with pytest.raises(InvalidStatus) as denied:
            open_websocket(address, "/ws/silent/")
        assert denied.value.response.status_code == 403
        assert get(address, "/blocked/").status_code == 503
        with open_websocket(address) as websocket:
            websocket.send("still here")
            assert websocket.recv(timeout=5).endswith("still here")
        server.wait_for(r"WebSocket REJECT /ws/silent/")
        server.wait_for(r"HTTP GET /blocked/ 503")


def test_an_application_that_crashes_closes_its_client_with_1011():
    with manage("runserver", "127.0.0.1:0", "--noreload") as server:
        with open_websocket(server.wait_for_address(), "/ws/crash/") as websocket:
            assert closed_with(websocket) == 1011
        server.wait_for("RuntimeError: crashed on purpose")
        server.wait_for("WebSocket DISCONNECT /ws/crash/")


def test_an_application_that_refuses_to_start_is_reported_with_its_reason():
    with manage("runserver", "127.0.0.1:0", "--noreload", SITE_REFUSES="no database") as server:
        status, _ = server.end()
    assert status == 1
    assert "CommandError: The application refused to start: no database" in server.text
    assert "Traceback" not in server.text


def test_nothing_but_our_lines_tells_what_a_client_sends():
    with manage("runserver", "127.0.0.1:0", "--noreload") as server:
        address = server.wait_for_address()
        get(address, "/a%0AHTTP%20GET%20/forged%20200%1B[31m/")
        server.wait_for(r"HTTP GET /a%0AHTTP%20GET%20/forged%20200%1B(\[|%5B)31m/ 404")
        server.ctrl_c()
        server.end()
    assert "\x1b" not in server.text
    assert not re.search(r"^HTTP GET /forged", server.text, re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to be edited."""
    return shutil.copytree(PROJECT, tmp_path / "project")


def edit_until_it_is_seen(server: Process, file: Path) -> None:
    """Django notices no change before its first look at the files, of which it says nothing."""
    text = file.read_text().replace('{request.path}"', '{request.path}, edited"')
    for attempt in range(10):
        file.write_text(text + f"# edit {attempt}\n")
        with suppress(AssertionError):
            server.wait_for("urls.py changed, reloading", limit=1.5)
            return
    raise AssertionError(server.text)


def test_a_changed_file_restarts_it_and_tells_the_clients(project):
    with manage("runserver", "127.0.0.1:0", project=project) as server:
        with open_websocket(server.wait_for_address()) as websocket:
            websocket.send("who")
            first = websocket.recv(timeout=5).split()[0]
            server.wait_for("Watching for file changes with StatReloader")
            edit_until_it_is_seen(server, project / "mysite" / "urls.py")
            assert closed_with(websocket) == 1012
        address = server.wait_for_address(times=2)
        assert get(address).text == "ASGIRequest at /, edited"
        with open_websocket(address) as websocket:
            websocket.send("who")
            assert websocket.recv(timeout=5).split()[0] != first
            server.ctrl_c()
            assert closed_with(websocket) == 1012
        assert_ends_cleanly(server)
    assert server.text.count("disconnected with 1012") == 2
    assert "Traceback" not in server.text


def test_a_signal_to_the_parent_alone_ends_the_child_cleanly():
    for number in (signal.SIGTERM, signal.SIGINT):
        with manage("runserver", "127.0.0.1:0") as server:
            with open_websocket(server.wait_for_address()) as websocket:
                server.send(number)
                assert closed_with(websocket) == 1012
            assert_ends_cleanly(server)
        assert "disconnected with 1012" in server.text
        assert "Traceback" not in server.text


def _python_path() -> str:
    return ":".join(entry for entry in sys.path if entry.endswith("/src"))
