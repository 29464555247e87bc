"""The same limits behind the servers that are used less."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.limits.servers import Site, goodbye, is_open, serving

pytestmark = pytest.mark.slow

DENIALS = {"daphne": 403, "hypercorn": 429, "granian": 429}
"""What a client is told that has too many connections, or was not accepted in time (503): 403
where the server can say nothing else."""


TELLS_ALL_CODES = {"hypercorn", "granian"}
"""daphne sends 1000 and 3000 to 4999, without reasons. With another code it closes nothing."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site") / "db.sqlite3"


@pytest.fixture(scope="module", params=["daphne", "hypercorn", "granian"])
def server(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def site(database: Path, server: str) -> Iterator[Site]:
    with serving(database, server=server) as site:
        yield site


ADDRESSES = iter(range(1, 250))


def address() -> dict[str, str]:
    """Headers of a proxy, for a client that nobody has seen before."""
    return {"X-Forwarded-For": f"8.8.4.{next(ADDRESSES)}"}


@pytest.mark.parametrize("path", ["/async/", "/sync/"])
def test_size(site: Site, server: str, path: str) -> None:
    with site.connect(path, **address()) as websocket:
        websocket.send("x" * 1000)
        assert websocket.recv(timeout=20) == "x" * 1000
        websocket.send(b"x" * 1001)
        if server in TELLS_ALL_CODES:
            assert goodbye(websocket) == (1009, "Message too big")
        site.process.wait_for(r"disconnect 1009")


@pytest.mark.parametrize("path", ["/async/", "/sync/"])
def test_rate(site: Site, server: str, path: str) -> None:
    with site.connect(path, **address()) as websocket:
        for number in range(21):
            websocket.send(str(number))
        if server in TELLS_ALL_CODES:
            assert goodbye(websocket) == (1008, "Too many messages")
        site.process.wait_for(r"disconnect 1008")


def test_addresses(site: Site, server: str) -> None:
    headers = address()
    with ExitStack() as stack:
        sockets = [stack.enter_context(site.connect("/async/", **headers)) for _ in range(3)]
        with pytest.raises(InvalidStatus) as refused:
            stack.enter_context(site.connect("/async/", **headers))
        assert refused.value.response.status_code == DENIALS[server]
        for websocket in sockets:
            assert is_open(websocket)


def test_time_to_accept(site: Site, server: str) -> None:
    with pytest.raises(InvalidStatus) as denied, site.connect("/slow/", **address()):
        pass
    assert denied.value.response.status_code == (503 if DENIALS[server] == 429 else 403)
    site.process.wait_for(r"disconnect 1013")


@pytest.mark.parametrize("path", ["/async/", "/sync/"])
def test_closed_from_outside(site: Site, server: str, path: str) -> None:
    tells = server in TELLS_ALL_CODES
    pk, cookie = site.sign_in("ada")
    _, other_cookie = site.sign_in("ada")
    with (
        site.connect(path, cookie, **address()) as one,
        site.connect(path, other_cookie, **address()) as two,
    ):
        site.get("/out/", cookie)
        assert goodbye(one) == (4401, "signed out" if tells else "")
        assert is_open(two)
        site.get(f"/close/{pk}/4007/")
        assert goodbye(two) == (4007, "closed by a view" if tells else "")


def test_nothing_was_an_error(site: Site) -> None:
    """The last of this module."""
    assert "Traceback" not in site.process.text
