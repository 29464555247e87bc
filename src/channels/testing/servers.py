"""The server beside a test, in a thread or in a process, with one interface for both.

``start()``, ``ready.wait()``, ``port.value``, ``is_alive()``, ``errors``, ``terminate()`` and
``join()`` are what test cases and other people's fixtures use.
"""

import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import django
from asgiref.sync import SyncToAsync
from django.conf import UserSettingsHolder, settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from channels.server import Server, make_server
from channels.testing.databases import (
    SharedConnections,
    database_names,
    in_memory_connections,
    use_databases,
)
from channels.typing import ASGIApplication

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event

GetApplication = Callable[[], ASGIApplication]

START_LIMIT = 60.0
"""Seconds that a server may take to be ready; a process has to import the whole project."""

END_LIMIT = 10.0
"""Seconds after which a process that was told to end is ended."""


class LiveServerError(RuntimeError):
    """The live server did not come up. The server's own error is the ``__cause__``."""


class LiveServerThread(threading.Thread):
    """A server in a thread of this process.

    Test and server share everything: settings, the in-memory channel layer, mocks, and a SQLite
    database in memory (see :class:`~channels.testing.databases.SharedConnections`). Start it in the
    thread that runs the tests.

    Args:
        host: the name or address to listen on.
        get_application: makes the application, in the server's thread.
        setup: called in the server's thread before that.
        teardown: called there at the end.
        port: 0 takes a free one.
    """

    shares_memory: ClassVar[bool] = True
    """Whether the server sees what is in the memory of the test."""

    def __init__(
        self,
        host: str,
        get_application: GetApplication,
        *,
        setup: Callable[[], object] | None = None,
        teardown: Callable[[], object] | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(name="channels-live-server", daemon=True)
        self.host = host
        self.get_application = get_application
        self.setup = setup
        self.teardown = teardown
        self.port: SimpleNamespace = SimpleNamespace(value=port)
        self.ready: threading.Event = threading.Event()
        self.errors: queue.SimpleQueue[tuple[BaseException, str]] = queue.SimpleQueue()
        self._shared: SharedConnections | None = None
        self._server: Server | None = None
        self._terminated = threading.Event()

    def start(self) -> None:
        """Begin to serve; ``ready`` says when. Connections in memory of this thread are shared."""
        self._shared = SharedConnections(in_memory_connections())
        super().start()

    def run(self) -> None:
        assert self._shared is not None
        try:
            if self.setup is not None:
                self.setup()
            application = self._shared.serving(self.get_application())
            self._server = make_server(application, host=self.host, port=self.port.value)
            if self._terminated.is_set():
                # terminate() came before there was a server to stop.
                self._server.stop()
            serve(self._server, self.port, self.ready)
        except BaseException as error:
            self.errors.put((error, traceback.format_exc()))
        finally:
            if self.teardown is not None:
                self.teardown()
            connections.close_all()

    def terminate(self) -> None:
        """Tell the server to end, from any thread; :meth:`join` waits for it."""
        self._terminated.set()
        if self._server is not None:
            self._server.stop()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the server has ended; then the connections belong to the test alone again."""
        super().join(timeout)
        if not self.is_alive() and self._shared is not None:
            self._shared.give_back()


class LiveServerProcess(multiprocessing.Process):
    """A server in a process of its own, whatever the start method.

    Under ``spawn`` and ``forkserver`` the process imports the project anew: ``get_application``,
    ``setup`` and ``teardown`` have to be importable by name (no closures),
    ``DJANGO_SETTINGS_MODULE`` has to be set, and settings that the tests have overridden are taken
    along where they can be pickled. The databases are those of the tests; one in memory cannot be
    used.

    Args: as for :class:`LiveServerThread`, and called in the process.
    """

    shares_memory: ClassVar[bool] = False

    def __init__(
        self,
        host: str,
        get_application: GetApplication,
        *,
        setup: Callable[[], object] | None = None,
        teardown: Callable[[], object] | None = None,
        port: int = 0,
    ) -> None:
        # An aborted test run leaves no server behind.
        super().__init__(name="channels-live-server", daemon=True)
        self.host = host
        self.get_application = get_application
        self.setup = setup
        self.teardown = teardown
        self.port: Synchronized[int] = multiprocessing.Value("i", port)
        self.ready: Event = multiprocessing.Event()
        self.errors: Any = multiprocessing.SimpleQueue()
        self._databases: dict[str, Any] = {}
        self._settings: dict[str, bytes] = {}
        self._callables = b""

    def start(self) -> None:
        """Begin to serve; ``ready`` says when.

        Raises:
            ImproperlyConfigured: a database is in memory, or the process could not find the
                settings.
        """
        refuse_databases_in_memory()
        if (
            multiprocessing.get_start_method() != "fork"
            and "DJANGO_SETTINGS_MODULE" not in os.environ
        ):
            raise ImproperlyConfigured(
                "The settings were configured by hand, and a process that is started with "
                f"{multiprocessing.get_start_method()!r} has to import them. Set "
                "DJANGO_SETTINGS_MODULE, or use LiveServerThread."
            )
        self._databases = database_names()
        self._settings = overridden_settings()
        super().start()

    def __getstate__(self) -> dict[str, Any]:
        # Pickled in a pickle: these can only be imported once Django is set up.
        names = ("get_application", "setup", "teardown")
        callables = pickle.dumps({name: getattr(self, name) for name in names})
        return {**self.__dict__, **dict.fromkeys(names), "_callables": callables}

    def run(self) -> None:
        try:
            self._become_a_test_process()
            if self.setup is not None:
                self.setup()
            server = make_server(self.get_application(), host=self.host, port=self.port.value)
            signal.signal(signal.SIGTERM, lambda *_: self._end(server))
            serve(server, self.port, self.ready)
        except BaseException as error:
            self.errors.put((_picklable(error), traceback.format_exc()))
        finally:
            if self.teardown is not None:
                self.teardown()

    def _become_a_test_process(self) -> None:
        if self._callables:
            django.setup()
            for name, value in pickle.loads(self._callables).items():  # noqa: S301 - our own parent
                setattr(self, name, value)
            for name, pickled in self._settings.items():
                setattr(settings, name, pickle.loads(pickled))  # noqa: S301
            use_databases(self._databases)
        else:
            forget_threads_and_connections()

    def _end(self, server: Server) -> None:
        late = threading.Timer(END_LIMIT, os._exit, [1])
        late.daemon = True
        late.start()
        server.stop()


def serve(server: Server, port: Any, ready: Any) -> None:
    """Serve in this thread until the server is stopped; tell the port and when it is ready."""
    server.bind()
    port.value = server.address[1]

    def tell() -> None:
        with contextlib.suppress(BaseException):
            # run() raises the same, where it is seen.
            if server.wait_ready():
                ready.set()

    threading.Thread(target=tell, name="channels-live-ready", daemon=True).start()
    server.run()


def wait_until_ready(server: Any) -> None:
    """Wait for a server that was started.

    Raises:
        LiveServerError: it has ended instead; what it raised is the cause. Or it takes too long.
    """
    waited = 0.0
    while not server.ready.wait(timeout=0.1):
        waited += 0.1
        if not server.is_alive() and not server.ready.is_set():
            raise _failure(server)
        if waited > START_LIMIT:
            raise LiveServerError(f"The live server is not ready after {START_LIMIT:.0f} s.")


def refuse_databases_in_memory() -> None:
    """Raise for a database that another process cannot see.

    Raises:
        ImproperlyConfigured: names the databases and the cure.
    """
    found = in_memory_connections()
    if found:
        error = ImproperlyConfigured(
            "ChannelLiveServerTestCase can not be used with in memory databases"
        )
        error.add_note(
            "The server runs in a process of its own, which cannot see "
            f"{', '.join(sorted(found))}. Use LiveServerThread, the default of "
            "ProtocolServerProcess, or give the "
            "database a file: DATABASES[...]['TEST'] = {'NAME': BASE_DIR / 'test.sqlite3'}."
        )
        raise error


def overridden_settings() -> dict[str, bytes]:
    """What tests have changed in the settings, pickled; values that cannot be pickled are left."""
    names = {"ALLOWED_HOSTS", "DEBUG", "EMAIL_BACKEND"}
    holder: Any = vars(settings)["_wrapped"]
    while isinstance(holder, UserSettingsHolder):
        names.update(name for name in vars(holder) if name.isupper())
        holder = holder.default_settings
    pickled = {}
    for name in sorted(names - {"DATABASES"}):
        with contextlib.suppress(Exception):
            pickled[name] = pickle.dumps(getattr(settings, name))
    return pickled


def forget_threads_and_connections() -> None:
    """After a fork: drop what belongs to the parent and cannot be used here.

    Threads did not come along, so executors that count on theirs would wait for ever. Connections
    share a socket with the parent; they are dropped and not closed, which would be heard there.
    """
    from channels import threads

    threads._pool = None  # pyright: ignore[reportPrivateUsage]
    SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
    for connection in connections.all(initialized_only=True):
        connection.connection = None


def _failure(server: Any) -> LiveServerError:
    cause: BaseException | None = None
    text = ""
    errors = getattr(server, "errors", None)
    if errors is not None and not errors.empty():
        cause, text = errors.get()
    if cause is None:
        code = getattr(server, "exitcode", None)
        return LiveServerError(f"Server stopped before it was ready (exit code {code}).")
    error = LiveServerError(f"Server stopped before it was ready: {cause!r}")
    error.__cause__ = cause
    if getattr(cause, "__traceback__", None) is None:
        error.add_note(f"In the server's process:\n{text}")
    return error


def _picklable(error: BaseException) -> BaseException:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        return RuntimeError(repr(error))
    return error
