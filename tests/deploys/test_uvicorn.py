"""A deploy behind uvicorn, started as people start it."""

import re
import shutil
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.deploys import servers
from tests.deploys.servers import TOLD, goodbye, open_websocket, serving, touch_until
from tests.server.process import Process

PROMPT = 8.0
"""Seconds in which a server ends that has nothing to wait for. It takes less than one."""


STARTED = "Application startup complete"


def disconnects(server: Process) -> list[str]:
    return re.findall(r"^disconnect (\d+)$", server.text, re.MULTILINE)


def assert_ended_in_order(server: Process, connections: int) -> None:
    status, took = server.end()
    assert status == 0, server.text
    assert took < PROMPT
    assert disconnects(server) == ["1012"] * connections
    assert "Traceback" not in server.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", ["uvicorn", "uvicorn with asyncio"])
def test_everybody_is_told_and_heard(name: str, number: signal.Signals) -> None:
    with serving(name) as (server, address), ExitStack() as stack:
        websockets = [
            stack.enter_context(open_websocket(address, path))
            for path in ("/async/", "/sync/") * 10
        ]
        server.send(number)
        assert [goodbye(websocket) for websocket in websockets] == [TOLD] * 20
        assert_ended_in_order(server, 20)
        assert server.text.count("layer closed") == 1
        assert f"{number.name}: draining. A second signal ends it at once." in server.text
        assert "Closing 20 connection(s) over 0.5 s." in server.text


def test_while_it_drains_work_ends_and_newcomers_are_denied() -> None:
    with serving("uvicorn", SITE_WORK="1.5") as (server, address), ExitStack() as stack:
        worker = stack.enter_context(open_websocket(address))
        worker.send("work")
        server.wait_for("working")
        slow: list[Any] = []
        request = threading.Thread(target=lambda: slow.append(get(address, "/slow/")))
        request.start()
        server.wait_for("slow request")
        server.send(signal.SIGTERM)
        server.wait_for("draining")
        with pytest.raises(InvalidStatus) as denied, open_websocket(address):
            pass
        assert denied.value.response.status_code == 503
        assert "without completing handshake" not in server.text
        assert get(address, "/slow/").text == "slow answer", "requests are served as before"
        assert worker.recv(timeout=10) == "done"
        assert goodbye(worker) == TOLD
        request.join(10)
        assert slow[0].text == "slow answer"
        assert_ended_in_order(server, 1)


def get(address: str, path: str) -> httpx.Response:
    return httpx.get(f"http://{address}{path}", trust_env=False, timeout=10)


@pytest.mark.parametrize("path", ["/events/", "/django-events/"])
def test_event_streams_come_to_a_proper_end(path: str) -> None:
    with (
        serving("uvicorn") as (server, address),
        httpx.Client(trust_env=False) as client,
        client.stream("GET", f"http://{address}{path}", timeout=10) as response,
    ):
        parts = response.iter_bytes()
        assert next(parts) == b"data: 1\n\n"
        server.send(signal.SIGTERM)
        assert list(parts) == [], "no error: the last chunk has come"
        assert_ended_in_order(server, 0)
        assert "disconnect events" in server.text or "end of django's events" in server.text
        assert "without completing response" not in server.text


def test_a_second_ctrl_c_goes_straight_through() -> None:
    with serving("uvicorn") as (server, address), open_websocket(address) as websocket:
        websocket.send("hang")
        server.wait_for("hanging")
        server.send(signal.SIGINT)
        server.wait_for("draining")
        server.send(signal.SIGINT)
        assert goodbye(websocket) == (1012, ""), "by the server itself"
        server.wait_for("Waiting for background tasks to complete|Shutting down")


@pytest.mark.parametrize(("path", "text"), [("/async/", "hang"), ("/sync/", "block")])
def test_the_deadline_holds_whatever_a_handler_does(path: str, text: str) -> None:
    with (
        serving("uvicorn", SITE_DEADLINE="2") as (server, address),
        open_websocket(address) as idle,
        open_websocket(address, path) as websocket,
    ):
        websocket.send(text)
        server.wait_for("hanging|blocking")
        began = time.monotonic()
        server.send(signal.SIGTERM)
        assert goodbye(idle) == TOLD
        status, _ = server.end()
        assert status == 0
        assert 1 < time.monotonic() - began < 5
        if text == "hang":
            assert goodbye(websocket) == TOLD
            assert disconnects(server) == ["1012", "1012"]


# More processes than one.


@pytest.mark.parametrize("name", ["uvicorn with workers", "gunicorn"])
@pytest.mark.parametrize("to_all", [False, True])
def test_every_worker_drains(name: str, to_all: bool) -> None:
    """The signal goes to the parent alone (Docker), or to all of the group (systemd)."""
    with serving(name, SITE_DRAIN="0.8") as (server, address), ExitStack() as stack:
        server.wait_for(STARTED, times=2)
        websockets = [stack.enter_context(open_websocket(address)) for _ in range(40)]
        if to_all:
            server.send_to_group(signal.SIGTERM)
        else:
            server.send(signal.SIGTERM)
        assert [goodbye(websocket) for websocket in websockets] == [TOLD] * 40
        assert_ended_in_order(server, 40)
        assert server.text.count("draining.") == 2
        # A worker that nobody came to has never made its layer.
        assert 1 <= server.text.count("layer closed") <= 2


def test_ctrl_c_in_a_terminal_reaches_every_worker_twice() -> None:
    """From the terminal, and as a SIGTERM from the parent while they drain: an echo."""
    with serving("uvicorn with workers", SITE_DRAIN="0.8") as (server, address):
        server.wait_for(STARTED, times=2)
        with ExitStack() as stack:
            websockets = [stack.enter_context(open_websocket(address)) for _ in range(40)]
            server.ctrl_c()
            assert [goodbye(websocket) for websocket in websockets] == [TOLD] * 40
            assert_ended_in_order(server, 40)


def test_a_reload_tells_its_clients(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(servers.SITE, site)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "SITE", site)
        with serving("uvicorn", "--reload") as (server, address):
            with open_websocket(address) as websocket:
                touch_until(server, site / "mysite" / "asgi.py", "detected changes")
                assert goodbye(websocket) == TOLD
            server.wait_for(STARTED, times=2)  # until then newcomers may meet the old one
            with open_websocket(address) as websocket:
                server.ctrl_c()
                assert goodbye(websocket) == TOLD
            assert_ended_in_order(server, 2)


def test_without_lifespan_it_is_as_the_server_has_it() -> None:
    with (
        serving("uvicorn", "--lifespan", "off") as (server, address),
        open_websocket(address) as websocket,
    ):
        server.send(signal.SIGTERM)
        assert goodbye(websocket) == (1012, "")
        assert server.end()[0] == -signal.SIGTERM
        assert "draining" not in server.text
