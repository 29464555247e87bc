"""A new layer for each test, and the servers that the layers of others need."""

from collections.abc import Iterator

import pytest
from django.test.utils import override_settings

from tests.packages.servers import carried_server, postgres_server, redis_server

MEMORY_LAYER = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


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
