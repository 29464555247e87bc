"""Where these tests run, and a new layer for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test.utils import override_settings

from tests.packages.servers import carried_server, postgres_server, redis_server

HERE = Path(__file__).resolve().parent
MEMORY_LAYER = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder to `make packages`: other environments lack the packages."""
    return None if config.inipath == HERE / "pytest.ini" else True


@pytest.fixture(autouse=True)
def fresh_layer() -> Iterator[None]:
    with override_settings(CHANNEL_LAYERS=MEMORY_LAYER):
        yield


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    with redis_server(carried_server()) as url:
        yield url


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The folder of the server's socket."""
    with postgres_server() as directory:
        yield directory
