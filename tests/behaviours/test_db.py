"""channels.db: synchronous code from asynchronous code, and the connections it leaves."""

import asyncio
import threading
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType

from channels import db
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.db import DatabaseSyncToAsync, aclose_old_connections, database_sync_to_async
from channels.exceptions import StopConsumer
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, run

SCOPE = {"type": "test"}


@behaviour("Database: database_sync_to_async(function)(...) runs it in a thread")
async def test_as_function() -> None:
    def work(a: int, *, b: int) -> tuple[int, int]:
        return a + b, threading.get_ident()

    total, thread = await database_sync_to_async(work)(1, b=2)
    assert total == 3
    assert thread != threading.get_ident()


@behaviour("Database: @database_sync_to_async decorates functions and methods")
async def test_as_decorator() -> None:
    class Things:
        name = "things"

        @database_sync_to_async
        def describe(self, n: int) -> str:
            return f"{self.name} {n}"

    @database_sync_to_async
    def double(n: int) -> int:
        return 2 * n

    assert await double(4) == 8
    assert await Things().describe(3) == "things 3"
    assert isinstance(double, DatabaseSyncToAsync)


@behaviour("Database: @DatabaseSyncToAsync is the class, and may be used as the decorator")
async def test_class_as_decorator() -> None:
    @DatabaseSyncToAsync
    def double(n: int) -> int:
        return 2 * n

    assert await double(4) == 8


@behaviour("Database: database_sync_to_async takes thread_sensitive=, True by default")
async def test_thread_sensitive() -> None:
    def where() -> int:
        return threading.get_ident()

    assert await database_sync_to_async(where)() == await database_sync_to_async(where)()
    gate = threading.Barrier(2, timeout=5)

    def together() -> int:
        gate.wait()
        return threading.get_ident()

    free = database_sync_to_async(together, thread_sensitive=False)
    first, second = await asyncio.gather(free(), free())
    assert first != second


@behaviour("Database: exceptions of the function come back as they were raised")
async def test_exceptions() -> None:
    boom = KeyError("boom")

    def fails() -> None:
        raise boom

    with pytest.raises(KeyError) as caught:
        await database_sync_to_async(fails)()
    assert caught.value is boom


@behaviour("Database: DatabaseSyncToAsync.thread_handler may be patched (APM probes do)")
async def test_thread_handler_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    real = DatabaseSyncToAsync.thread_handler

    def thread_handler(self: Any, loop: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(loop)
        return real(self, loop, *args, **kwargs)

    monkeypatch.setattr(DatabaseSyncToAsync, "thread_handler", thread_handler)
    assert await database_sync_to_async(int)("7") == 7
    assert calls == [asyncio.get_running_loop()]


@behaviour("Database: channels.db.close_old_connections is looked up there at each call")
async def test_close_old_connections_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(db, "close_old_connections", lambda: calls.append(threading.get_ident()))
    assert await database_sync_to_async(int)("7") == 7
    assert len(calls) == 2
    await aclose_old_connections()
    assert len(calls) == 3
    assert threading.get_ident() not in calls


@pytest.mark.django_db(transaction=True)
@behaviour("Database: a patched close_old_connections sees the handlers of a synchronous consumer")
async def test_close_around_sync_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(db, "close_old_connections", lambda: order.append("close"))

    class Works(SyncConsumer):
        def test_work(self, message: Message) -> None:
            ContentType.objects.exists()
            order.append("work")
            raise StopConsumer

    client = await run(Works.as_asgi(), SCOPE)
    # Not through send_input: the communicators may patch the same name for their own calls.
    client.input_queue.put_nowait({"type": "test.work"})
    await asyncio.wait([client.future], timeout=5)
    client.future.result()
    assert order[0] == "close"
    assert order[-1] == "close"
    assert "work" in order


@pytest.mark.django_db(transaction=True)
@behaviour("Database: both families reach the database")
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_reach_the_database(kind: str) -> None:
    class Async(AsyncConsumer):
        async def test_make(self, message: Message) -> None:
            await ContentType.objects.acreate(app_label="made", model="async")
            count = await database_sync_to_async(
                ContentType.objects.filter(app_label="made").count
            )()
            await self.send({"type": "test.made", "count": count})
            raise StopConsumer

    class Sync(SyncConsumer):
        def test_make(self, message: Message) -> None:
            ContentType.objects.create(app_label="made", model="sync")
            count = ContentType.objects.filter(app_label="made").count()
            self.send({"type": "test.made", "count": count})
            raise StopConsumer

    consumer = Async if kind == "async" else Sync
    client = await run(consumer.as_asgi(), SCOPE, {"type": "test.make"})
    assert await client.receive_output() == {"type": "test.made", "count": 1}
    await client.wait()
    assert await ContentType.objects.filter(app_label="made", model=kind).aexists()


@behaviour("Database: a thread hop for each message of a handler that uses no database")
@differs(upstream="happens, to look for old connections", ours="does not happen")
async def test_no_hop_without_database(monkeypatch: pytest.MonkeyPatch) -> None:
    closes: list[int] = []
    monkeypatch.setattr(db, "close_old_connections", lambda: closes.append(1))

    class Echo(AsyncConsumer):
        async def test_ping(self, message: Message) -> None:
            await self.send({"type": "test.pong"})

        async def test_stop(self, message: Message) -> None:
            raise StopConsumer

    client = await run(Echo.as_asgi(), SCOPE)
    for type_ in ("test.ping", "test.ping", "test.stop"):
        client.input_queue.put_nowait({"type": type_})
    await asyncio.wait([client.future], timeout=5)
    client.future.result()
    assert client.output_queue.qsize() == 2
    assert len(closes) == expected(upstream=3, ours=0)


@behaviour("Database: synchronous handlers of two connections")
@differs(upstream="share one thread", ours="run side by side")
async def test_side_by_side() -> None:
    meeting = threading.Barrier(2)
    met: list[bool] = []

    class Meets(SyncConsumer):
        def test_meet(self, message: Message) -> None:
            try:
                meeting.wait(timeout=expected(upstream=0.1, ours=5))
                met.append(True)
            except threading.BrokenBarrierError:
                met.append(False)
            raise StopConsumer

    clients = [await run(Meets.as_asgi(), SCOPE, {"type": "test.meet"}) for _ in range(2)]
    for client in clients:
        await client.wait(timeout=6)
    assert met == expected(upstream=[False, False], ours=[True, True])


@behaviour("Database: all synchronous code of one connection runs one call at a time")
async def test_serial_per_connection() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1

    class Gathers(AsyncConsumer):
        async def test_gather(self, message: Message) -> None:
            await asyncio.gather(*(database_sync_to_async(work)() for _ in range(5)))
            raise StopConsumer

    client = await run(Gathers.as_asgi(), SCOPE, {"type": "test.gather"})
    await client.wait(timeout=5)
    assert most == 1
