"""Who is one sender, and what its messages come after."""

import asyncio
import contextvars

from asgiref.sync import async_to_sync, sync_to_async

from channels.layers.senders import MOST_LOGS, Sender, begin_sender, sender


def test_a_place_is_said_to_other_logs_only() -> None:
    who = Sender()
    who.wrote("scope", "g:a", "1", 2, 60.0)
    who.wrote("scope", "p:b", "1", 3, 60.0)
    assert who.after("scope", "g:a", 0.0) == ["p:b:1-3"]
    assert who.after("scope", "p:b", 0.0) == ["g:a:1-2"]
    assert who.after("scope", "g:c", 0.0) == ["g:a:1-2", "p:b:1-3"]
    assert who.after("another", "g:c", 0.0) == []
    assert who.after("scope", "p:c", 0.0, kind="g:") == ["g:a:1-2"]


def test_places_end() -> None:
    who = Sender()
    who.wrote("", "g:a", "1", 2, 60.0)
    assert who.after("", "g:b", 60.0) == []


def test_the_newest_logs_are_remembered() -> None:
    who = Sender()
    for number in range(MOST_LOGS + 1):
        who.wrote("", f"g:{number}", "1", 1, 60.0)
    words = who.after("", "g:x", 0.0)
    assert (len(words), words[0], words[-1]) == (MOST_LOGS, "g:1:1-1", f"g:{MOST_LOGS}:1-1")


def test_sends_at_once_may_end_in_any_order() -> None:
    who = Sender()
    who.wrote("", "g:a", "1", 2, 60.0)
    who.wrote("", "g:a", "1", 1, 60.0)
    assert who.after("", "g:x", 0.0) == ["g:a:1-2"]
    who.wrote("", "g:a", "2", 1, 60.0)
    assert who.after("", "g:x", 0.0) == ["g:a:2-1"]


async def found() -> Sender:
    return sender()


async def test_a_task_and_those_that_it_starts() -> None:
    first = sender()
    assert await asyncio.create_task(found()) is first
    assert await asyncio.wait_for(found(), 5) is first
    assert await sync_to_async(sender)() is first
    assert await sync_to_async(async_to_sync(found))() is first
    assert await asyncio.to_thread(sender) is first


async def test_tasks_of_nobody_that_sends_are_senders_of_their_own() -> None:
    one, two = [await asyncio.create_task(found(), context=contextvars.Context()) for _ in range(2)]
    assert one is not two


def test_sync_code_keeps_what_a_call_began() -> None:
    def code() -> tuple[Sender, Sender]:
        return async_to_sync(found)(), sender()

    first, then = contextvars.Context().run(code)
    assert first is then


def test_one_that_begins() -> None:
    def code() -> tuple[Sender, Sender]:
        before = sender()
        begin_sender()
        return before, sender()

    before, after = contextvars.Context().run(code)
    assert before is not after
