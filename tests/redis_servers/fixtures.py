"""Servers that tests share, for the time of the run, and the authority that they trust.

A test that stops, kills or freezes makes a server of its own (:func:`redis_server`). Those that
share one take names of their own: a prefix, a group that nobody else uses.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.redis_servers.cluster import Cluster
from tests.redis_servers.sentinel import SentinelSet
from tests.redis_servers.server import Server
from tests.redis_servers.tls import Authority

TESTS = Path(__file__).parents[1]
USERS = tuple(TESTS / name for name in ("redis_servers", "layers/redis", "faults"))
INSTALL_LIMIT = 900


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        names = getattr(item, "fixturenames", ())
        users = any(item.path.is_relative_to(folder) for folder in USERS)
        if users or any(name.startswith(("redis", "valkey")) for name in names):
            # The first one may have to install a server.
            item.add_marker(pytest.mark.timeout(INSTALL_LIMIT))
            break


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private certificate authority."""
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def redis7() -> Iterator[Server]:
    with Server("redis") as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    with Server("valkey") as server:
        yield server


@pytest.fixture(scope="session")
def redis_tls(authority: Authority) -> Iterator[Server]:
    with Server("redis", tls=authority) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_tls(authority: Authority) -> Iterator[Server]:
    with Server("valkey", tls=authority) as server:
        yield server


@pytest.fixture(scope="session")
def redis_sentinel() -> Iterator[SentinelSet]:
    with SentinelSet("redis", password="secret") as servers:
        yield servers


@pytest.fixture(scope="session")
def valkey_sentinel() -> Iterator[SentinelSet]:
    with SentinelSet("valkey") as servers:
        yield servers


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[Cluster]:
    with Cluster("redis") as servers:
        yield servers


@pytest.fixture(scope="session")
def valkey_cluster() -> Iterator[Cluster]:
    with Cluster("valkey", password="secret") as servers:
        yield servers


@pytest.fixture(scope="session")
def redis_cluster_tls(authority: Authority) -> Iterator[Cluster]:
    with Cluster("redis", tls=authority) as servers:
        yield servers
