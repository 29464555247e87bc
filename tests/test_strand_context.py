"""strand(): where the sync code of a connection runs, inside others' contexts and after the end."""

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from channels.strands import Strand
from channels.threads import current_strand, strand
from tests.sync_calls import PATIENCE, Gate, entered, making_gates, thread_name
from tests.wire import Wire, http


@pytest.fixture
def gates() -> Iterator[Callable[[], Gate]]:
    with making_gates() as make:
        yield make


async def test_sync_code_inside_runs_in_the_pool() -> None:
    outside = await sync_to_async(thread_name)()
    async with strand():
        inside = await sync_to_async(thread_name)()
        assert inside.startswith("channels-sync-")
        assert await sync_to_async(thread_name)() == inside
        elsewhere = await sync_to_async(thread_name, thread_sensitive=False)()
        assert not elsewhere.startswith("channels-sync-")
    assert await sync_to_async(thread_name)() == outside


async def test_nested_entries_share_the_outermost() -> None:
    async with strand():
        outer = current_strand()
        assert outer is not None
        async with strand():
            assert current_strand() is outer
        assert current_strand() is outer
    assert current_strand() is None


async def test_each_connection_has_its_own() -> None:
    async def own() -> Strand | None:
        async with strand():
            await asyncio.sleep(0)
            return current_strand()

    first, second = await asyncio.gather(own(), own())
    assert first is not second


async def test_djangos_own_thread_sensitive_context_inside_shares_the_strand() -> None:
    async with strand():
        mine = await sync_to_async(thread_name)()
        async with ThreadSensitiveContext():
            assert await sync_to_async(thread_name)() == mine
        assert await sync_to_async(thread_name)() == mine


async def test_a_thread_sensitive_context_outside_is_respected() -> None:
    async with ThreadSensitiveContext():
        theirs = await sync_to_async(thread_name)()
        async with strand():
            assert current_strand() is None
            assert await sync_to_async(thread_name)() == theirs


@pytest.mark.django_db(transaction=True)
async def test_a_django_application_inside_answers_from_the_pool() -> None:
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(thread_name())
        return HttpResponse(b"hello")

    urls = type("Urls", (), {"urlpatterns": [path("", view)]})
    scope = http("/", query_string=b"", server=("testserver", 80), client=("127.0.0.1", 1))
    left = asyncio.Event()
    wire = Wire()
    requests = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        for request in requests:
            return request
        await left.wait()
        return {"type": "http.disconnect"}

    with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[]):
        application = ASGIHandler()
        async with strand():
            await application(scope, receive, wire.send)
    assert seen
    assert seen[0].startswith("channels-sync-")
    assert wire.sent[0]["status"] == 200


def test_under_async_to_sync_the_callers_thread_is_used() -> None:
    async def where() -> tuple[int, Strand | None]:
        async with strand():
            return await sync_to_async(threading.get_ident)(), current_strand()

    assert async_to_sync(where)() == (threading.get_ident(), None)


def test_under_async_to_sync_tasks_use_the_callers_thread_too() -> None:
    async def where() -> int:
        async with strand():
            return await sync_to_async(threading.get_ident)()

    async def in_a_task() -> int:
        return await asyncio.get_running_loop().create_task(where(), context=contextvars.Context())

    assert async_to_sync(in_a_task)() == threading.get_ident()


async def test_a_thread_of_this_loop_that_waits_in_async_to_sync_is_used() -> None:
    """As in a sync view that serves an application, in a process without strands."""

    async def where() -> tuple[int, Strand | None]:
        async with strand():
            return await sync_to_async(threading.get_ident)(), current_strand()

    def caller() -> tuple[int, tuple[int, Strand | None]]:
        return threading.get_ident(), async_to_sync(where)()

    thread, seen = await sync_to_async(caller)()
    assert seen == (thread, None)


async def test_a_task_that_outlives_the_connection_still_has_the_strand() -> None:
    over = asyncio.Event()

    async def lingers() -> tuple[str, Strand | None]:
        await over.wait()
        return await sync_to_async(thread_name)(), current_strand()

    async with strand():
        own = current_strand()
        task = asyncio.create_task(lingers())
        await asyncio.sleep(0)
    over.set()
    name, seen = await task
    assert name.startswith("channels-sync-")
    assert seen is own


async def test_sync_code_inside_sync_code_of_a_connection_does_not_wait_for_itself() -> None:
    async def inner() -> int:
        return await sync_to_async(threading.get_ident)()

    def outer() -> tuple[int, int]:
        return threading.get_ident(), async_to_sync(inner)()

    async with strand(), asyncio.timeout(PATIENCE):
        here, there = await sync_to_async(outer)()
    assert here == there


async def test_a_cancelled_wait_leaves_the_call_running_and_the_next_one_behind_it(
    gates: Callable[[], Gate],
) -> None:
    gate = gates()
    async with strand():
        waiting = asyncio.create_task(sync_to_async(gate)())
        await entered(gate)
        waiting.cancel()
        await asyncio.wait([waiting])
        following = asyncio.create_task(sync_to_async(thread_name)())
        await asyncio.sleep(0)
        assert not following.done()
        gate.released.set()
        await following


def test_without_settings_sync_code_runs_all_the_same() -> None:
    script = """
import asyncio
from asgiref.sync import sync_to_async
from channels.threads import strand
async def main():
    async with strand(), asyncio.timeout(5):
        assert await sync_to_async(int)("1") == 1
asyncio.run(main())
"""
    environment = {key: value for key, value in os.environ.items() if "DJANGO" not in key}
    subprocess.run([sys.executable, "-c", script], env=environment, timeout=30, check=True)
