"""The live server for pytest.

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

from channels.testing.live import make_application, set_database_connection
from channels.testing.servers import LiveServerThread, wait_until_ready


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
