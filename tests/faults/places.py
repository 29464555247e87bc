"""Where a load runs: servers of its own, which the test may hurt."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.redis_servers import Authority, Cluster, Flavour, SentinelSet, Server

Place = Server | SentinelSet | Cluster

FLAVOURS: dict[str, Flavour] = {"redis": "redis", "valkey": "valkey"}
PLACES = [
    f"{flavour}{kind}" for kind in ("", "-tls", "-sentinel", "-cluster") for flavour in FLAVOURS
]


@contextmanager
def place(name: str, authority: Authority) -> Iterator[Place]:
    """The servers of one of :data:`PLACES`, which keep their data."""
    word, _, kind = name.partition("-")
    flavour = FLAVOURS[word]
    made: Place
    if kind == "sentinel":
        made = SentinelSet(flavour, password="secret")
    elif kind == "cluster":
        made = Cluster(flavour)
    else:
        made = Server(flavour, tls=authority if kind == "tls" else None, keeps_data=True)
    with made:
        yield made
