"""Database connections that only keep account: which thread opened and closed them."""

import threading

import pytest
from django.db.backends.signals import connection_created

import channels.db
import channels.strands


class FakeConnection:
    """As much of Django's ``BaseDatabaseWrapper`` as looking after it needs."""

    vendor = "fake"

    def __init__(self, databases: "FakeDatabases") -> None:
        self._databases = databases
        self.connection: object | None = None
        self.in_atomic_block = False
        self.errors_occurred = False
        self.lives_on = False
        """Whether it is younger than ``CONN_MAX_AGE``."""

    def use(self) -> None:
        if self.connection is None:
            self.connection = object()
            self._databases.note("open")
            connection_created.send(sender=type(self), connection=self)

    def close_if_unusable_or_obsolete(self) -> None:
        if self.connection is None:
            return
        if self.lives_on and not self.errors_occurred:
            self._databases.note("keep")
            return
        self.connection = None
        self.errors_occurred = False
        self._databases.note("close")


class FakeDatabases:
    """Stands in for ``django.db.connections``: one connection a thread."""

    def __init__(self) -> None:
        self._here = threading.local()
        self._lock = threading.Lock()
        self.log: list[tuple[str, str]] = []
        """What happened to connections, and the name of the thread in which it did."""

    @property
    def connection(self) -> FakeConnection:
        if not hasattr(self._here, "connection"):
            self._here.connection = FakeConnection(self)
        connection: FakeConnection = self._here.connection
        return connection

    def all(self, initialized_only: bool = False) -> list[FakeConnection]:
        return [self.connection] if hasattr(self._here, "connection") else []

    def note(self, event: str) -> None:
        with self._lock:
            self.log.append((event, threading.current_thread().name))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.log]

    @property
    def left_open(self) -> set[str]:
        """Threads that hold an open connection."""
        found: set[str] = set()
        for event, thread in self.log:
            if event == "open":
                found.add(thread)
            elif event == "close":
                found.discard(thread)
        return found

    def query(self) -> str:
        """Use the database; returns the name of the thread."""
        self.connection.use()
        return threading.current_thread().name


def install(monkeypatch: pytest.MonkeyPatch) -> FakeDatabases:
    """Fake databases for every connection of the process, while the test runs."""
    fake = FakeDatabases()
    monkeypatch.setattr(channels.strands, "connections", fake)
    monkeypatch.setattr(channels.db, "connections", fake)
    return fake
