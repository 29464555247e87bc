"""channels.db: connections closed by the thread that used them, and only there."""

import asyncio
import contextvars
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections
from django.db.backends.sqlite3.base import DatabaseWrapper

import channels.db
from channels.consumer import AsyncConsumer
from channels.db import (
    DatabaseSyncToAsync,
    aclose_old_connections,
    close_old_connections,
    database_sync_to_async,
)
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.threads import strand
from channels.typing import Message
from tests.behaviours.tools import written_for
from tests.client import CONNECT, Client, frame, leave, request, settle
from tests.fake_databases import FakeConnection, FakeDatabases, install


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch) -> FakeDatabases:
    return install(monkeypatch)


def thread_name() -> str:
    return threading.current_thread().name


# close_old_connections


def test_closes_what_is_old_and_leaves_what_is_not(databases: FakeDatabases) -> None:
    close_old_connections()
    assert databases.events == [], "no connection was ever asked for"
    databases.query()
    databases.connection.lives_on = True
    close_old_connections()
    assert databases.events == ["open", "keep"]
    databases.connection.lives_on = False
    close_old_connections(signal="takes what a signal gives")
    assert databases.events == ["open", "keep", "close"]


def test_never_inside_an_atomic_block(databases: FakeDatabases) -> None:
    databases.query()
    databases.connection.in_atomic_block = True
    databases.connection.errors_occurred = True
    close_old_connections()
    assert databases.events == ["open"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("max_age", "closed"), [(0, True), (3600, False), (None, False)])
def test_djangos_own_connections_by_their_age(
    max_age: int | None, closed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dict(connections["default"].settings_dict, CONN_MAX_AGE=max_age)
    real = DatabaseWrapper(dict(settings, NAME=str(tmp_path / "aged.sqlite3")), "default")
    monkeypatch.setattr(channels.db, "connections", SimpleNamespace(all=lambda **_: [real]))
    try:
        real.ensure_connection()
        close_old_connections()
        assert (real.connection is None) is closed

        real.ensure_connection()
        real.close_at = 0
        real.in_atomic_block = True
        close_old_connections()
        assert real.connection is not None
        real.in_atomic_block = False
        close_old_connections()
        assert real.connection is None
    finally:
        real.close()


# database_sync_to_async


async def test_outside_a_connection_it_closes_before_and_after_each_call(
    databases: FakeDatabases,
) -> None:
    await database_sync_to_async(databases.query)()
    thread = await database_sync_to_async(databases.query)()
    assert databases.events == ["open", "close"] * 2
    assert {where for _, where in databases.log} == {thread}
    with pytest.raises(ZeroDivisionError):
        await database_sync_to_async(lambda: databases.query() and 1 / 0)()
    assert not databases.left_open


async def test_calls_that_are_not_thread_sensitive_look_after_their_own_thread(
    databases: FakeDatabases,
) -> None:
    async with strand():
        thread = await database_sync_to_async(databases.query, thread_sensitive=False)()
        assert not thread.startswith("channels-sync-")
        assert databases.log == [("open", thread), ("close", thread)]


async def test_as_a_decorator_with_and_without_arguments() -> None:
    @database_sync_to_async
    def plain(a: int, b: int = 2) -> int:
        return a + b

    @database_sync_to_async(thread_sensitive=False)
    def with_arguments(a: int) -> str:
        return thread_name()

    class Things:
        name = "things"

        @database_sync_to_async
        def method(self) -> str:
            return self.name

    assert await plain(1, b=3) == 4
    assert await with_arguments(1) != thread_name()
    assert await Things().method() == "things"
    assert isinstance(plain, DatabaseSyncToAsync)
    assert plain.__name__ == "plain"


async def test_thread_handler_may_be_wrapped_as_probes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = DatabaseSyncToAsync.thread_handler

    def probe(self: Any, loop: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(self.func.__name__)
        return real(self, loop, *args, **kwargs)

    monkeypatch.setattr(DatabaseSyncToAsync, "thread_handler", probe)

    class Sync(WebsocketConsumer):
        pass

    async with Client(Sync(), CONNECT, leave()) as client:
        await client.ended()
    assert seen == ["dispatch", "dispatch"]


def test_a_thread_that_waits_in_async_to_sync_keeps_its_connections(
    databases: FakeDatabases,
) -> None:
    databases.query()
    assert async_to_sync(database_sync_to_async(databases.query))() == thread_name()
    assert databases.events == ["open"]


# aclose_old_connections


async def test_aclose_outside_a_connection_uses_the_thread_of_sync_to_async(
    databases: FakeDatabases,
) -> None:
    thread = await sync_to_async(databases.query)()
    await aclose_old_connections()
    assert databases.log == [("open", thread), ("close", thread)]


async def test_aclose_inside_a_connection_costs_nothing_where_nothing_was_used(
    databases: FakeDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with strand():
        monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", None)
        await aclose_old_connections()
        monkeypatch.undo()


async def test_aclose_inside_a_connection_closes_where_it_was_used(
    databases: FakeDatabases,
) -> None:
    async with strand():
        thread = await sync_to_async(databases.query)()
        await aclose_old_connections()
        assert databases.log == [("open", thread), ("close", thread)]


# Consumers.


def uses(self: Any, *_: Any, **__: Any) -> Any:
    """Uses the database twice, in either family."""
    query = self.databases.query
    for _ in range(2):
        if self._sync:
            query()
            yield None
        else:
            yield database_sync_to_async(query)()
    yield self.send("done")


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
async def test_closed_after_each_handler_that_used_it_by_its_thread(
    base: type, databases: FakeDatabases
) -> None:
    consumer = written_for(base, groups=["room"], receive=uses, note=uses, databases=databases)
    async with Client(consumer(), CONNECT) as client:
        await client.answers(1)
        assert databases.events == []
        for number in range(3):
            if number % 2:
                await get_channel_layer().group_send("room", {"type": "note"})
            else:
                client.says(frame("x"))
            await client.answers(2 + number)
        client.says(leave())
        await client.ended()
    assert databases.events == ["open", "close"] * 3
    assert all(thread.startswith("channels-sync-") for _, thread in databases.log)
    assert not databases.left_open


async def test_a_handler_that_fails_leaves_none_open(databases: FakeDatabases) -> None:
    class Fails(AsyncWebsocketConsumer):
        async def receive(self, **_: Any) -> None:
            await database_sync_to_async(databases.query)()
            raise ValueError("mine")

        async def disconnect(self, code: int) -> None:
            seen.append(list(databases.events))
            await database_sync_to_async(databases.query)()

    seen: list[Any] = []
    async with Client(Fails(), CONNECT, frame("x")) as client:
        with pytest.raises(ValueError, match="mine"):
            await client.ended()
    assert seen == [["open", "close"]]
    assert databases.events == ["open", "close"] * 2


async def test_one_that_lives_on_is_not_closed_between_handlers(databases: FakeDatabases) -> None:
    class Uses(AsyncWebsocketConsumer):
        async def receive(self, **_: Any) -> None:
            await database_sync_to_async(self.query)()

        def query(self) -> None:
            databases.query()
            databases.connection.lives_on = True

    async with Client(Uses(), CONNECT, frame("1"), frame("2"), leave()) as client:
        await client.ended()
    assert databases.events.count("open") == 1
    assert "close" not in databases.events
    # Looked at after each of the two, and before the second's first use.
    assert databases.events.count("keep") == 3


async def test_what_middleware_used_is_closed_too(databases: FakeDatabases) -> None:
    inner = AsyncWebsocketConsumer.as_asgi()

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async with strand():
            await database_sync_to_async(databases.query)()
            await inner(scope, receive, send)
            await database_sync_to_async(databases.query)()

    async with Client(middleware, CONNECT, leave()) as client:
        await client.ended()
    assert databases.events == ["open", "close"] * 2


async def test_handle_of_a_request_that_lives_long(databases: FakeDatabases) -> None:
    class Polls(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            for _ in range(3):
                await database_sync_to_async(databases.query)()
            await self.send_response(200, b"")

    async with Client(Polls(), request()) as client:
        await client.ended()
    assert databases.events == ["open", "close"]


async def test_a_background_task_keeps_the_database_after_the_end(
    databases: FakeDatabases,
) -> None:
    over = asyncio.Event()
    background: list[asyncio.Task[str]] = []

    class Starts(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            background.append(asyncio.create_task(self.later()))
            await self.accept()

        async def later(self) -> str:
            await over.wait()
            return await database_sync_to_async(databases.query)()

    async with Client(Starts(), CONNECT, leave()) as client:
        await client.ended()
    over.set()
    assert (await background[0]).startswith("channels-sync-")
    assert databases.events == ["open", "close"]


@pytest.mark.parametrize("name", ["channels.db.close_old_connections"])
async def test_close_old_connections_is_looked_up_where_suites_patch_it(
    name: str, databases: FakeDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(name, lambda: calls.append(thread_name()))

    class Sync(WebsocketConsumer):
        def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            databases.query()

    async with Client(Sync(), CONNECT, frame("x"), leave()) as client:
        await client.ended()
    assert databases.events == ["open"], "the real one was not called"
    assert calls
    assert all(thread.startswith("channels-sync-") for thread in calls)
    calls.clear()
    await database_sync_to_async(int)()
    await aclose_old_connections()
    assert len(calls) == 3


# Django's own async ORM.


@pytest.mark.django_db(transaction=True)
async def test_the_async_orm_counts_as_use(monkeypatch: pytest.MonkeyPatch) -> None:
    await ContentType.objects.acreate(app_label="native", model="one")
    closes: list[str] = []
    monkeypatch.setattr(channels.db, "close_old_connections", lambda: closes.append(thread_name()))

    class Native(AsyncConsumer):
        async def websocket_receive(self, event: Message) -> None:
            row = await ContentType.objects.aget(app_label="native")
            await self.send({"type": "websocket.send", "text": row.model})

    async with Client(Native(), frame("x")) as client:
        await client.answers(1)
        await settle()
        client.says(leave())
        # The consumer has no handler for the end, so nothing more is sent; it just ends.
        await client.ended()
    assert client.texts == ["one"]
    assert len(closes) == 2, "before the first use and after the handler"
    assert len(set(closes)) == 1


@pytest.mark.django_db
def test_under_async_to_sync_consumers_are_in_the_tests_transaction() -> None:
    ContentType.objects.create(app_label="inside", model="one")

    class Counts(WebsocketConsumer):
        def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            assert connection.in_atomic_block
            self.send(str(ContentType.objects.filter(app_label="inside").count()))

    async def play() -> list[str]:
        async with Client(Counts(), CONNECT, frame("x"), leave()) as client:
            await client.ended()
        return client.texts

    assert async_to_sync(play)() == ["1"]
    assert ContentType.objects.filter(app_label="inside").count() == 1


def test_the_stand_in_has_what_django_has() -> None:
    """The fake connections of these tests must not drift from the real ones."""
    real = connections["default"]
    for name in vars(FakeConnection(FakeDatabases())):
        if name not in ("_databases", "lives_on"):
            assert hasattr(real, name), name
    assert callable(real.close_if_unusable_or_obsolete)


async def test_a_context_of_ones_own() -> None:
    language = contextvars.ContextVar("language", default="en")
    context = contextvars.Context()
    context.run(language.set, "fr")
    assert await database_sync_to_async(language.get, context=context)() == "fr"
    assert await database_sync_to_async(context=context)(language.get)() == "fr"
    assert await database_sync_to_async(language.get)() == "en"
