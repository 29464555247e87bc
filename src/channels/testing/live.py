"""A server beside the tests of a class, for browsers and other real clients."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.test.testcases import TransactionTestCase
from django.test.utils import modify_settings
from django.utils.functional import classproperty

from channels.routing import get_default_application
from channels.testing.databases import use_test_databases
from channels.testing.servers import (
    LiveServerError,
    LiveServerProcess,
    LiveServerThread,
    wait_until_ready,
)
from channels.typing import ASGIApplication

__all__ = [
    "ChannelsLiveServerTestCase",
    "DaphneProcess",
    "LiveServerError",
    "LiveServerProcess",
    "LiveServerThread",
    "make_application",
    "set_database_connection",
]

DaphneProcess = LiveServerThread
"""The name under which other people's fixtures import the server from here."""


def make_application(*, static_wrapper: Callable[[Any], Any] | None) -> ASGIApplication:
    """The project's ``ASGI_APPLICATION``, inside ``static_wrapper`` if there is one.

    A function of this module, so that a server process can import it by name.
    """
    application = get_default_application()
    if static_wrapper is not None:
        application = static_wrapper(application)
    return application


def set_database_connection() -> None:
    """Have a server process use the databases of the tests; the ``setup`` of such a process.

    Does nothing in a process that runs tests, which uses them already.
    """
    use_test_databases()


class ChannelsLiveServerTestCase(TransactionTestCase):
    """Serves the project on a free port while the tests of the class run.

    The server runs in a thread: test and server share settings, mocks, the in-memory channel layer
    and a SQLite database in memory, with which all sync code of the server runs in one thread. For
    a process of its own::

        class BrowserTests(ChannelsLiveServerTestCase):
            ProtocolServerProcess = LiveServerProcess

    A server that cannot start fails the class with
    :class:`~channels.testing.live.LiveServerError`, whose cause is the server's own error.
    """

    host: str = "localhost"
    """Where the server listens; added to ``ALLOWED_HOSTS``."""

    port: int = 0
    """The port to listen on; 0 takes a free one."""

    ProtocolServerProcess: Any = LiveServerThread
    """What serves: called with ``host``, ``get_application`` and ``setup``."""

    static_wrapper: Any = ASGIStaticFilesHandler
    """Wrapped around the application to serve static files."""

    serve_static: bool = True
    """Whether to use :attr:`static_wrapper`."""

    _port: ClassVar[int]
    _server_process: ClassVar[Any]
    _live_server_modified_settings: ClassVar[modify_settings]

    @classproperty
    def live_server_url(cls) -> str:  # noqa: N805 - a property of the class
        """Such as ``http://localhost:54321``."""
        return f"http://{cls.host}:{cls._port}"

    @classproperty
    def live_server_ws_url(cls) -> str:  # noqa: N805
        """Such as ``ws://localhost:54321``."""
        return f"ws://{cls.host}:{cls._port}"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls._live_server_modified_settings = modify_settings(ALLOWED_HOSTS={"append": cls.host})
        cls._live_server_modified_settings.enable()
        try:
            cls._start_server()
        except BaseException:
            # unittest does not call tearDownClass() then.
            cls._live_server_modified_settings.disable()
            super().tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls) -> None:
        cls._stop_server()
        cls._live_server_modified_settings.disable()
        super().tearDownClass()

    @classmethod
    def _start_server(cls) -> None:
        get_application = partial(
            make_application, static_wrapper=cls.static_wrapper if cls.serve_static else None
        )
        # Only given where it is asked for: other people's server classes may not take it.
        options: dict[str, Any] = {"port": cls.port} if cls.port else {}
        cls._server_process = cls.ProtocolServerProcess(
            cls.host, get_application, setup=set_database_connection, **options
        )
        cls._server_process.start()
        try:
            wait_until_ready(cls._server_process)
        except BaseException:
            cls._stop_server()
            raise
        cls._port = cls._server_process.port.value

    @classmethod
    def _stop_server(cls) -> None:
        cls._server_process.terminate()
        cls._server_process.join()
