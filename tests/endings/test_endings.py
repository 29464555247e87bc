"""Every ending behind every server: ``disconnect`` once, all groups left, the client told."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.endings.client import Client
from tests.endings.expected import ENDINGS, GONE, OURS, SERVERS, VARIANTS, Ending
from tests.endings.servers import END_LIMIT, Served, serving

OVER_SECONDS = 12.0
"""After which a connection that is not over is taken to stay. The grace is 0.2 s."""

IN_TIME_SECONDS = 5.0
"""One for the tick to notice a handler that hangs, the grace, one for ``disconnect``; and as much
again for a machine that is busy. Handlers hang for longer than that."""

TRACEBACK_SECONDS = 5.0

numbers = itertools.count()

per_server = pytest.mark.parametrize(
    "server",
    [
        pytest.param(kind, id=kind, marks=[] if kind == OURS else [pytest.mark.slow])
        for kind in (*SERVERS, *VARIANTS)
    ],
    indirect=True,
)
families = pytest.mark.parametrize("family", ["async", "sync"])


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serving(request.param, tmp_path_factory.mktemp(request.param)) as served:
        yield served


def bring_about(name: str, client: Client) -> Any:
    """Do what ends the connection; what the client saw of it."""
    if client.status != 101:
        return client.saw()
    ending = ENDINGS[name]
    if name != "connect_raises_late":
        client.says("go")
    if ending.consumer in ("plain", "hang"):
        assert client.hears() in ("ready", "hangs")
    if "closes_bare" in name:
        client.closes(None)
    elif "close" in name and ending.consumer in ("plain", "hang"):
        client.closes(4001)
    elif "vanish" in name:
        client.vanishes()
        return GONE
    return client.saw()


@per_server
@families
@pytest.mark.parametrize("name", [name for name in ENDINGS if "sigterm" not in name])
def test_ending(server: Served, family: str, name: str) -> None:
    ending = ENDINGS[name]
    connection, tracebacks = f"c{next(numbers)}x", server.tracebacks()
    with Client(server.port, f"/{family}/{ending.consumer}/?{connection}") as client:
        saw = bring_about(name, client)
    began = time.monotonic()
    check(server, connection, ending, saw)
    assert time.monotonic() - began < IN_TIME_SECONDS
    if ending.raises != "CancelledError":  # which servers take as they like
        wanted = int(ending.raises != "")
        wait = TRACEBACK_SECONDS if wanted else 0
        assert server.wait_for_traceback(tracebacks, wait) == wanted, "one, by the server"


@per_server
@families
@pytest.mark.parametrize("leaves", ["closes", "vanishes"])
def test_what_is_sent_to_a_client_that_has_gone_answers_false(
    server: Served, family: str, leaves: str
) -> None:
    connection, tracebacks = f"c{next(numbers)}x", server.tracebacks()
    with Client(server.port, f"/{family}/send_late/?{connection}") as client:
        client.says("go")
        assert client.hears() == "ready"
        if leaves == "closes":
            client.closes(4001)
        else:
            client.vanishes()
        entries = server.wait_until_over(connection, OVER_SECONDS)
    assert [entry["late"] for entry in entries if "late" in entry] == [[False] * 3]
    assert sum("disconnect" in entry for entry in entries) == 1
    assert [entry["raised"] for entry in entries if "over" in entry] == [""]
    assert server.tracebacks() == tracebacks


def check(server: Served, connection: str, ending: Ending, saw: Any) -> None:
    code, expected = ending.behind(server.kind)
    # What is never to come is not waited for.
    entries = server.wait_until_over(connection, OVER_SECONDS if code is not None else 1)
    over = [entry for entry in entries if "over" in entry]
    codes = [entry["disconnect"] for entry in entries if "disconnect" in entry]
    assert (codes, saw) == ([code] if code is not None else [], expected)
    if code is not None:
        assert [(entry["groups"], entry["raised"]) for entry in over] == [([], ending.raises)]


@pytest.fixture(
    params=[
        pytest.param(kind, id=kind, marks=[] if kind == OURS else [pytest.mark.slow])
        for kind in (*SERVERS, *VARIANTS)
    ]
)
def ended_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    with serving(request.param, tmp_path) as served:
        yield served


@pytest.mark.parametrize("name", ["sigterm", "sigterm_hangs"])
def test_sigterm(ended_server: Served, name: str) -> None:
    """Every connection, idle or in a handler that hangs; and then the server does end."""
    ending, port = ENDINGS[name], ended_server.port
    names = {kind: f"c{next(numbers)}x" for kind in ("async", "sync")}
    with (
        Client(port, f"/async/{ending.consumer}/?{names['async']}") as one,
        Client(port, f"/sync/{ending.consumer}/?{names['sync']}") as two,
    ):
        for client in (one, two):
            client.says("go")
            assert client.hears() in ("ready", "hangs")
        ended_server.terminate_soon()
        saw = [client.saw(END_LIMIT) for client in (one, two)]
    if ended_server.kind == OURS:
        assert ended_server.wait() == 0
    for connection, one_saw in zip(names.values(), saw, strict=True):
        check(ended_server, connection, ending, one_saw)
