"""The test's database, for what runs beside the test: in threads or in a process of its own."""

from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.conf import settings
from django.db import connections
from django.test import override_settings
from django.test.utils import _TestState  # pyright: ignore[reportPrivateUsage]

from channels.typing import ASGIApplication, Receive, Scope, Send


def in_memory_connections() -> dict[str, Any]:
    """This thread's connections to SQLite databases in memory, by alias."""
    return {
        connection.alias: connection
        for connection in connections.all()
        if connection.vendor == "sqlite" and connection.is_in_memory_db()  # type: ignore[attr-defined]
    }


def keep_transactions() -> None:
    """Have Django leave this thread's connections open as long as they are in a transaction.

    Its request handlers close a connection that is in one, because somebody must have forgotten to
    end it. In a ``TestCase`` it is the transaction of the test. Django's test client takes the
    handlers away from their signals while it is at work; this holds for the connections, and is
    done once for each.
    """
    for connection in connections.all(initialized_only=True):
        if not hasattr(connection, "_channels_keeps_transactions"):
            connection._channels_keeps_transactions = True  # type: ignore[attr-defined]
            _keep_transaction(connection)


def _keep_transaction(connection: Any) -> None:
    close = connection.close_if_unusable_or_obsolete

    def close_outside_of_transactions() -> None:
        if not connection.in_atomic_block:
            close()

    connection.close_if_unusable_or_obsolete = close_outside_of_transactions


class SharedConnections:
    """Connections of this thread, used by the server's sync code as well.

    A database in memory is gone with its connection, so the server has to use the one of the test.
    A connection cannot serve two queries at once: all sync code of the server, of every request
    and consumer, runs in one thread that has it, one call after another. Where nothing is shared,
    the application is served as it is.
    """

    def __init__(self, shared: Mapping[str, Any]) -> None:
        self._shared = dict(shared)
        self._executor: ThreadPoolExecutor | None = None
        # asgiref finds the executor of thread-sensitive code by this key, and so do all contexts
        # that are entered inside.
        self._key = ThreadSensitiveContext()
        for connection in self._shared.values():
            connection.inc_thread_sharing()

    def serving(self, application: ASGIApplication) -> ASGIApplication:
        """``application``, with its sync code in the thread that has the connections."""
        if not self._shared:
            return application
        self._executor = ThreadPoolExecutor(
            1, thread_name_prefix="channels-live", initializer=self._take
        )
        SyncToAsync.context_to_thread_executor[self._key] = self._executor

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            token = SyncToAsync.thread_sensitive_context.set(self._key)
            try:
                await application(scope, receive, send)
            finally:
                SyncToAsync.thread_sensitive_context.reset(token)

        return serve

    def give_back(self) -> None:
        """End the server's use of the connections; more than one call is harmless."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None
        while self._shared:
            self._shared.popitem()[1].dec_thread_sharing()

    def _take(self) -> None:
        for alias, connection in self._shared.items():
            connections[alias] = connection


@contextmanager
def transaction_shared_with_threads() -> Generator[None]:
    """Have sync code of consumers and of the test use this thread's open transactions.

    A test that pytest-django wraps in a transaction holds it in the main thread. A coroutine's sync
    code runs in other threads, on connections of their own, which do not see the transaction's rows
    and commit what they write. Inside this block all of it runs in one thread, one call after
    another, on the test's connections, and is rolled back with the test.

    Enter it outside of an event loop, where the transaction was begun.
    """
    keep_transactions()
    shared: dict[str, Any] = {
        connection.alias: connection
        for connection in connections.all(initialized_only=True)
        if connection.in_atomic_block
    }
    thread = SyncToAsync.single_thread_executor  # a pool of one thread is this one
    own = thread.submit(_put_in_place, shared).result()
    for connection in shared.values():
        connection.inc_thread_sharing()
    try:
        with override_settings(CHANNELS={**getattr(settings, "CHANNELS", {}), "SYNC_THREADS": 1}):
            yield
    finally:
        for connection in shared.values():
            connection.dec_thread_sharing()
        thread.submit(_put_in_place, own).result()


def _put_in_place(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Make these this thread's connections; return those that were there, None for none."""
    had = {connection.alias: connection for connection in connections.all(initialized_only=True)}
    for alias, connection in wanted.items():
        if connection is None:
            del connections[alias]
        else:
            connections[alias] = connection
    return {alias: had.get(alias) for alias in wanted}


def database_names() -> dict[str, Any]:
    """The names of the databases that are used now: those of the tests, while tests run."""
    return {alias: connections[alias].settings_dict["NAME"] for alias in connections}


def use_databases(names: Mapping[str, Any]) -> None:
    """Make this process connect to these databases from now on."""
    for alias, name in names.items():
        connections[alias].settings_dict["NAME"] = name


def use_test_databases() -> None:
    """Make this process connect to the databases of the tests, as their settings name them.

    Does nothing in a process that runs tests: there the names are in use already.
    """
    if not hasattr(_TestState, "saved_data"):
        creations: dict[str, Any] = {alias: connections[alias].creation for alias in connections}
        use_databases(
            {alias: creation._get_test_db_name() for alias, creation in creations.items()}
        )
