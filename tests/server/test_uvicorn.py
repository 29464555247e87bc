"""The server interface, in this process: what the live test server stands on."""

import asyncio
import logging
import socket
import threading
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from channels.server import (
    MissingServerError,
    ServerOptions,
    ServerStartError,
    is_installed,
    listening_socket,
    make_server,
)

LIMIT = 10


async def echo(scope, receive, send):
    """Answers HTTP with the scope's root_path and path, and a WebSocket with what it sends."""
    if scope["type"] == "http":
        body = f"{scope['root_path']}|{scope['path']}|{scope['client'][0]}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
    else:
        raise ValueError("no lifespan here")


@contextmanager
def running(application=echo, **arguments):
    server = make_server(application, **arguments)
    server.bind()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.wait_ready(LIMIT)
        yield server
    finally:
        server.stop()
        thread.join(LIMIT)
        assert not thread.is_alive()


def url(server, path="/", scheme="http"):
    host, port = server.address
    return f"{scheme}://{host}:{port}{path}"


def get(server, path="/", **arguments):
    return httpx.get(url(server, path), trust_env=False, **arguments)


@pytest.mark.parametrize("loop", ["auto", "asyncio", "uvloop"])
def test_it_serves_on_a_free_port_from_a_thread_and_stops_from_another(loop):
    with running(options=ServerOptions(event_loop=loop)) as server:
        assert server.address[1] > 0
        assert get(server).text == "|/|127.0.0.1"
        with connect(url(server, scheme="ws"), proxy=None) as websocket:
            websocket.send("hello")
            assert websocket.recv(LIMIT) == "hello"
            server.stop()
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(LIMIT)
    assert closed.value.rcvd.code == 1012
    with pytest.raises(httpx.ConnectError):
        get(server)


def test_auto_takes_uvloop_and_asyncio_does_not():
    seen = []

    async def application(scope, receive, send):
        seen.append(type(asyncio.get_running_loop()).__module__.partition(".")[0])
        await echo(scope, receive, send)

    for loop in ("auto", "asyncio"):
        with running(application, options=ServerOptions(event_loop=loop)) as server:
            get(server)
    assert set(seen[:2]) == {"uvloop"}
    assert seen[-1] == "asyncio"


def test_it_takes_over_a_socket_that_listens_already():
    sock = socket.create_server(("127.0.0.1", 0))
    address = sock.getsockname()
    with running(sock=sock) as server:
        assert server.address == address
        assert get(server).status_code == 200
    assert sock.fileno() == -1


def test_a_client_may_come_before_the_server_runs():
    server = make_server(echo)
    server.bind()
    with socket.create_connection(server.address, timeout=LIMIT) as client:
        client.sendall(b"GET /early HTTP/1.0\r\n\r\n")
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            answer = b""
            while part := client.recv(4096):
                answer += part
        finally:
            server.stop()
            thread.join(LIMIT)
    assert answer.endswith(b"|/early|127.0.0.1")


def test_a_port_in_use_is_an_os_error_of_bind():
    with running() as server:
        second = make_server(echo, port=server.address[1])
        with pytest.raises(OSError, match="in use"):
            second.bind()
        with pytest.raises(RuntimeError, match=r"call bind\(\) first"):
            _ = second.address
        with pytest.raises(OSError, match="in use"):
            second.run()
        with pytest.raises(OSError, match="in use"):
            second.wait_ready(LIMIT)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_an_os_error(port):
    with pytest.raises(OSError, match="is not between 0 and 65535"):
        listening_socket("127.0.0.1", port)


def test_a_refused_start_gives_the_reason_to_both_sides():
    async def application(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    server = make_server(application)
    raised = []

    def run():
        try:
            server.run()
        except ServerStartError as error:
            raised.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    with pytest.raises(ServerStartError, match="no database"):
        server.wait_ready(LIMIT)
    thread.join(LIMIT)
    assert raised == ["The application refused to start: no database"]


def test_a_stop_before_the_start_makes_run_return_at_once():
    server = make_server(echo)
    server.stop()
    server.run()
    assert server.wait_ready(LIMIT)


@pytest.mark.leaves_tasks  # uvicorn's own, which waits for the application
def test_a_stop_ends_a_start_that_never_comes_to_an_end():
    began = threading.Event()

    async def application(scope, receive, send):
        began.set()
        await asyncio.Event().wait()

    server = make_server(application)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert began.wait(LIMIT)
    assert server.wait_ready(0.01) is False
    server.stop()
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_stopping_twice_is_stopping_once():
    with running() as server:
        server.stop()
        server.stop()


def test_an_application_that_ignores_its_end_is_cancelled(caplog):
    ended = []

    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            raise ValueError
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    options = ServerOptions(stop_timeout=0.05)
    with caplog.at_level(logging.WARNING, "django.channels.server"):
        with running(application, options=options) as server:
            with connect(url(server, scheme="ws"), proxy=None):
                server.stop()
    assert ended == [True]
    assert "1 connection(s) had not ended" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_connection_that_cannot_be_closed_does_not_keep_the_others_open(caplog):
    class Broken:
        closed = False

        def shutdown(self):
            raise RuntimeError("broken")

        @property
        def transport(self):
            return self

        def close(self):
            self.closed = True

    with running() as server:
        broken = Broken()
        server._engine.server_state.connections.add(broken)
        with connect(url(server, scheme="ws"), proxy=None) as websocket:
            server.stop()
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(LIMIT)
    assert closed.value.rcvd.code == 1012
    assert broken.closed
    assert "could not be closed in order" in caplog.text


def test_a_denial_of_the_applications_own_is_not_reported_as_a_missing_answer(caplog):
    async def application(scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"none here"})

    with running(application) as server:
        with pytest.raises(InvalidStatus) as denied, connect(url(server, scheme="ws"), proxy=None):
            pass
    assert denied.value.response.status_code == 404
    assert denied.value.response.body == b"none here"
    assert [r for r in caplog.records if r.levelno > logging.INFO] == []


def test_a_handshake_that_cannot_be_read_is_answered(caplog):
    caplog.set_level(logging.INFO, logger="django.channels.server")
    request = (
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        b"X-Own: \x01\r\n\r\n"
    )
    with running() as server, socket.create_connection(server.address, timeout=LIMIT) as client:
        client.sendall(request)
        answer = b""
        while part := client.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["A WebSocket's opening request could not be read."]


def test_clients_that_close_while_the_server_stops(caplog):
    """Twenty of them, so that some are in the midst of it."""
    with ExitStack() as clients, running() as server:
        websockets = [
            clients.enter_context(connect(url(server, scheme="ws"), proxy=None)) for _ in range(20)
        ]
        closing = [threading.Thread(target=websocket.close) for websocket in websockets]
        for thread in closing[:10]:
            thread.start()
        server.stop()
        for thread in closing[10:]:
            thread.start()
        for thread in closing:
            thread.join(LIMIT)
    assert [r for r in caplog.records if r.levelno > logging.INFO] == []


def test_a_blocked_thread_does_not_keep_the_server():
    entered, release = threading.Event(), threading.Event()

    def block():
        entered.set()
        release.wait(3 * LIMIT)

    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            raise ValueError
        await asyncio.to_thread(block)

    try:
        with running(application, options=ServerOptions(stop_timeout=0.05)) as server:
            client = socket.create_connection(server.address, timeout=LIMIT)
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert entered.wait(LIMIT)
            server.stop()
            assert client.recv(10) == b""
            client.close()
    finally:
        release.set()


def test_root_path_is_told_and_paths_stay_as_the_client_sent_them():
    with running(options=ServerOptions(root_path="/app")) as server:
        assert get(server, "/app/x").text == "/app|/app/x|127.0.0.1"


def test_what_a_proxy_claims_is_left_to_django():
    with running() as server:
        headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
        assert get(server, headers=headers).text == "|/|127.0.0.1"


def test_the_environment_does_not_change_it(monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "nonsense")
    with running() as server:
        assert get(server).status_code == 200


def test_responses_carry_a_date_and_no_name_of_the_server():
    with running() as server:
        headers = get(server).headers
    assert "date" in headers
    assert "server" not in headers


def test_a_missing_driver_names_the_extra(monkeypatch):
    monkeypatch.setattr("channels.server.REQUIRED", ("uvicorn", "surely_not_there"))
    assert not is_installed()
    with pytest.raises(
        MissingServerError, match=r"surely_not_there.*pip install 'raceway\[server\]'"
    ):
        make_server(echo)


def test_no_thread_is_left_behind():
    before = set(threading.enumerate())
    with running() as server:
        get(server)
    assert set(threading.enumerate()) == before
