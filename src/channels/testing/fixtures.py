"""For pytest: the live server, and the test's transaction for async tests.

In the project's ``conftest.py``::

    pytest_plugins = ["channels.testing.fixtures"]

It is not loaded by itself, so that installing Raceway changes nothing in other people's test runs.
It stands on pytest-django.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.test.utils import modify_settings

from channels.testing.databases import transaction_shared_with_threads
from channels.testing.live import make_application, set_database_connection
from channels.testing.servers import LiveServerThread, wait_until_ready


@pytest.fixture
def channels_db(db: None) -> Iterator[None]:
    """pytest-django's ``db`` for an ``async def`` test: consumers, ``database_sync_to_async`` and
    the async ORM see the rows of fixtures and of the test, and what they write is rolled back.

    Without it a coroutine's sync code uses connections of other threads. It is not needed with
    ``transaction=True``, where rows are committed, nor in Django's own ``TestCase``.
    """
    with transaction_shared_with_threads():
        yield


@dataclass(frozen=True)
class LiveServer:
    """Where the live server is."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Such as ``http://localhost:54321``."""
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Such as ``ws://localhost:54321``."""
        return f"ws://{self.host}:{self.port}"


@pytest.fixture
def channels_live_server_class() -> Any:
    """What serves. Override it to use ``LiveServerProcess``."""
    return LiveServerThread


@pytest.fixture
def channels_live_server(
    transactional_db: None, channels_live_server_class: Any
) -> Iterator[LiveServer]:
    """The project, served with its static files on a free port for the length of one test.

    The test's database is one with committed data, as with ``transactional_db``.
    """
    host = "localhost"
    with modify_settings(ALLOWED_HOSTS={"append": host}):
        server = channels_live_server_class(
            host,
            partial(make_application, static_wrapper=ASGIStaticFilesHandler),
            setup=set_database_connection,
        )
        server.start()
        try:
            wait_until_ready(server)
            yield LiveServer(host, server.port.value)
        finally:
            server.terminate()
            server.join()
