"""The end of the project's own commands: at once, and in order."""

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.deploys.servers import SITE, TOLD, goodbye, open_websocket, touch_until
from tests.server.process import Process, manage

PROMPT = 2.5
"""Seconds that Ctrl-C may take where nothing hangs. It takes some 0.2 where nothing else runs."""


@contextmanager
def runserver(
    *options: str, site: Path = SITE, **environment: str
) -> Iterator[tuple[Process, str]]:
    with manage("runserver", "127.0.0.1:0", *options, project=site, **environment) as server:
        yield server, server.wait_for_address()


def assert_ended_in_order(server: Process, connections: int) -> None:
    status, took = server.end()
    assert status == 0, server.text
    assert took < PROMPT
    assert re.findall(r"^disconnect (\d+)$", server.text, re.MULTILINE) == ["1012"] * connections
    assert server.text.count("layer closed") == 1
    assert "Traceback" not in server.text


@pytest.mark.parametrize("options", [[], ["--noreload"]])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_runserver_tells_everybody_at_once(options: list[str], number: signal.Signals) -> None:
    """Under the autoreloader it serves outside the main thread, where no signal arrives."""
    # Whatever the settings say of production: nobody waits five seconds at a prompt.
    with runserver(*options, SITE_DRAIN="30") as (server, address), ExitStack() as stack:
        websockets = [
            stack.enter_context(open_websocket(address, path))
            for path in ("/async/", "/sync/") * 30
        ]
        if number is signal.SIGINT:
            server.ctrl_c()
        else:
            server.send(number)
        assert [goodbye(websocket) for websocket in websockets] == [TOLD] * 60
        assert_ended_in_order(server, 60)


def test_runserver_lets_a_handler_in_hand_answer() -> None:
    with (
        runserver("--noreload", SITE_WORK="0.3") as (server, address),
        open_websocket(address) as websocket,
    ):
        websocket.send("work")
        server.wait_for("working")
        server.ctrl_c()
        assert websocket.recv(timeout=10) == "done"
        assert goodbye(websocket) == TOLD
        assert_ended_in_order(server, 1)


def test_runserver_does_not_wait_for_one_that_hangs() -> None:
    with (
        runserver("--noreload") as (server, address),
        open_websocket(address) as websocket,
    ):
        websocket.send("hang")
        server.wait_for("hanging")
        server.ctrl_c()
        assert goodbye(websocket) == TOLD
        assert_ended_in_order(server, 1)


def test_runserver_tells_its_clients_of_a_reload(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(SITE, site)
    with runserver(site=site) as (server, address):
        with open_websocket(address) as websocket:
            touch_until(server, site / "mysite" / "asgi.py", "changed, reloading")
            assert goodbye(websocket) == TOLD
        with open_websocket(server.wait_for_address(times=2)):
            server.ctrl_c()
            status, _ = server.end()
        assert status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_runworker_finishes_the_job_in_hand_and_takes_no_more(number: signal.Signals) -> None:
    with manage("runworker", "--layer", "filled", "jobs", project=SITE) as worker:
        worker.wait_for("begins 2")
        worker.send(number)
        status, took = worker.end()
    assert status == 0
    assert took < PROMPT
    jobs = re.findall(r"^(begins|ends) (\d+)$", worker.text, re.MULTILINE)
    assert jobs == [("begins", "1"), ("ends", "1"), ("begins", "2"), ("ends", "2")]
    assert worker.text.count("layer closed") == 2, "the worker's own, and the consumer's default"
