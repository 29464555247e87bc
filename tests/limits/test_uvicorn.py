"""Limits and closing from outside behind uvicorn, one process of it."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from tests.limits.servers import Site, goodbye, is_open, serving


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site") / "db.sqlite3"


@pytest.fixture(scope="module")
def site(database: Path) -> Iterator[Site]:
    with serving(database) as site:
        yield site


ADDRESSES = iter(range(1, 250))


def address() -> dict[str, str]:
    """Headers of a proxy, for a client that nobody has seen before."""
    return {"X-Forwarded-For": f"8.8.8.{next(ADDRESSES)}"}


@pytest.mark.parametrize("path", ["/async/", "/sync/"])
def test_size(site: Site, path: str) -> None:
    with site.connect(path, **address()) as websocket:
        websocket.send("x" * 1000)
        assert websocket.recv(timeout=20) == "x" * 1000
        websocket.send(b"x" * 1001)
        assert goodbye(websocket) == (1009, "Message too big")
    site.process.wait_for(r"Limit message_bytes=1000, the connection was closed \(path '/\w+/', ")
    site.process.wait_for(r"disconnect 1009")


@pytest.mark.parametrize("path", ["/async/", "/sync/"])
def test_rate(site: Site, path: str) -> None:
    with site.connect(path, **address()) as websocket:
        for number in range(21):
            websocket.send(str(number))
        came = []
        try:
            while True:
                came.append(websocket.recv(timeout=20))
        except Exception:  # what it is, goodbye() says
            assert goodbye(websocket) == (1008, "Too many messages")
        assert came == [str(number) for number in range(20)]


def test_addresses(site: Site) -> None:
    ours = address()["X-Forwarded-For"]
    with ExitStack() as stack:

        def enter(**headers: str) -> ClientConnection:
            return stack.enter_context(site.connect("/async/", **headers))

        spoofed = [ours, f"1.2.3.4, {ours}", f"5.6.7.8,{ours}"]
        sockets = [enter(**{"X-Forwarded-For": value}) for value in spoofed]
        with pytest.raises(InvalidStatus) as refused:
            enter(**{"X-Forwarded-For": f"9.9.9.9, {ours}"})
        assert refused.value.response.status_code == 429
        assert refused.value.response.body == b"Too many connections"
        enter(**address())  # somebody else
        sockets.pop().close()
        deadline = time.monotonic() + 10
        while True:
            try:
                sockets.append(enter(**{"X-Forwarded-For": ours}))
                break
            except InvalidStatus:
                assert time.monotonic() < deadline, "whoever left still counts"
        for websocket in sockets:
            assert is_open(websocket)
    line = r"Limit connections_per_address=3, the connection was refused \(path '/async/', address "
    site.process.wait_for(line + re.escape(ours) + r", user nobody\)")


def test_time_to_accept(site: Site) -> None:
    began = time.monotonic()
    with pytest.raises(InvalidStatus) as denied, site.connect("/slow/", **address()):
        pass
    assert 0.4 < time.monotonic() - began < 10
    assert denied.value.response.status_code == 503
    assert denied.value.response.body == b"Not accepted in time"
    site.process.wait_for(r"disconnect 1013")


@pytest.mark.parametrize("view", ["close", "close-async"])
@pytest.mark.parametrize("path", ["/async/", "/sync/"])
def test_a_view_closes_a_user(site: Site, view: str, path: str) -> None:
    pk, cookie = site.sign_in("ada")
    _, other_cookie = site.sign_in("bob")
    with (
        site.connect(path, cookie, **address()) as one,
        site.connect(path, cookie, **address()) as two,
        site.connect(path, other_cookie, **address()) as other,
    ):
        assert site.get(f"/{view}/{pk}/4007/").text == "closed"
        reason = "closed by a view" if view == "close" else "closed by an async view"
        assert goodbye(one) == goodbye(two) == (4007, reason)
        assert is_open(other)


@pytest.mark.parametrize("path", ["/async/", "/sync/"])
def test_a_view_closes_a_channel(site: Site, path: str) -> None:
    with site.connect(path, **address()) as one, site.connect(path, **address()) as other:
        site.get(f"/close-one/{one.name}/")  # type: ignore[attr-defined]
        assert goodbye(one) == (4009, "you")
        assert is_open(other)


@pytest.mark.parametrize("path", ["/async/", "/sync/"])
def test_logging_out(site: Site, path: str) -> None:
    _, cookie = site.sign_in("ada")
    _, other_cookie = site.sign_in("ada")
    with (
        site.connect(path, cookie, **address()) as one,
        site.connect(path, other_cookie, **address()) as other,
    ):
        began = time.monotonic()
        assert site.get("/out/", cookie).text == "bye"
        assert goodbye(one) == (4401, "signed out")
        assert time.monotonic() - began < 1
        assert is_open(other), "another session of the same user"


def test_looking_again(database: Path) -> None:
    with serving(database, SITE_REVALIDATE="0.2") as site:
        pk, cookie = site.sign_in("eve")
        _, other_cookie = site.sign_in("bob")
        with (
            site.connect("/async/", cookie, **address()) as one,
            site.connect("/sync/", cookie, **address()) as two,
            site.connect("/async/", other_cookie, **address()) as other,
        ):
            site.get(f"/disable/{pk}/")
            assert goodbye(one) == goodbye(two) == (4401, "signed out")
            assert is_open(other)
        assert "Traceback" not in site.process.text


def test_nothing_was_an_error(site: Site) -> None:
    """The last of this module."""
    assert "Traceback" not in site.process.text
