"""What a deploy is behind the other servers: the table of the guide, line by line."""

import re
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from channels.draining.closing import REASON
from tests.deploys.servers import goodbye, open_websocket, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process at once there"),
]

TOLD = (1012, REASON)
STARTED = "Application startup complete"


@dataclass
class Line:
    """What the guide says of a server."""

    drains: bool
    frame: tuple[int, str] | None
    """What a client sees."""
    disconnects: str
    """The codes of the ``disconnect`` calls, as a pattern."""
    to_all: bool = False
    """Whether the signal goes to the whole group."""


LINES = {
    "uvicorn": Line(True, TOLD, "1012"),
    "uvicorn with workers": Line(True, TOLD, "1012"),
    "gunicorn": Line(True, TOLD, "1012"),
    "granian with asyncio": Line(True, TOLD, "1012"),
    "granian": Line(False, None, "1005|1012"),
    "hypercorn without workers": Line(True, TOLD, "1012"),
    "hypercorn": Line(False, (1011, ""), "1006"),
    "daphne": Line(False, None, ""),
}


def look_at(name: str, line: Line) -> None:
    with serving(name) as (server, address), open_websocket(address) as websocket:
        if line.to_all:
            server.send_to_group(signal.SIGTERM)
        else:
            server.send(signal.SIGTERM)
        assert goodbye(websocket) == line.frame
        status, _ = server.end()
        assert status == 0, server.text
        assert (": draining." in server.text) is line.drains
        codes = ",".join(re.findall(r"^disconnect (\d+)$", server.text, re.MULTILINE))
        assert re.fullmatch(line.disconnects, codes), codes


@pytest.mark.parametrize("name", LINES)
def test_it_is_as_the_guide_says(name: str) -> None:
    if name == "granian":
        pytest.importorskip("uvloop")
    look_at(name, LINES[name])


def test_hypercorns_workers_drain_when_the_whole_group_is_told() -> None:
    look_at("hypercorn", Line(True, TOLD, "1012", to_all=True))


def test_granian_waits_for_a_drain_that_takes_longer() -> None:
    """Its default for ``--workers-kill-timeout`` is to wait."""
    with serving("granian with asyncio", SITE_WORK="2") as (server, address):
        with open_websocket(address) as websocket:
            websocket.send("work")
            server.wait_for("working")
            server.send(signal.SIGTERM)
            assert websocket.recv(timeout=10) == "done"
            assert goodbye(websocket) == TOLD
        assert server.end()[0] == 0


def test_uvicorn_replaces_one_worker_after_the_other() -> None:
    with serving("uvicorn with workers") as (server, address), ExitStack() as stack:
        server.wait_for(STARTED, times=2)
        websockets = [stack.enter_context(open_websocket(address)) for _ in range(20)]
        server.send(signal.SIGHUP)
        assert [goodbye(websocket) for websocket in websockets] == [TOLD] * 20
        server.wait_for(STARTED, times=4)
        server.wait_for("Finished server process", times=2)
        with open_websocket(address) as websocket:
            websocket.send("new")
            assert websocket.recv(timeout=10) == "new"
            server.send(signal.SIGTERM)
            assert goodbye(websocket) == TOLD
        assert server.end()[0] == 0
        # A worker that nobody came to has never made its layer.
        assert server.text.count("layer closed") >= 2


def test_a_worker_that_has_served_enough_ends_as_the_server_has_it() -> None:
    with (
        serving("uvicorn", "--limit-max-requests", "1") as (server, address),
        open_websocket(address) as websocket,
    ):
        httpx.get(f"http://{address}/slow/", trust_env=False)
        assert goodbye(websocket) == (1012, "")
        server.end()
        assert re.findall(r"^disconnect (\d+)$", server.text, re.MULTILINE) == ["1012"]
        assert "layer closed" in server.text
