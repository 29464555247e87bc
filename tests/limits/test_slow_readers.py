"""A client that never reads, behind uvicorn: what it costs the server, and the others."""

import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.limits.servers import Site, serving

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the memory of a process is read from /proc"
)

WAITING = 8 * 1024 * 1024
"""``waiting_bytes`` of the consumer."""
FRAME = 200 * 1024
PUSHED = 200 * 1024 * 1024


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site") / "db.sqlite3"


@pytest.fixture
def site(database: Path) -> Iterator[Site]:
    with serving(database) as site:
        yield site


def masked(text: str) -> bytes:
    """A text frame of a client, masked with zeros."""
    data = text.encode()
    return struct.pack("!BB4x", 0x81, 0x80 | len(data)) + data


def channel(site: Site) -> str:
    return site.process.wait_for(r"(?m)^channel (\S+)$").group(1)


def test_what_waits_in_the_mailbox(site: Site) -> None:
    with site.stall("/feed/"), site.connect("/async/") as other:
        name = channel(site)
        site.get(f"/flood/{name}/5/")  # what the first frames allocate once is not counted
        before = site.memory
        taken = int(site.get(f"/flood/{name}/{PUSHED // FRAME}/").text)
        # What the mailbox holds, and what the server and both kernels took of it.
        assert WAITING - FRAME < taken * FRAME < 2 * WAITING
        assert site.memory - before < 2 * WAITING
        other.send("still there?")
        assert other.recv(timeout=20) == "still there?"


def test_what_a_handler_sends(site: Site) -> None:
    """``await self.send()`` waits for the client."""
    with site.stall("/feed/") as client:
        channel(site)
        before = site.memory
        client.sendall(masked(str(PUSHED // FRAME)))
        time.sleep(1.0)  # the time in which an unbounded server would take all of it
        assert site.memory - before < WAITING
        assert "sent everything" not in site.process.text


def test_many_of_them(site: Site) -> None:
    """What they are told in a group is in memory once, not once for each."""
    with site.stall("/feed/"), site.stall("/feed/"), site.stall("/feed/"):
        names = [
            site.process.wait_for(r"(?m)^channel (\S+)$", times=times).group(1)
            for times in (1, 2, 3)
        ]
        before = site.memory
        for name in names:
            site.get(f"/flood/{name}/{PUSHED // FRAME // 3}/")
        assert site.memory - before < 2 * 3 * WAITING


def test_one_is_closed_and_others_are_told_at_once(database: Path) -> None:
    with (
        serving(database, SITE_ON_FULL="close", SITE_GRACE="0.5") as site,
        site.stall("/feed/"),
    ):
        name = channel(site)
        with site.connect("/async/") as other:
            site.get(f"/flood/{name}/{PUSHED // FRAME}/")
            site.process.wait_for(r"(?m)^disconnect 1013$", limit=20)
            assert "Limit on_full=close, the connection was closed" in site.process.text
            other.send("still there?")
            assert other.recv(timeout=20) == "still there?"


def test_a_broadcast_waits_for_nobody(site: Site) -> None:
    with site.stall("/feed/"), site.open("/feed/") as reader:
        name = channel(site)
        site.get(f"/flood/{name}/{PUSHED // FRAME}/")
        for number in range(5):
            began = time.monotonic()
            site.get(f"/tell/{number}/")
            assert reader.recv(timeout=20) == str(number)
            assert time.monotonic() - began < 2
