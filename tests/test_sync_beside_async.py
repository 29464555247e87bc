"""Slow sync handlers side by side, and async connections that do not notice them."""

import asyncio
import threading
import time
from typing import Any

import pytest
from django.test import override_settings

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.typing import Message
from tests.client import CONNECT, Client, frame, leave
from tests.sync_calls import PATIENCE


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        await self.send(text_data)


async def test_twenty_slow_sync_handlers_and_an_echo_beside_them() -> None:
    """In real time: 0.5 s each, all of them within 1.5 s, and an echo at once meanwhile."""
    inside = threading.Semaphore(0)

    class Slow(WebsocketConsumer):
        def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            inside.release()
            time.sleep(0.5)
            self.send("done")

    loop = asyncio.get_running_loop()
    async with Client(Echo(), CONNECT) as echo:
        await echo.answers(1)
        slow = [Client(Slow(), CONNECT) for _ in range(20)]
        for client in slow:
            await client.__aenter__()
        for client in slow:
            await client.answers(1)
        start = loop.time()
        for client in slow:
            client.says(frame("go"))
        await asyncio.to_thread(inside.acquire)
        delays = []
        while not all(client.texts for client in slow):
            asked = loop.time()
            echo.says(frame("hello"))
            await echo.answers(len(echo.sent) + 1)
            delays.append(loop.time() - asked)
            await asyncio.sleep(0.01)
        took = loop.time() - start
        assert took < 1.5
        assert len(delays) > 5, "asked while they were at it"
        assert max(delays) < 0.25
        for client in (*slow, echo):
            client.says(leave())
            await client.ended()


class Barrier(WebsocketConsumer):
    """Goes on when ``parties`` connections are in their handlers at the same time."""

    barrier: threading.Barrier

    def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        self.barrier.wait(PATIENCE)
        self.send("done")


async def test_sync_handlers_of_many_connections_run_at_the_same_time() -> None:
    consumer = type("Together", (Barrier,), {"barrier": threading.Barrier(20)})
    clients = [Client(consumer(), CONNECT) for _ in range(20)]
    for client in clients:
        await client.__aenter__()
        client.says(frame("x"))
    for client in clients:
        await client.answers(2)
        client.says(leave())
        await client.ended()


async def test_no_more_of_them_than_the_setting_says() -> None:
    inside, most, lock = 0, 0, threading.Lock()
    go_on = threading.Event()
    three_inside = threading.Event()

    class Counts(WebsocketConsumer):
        def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
                if inside == 3:
                    three_inside.set()
            assert go_on.wait(PATIENCE)
            with lock:
                inside -= 1
            self.send("done")

    with override_settings(CHANNELS={"SYNC_THREADS": 3}):
        clients = [Client(Counts(), CONNECT) for _ in range(8)]
        for client in clients:
            await client.__aenter__()
            client.says(frame("x"))
        assert await asyncio.to_thread(three_inside.wait, PATIENCE)
        go_on.set()
        for client in clients:
            await client.answers(2)
            client.says(leave())
            await client.ended()
    assert most == 3


async def test_a_single_thread_as_upstream_has_it() -> None:
    threads: set[int] = set()

    class Where(WebsocketConsumer):
        def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            threads.add(threading.get_ident())
            self.send("done")

    with override_settings(CHANNELS={"SYNC_THREADS": 1}):
        clients = [Client(Where(), CONNECT) for _ in range(5)]
        for client in clients:
            await client.__aenter__()
            client.says(frame("x"))
        for client in clients:
            await client.answers(2)
            client.says(leave())
            await client.ended()
    assert len(threads) == 1


@pytest.mark.parametrize("threads", [1, 2, 40])
async def test_sync_handlers_that_talk_through_the_layer(threads: int) -> None:
    """Each handler is in async_to_sync() when others of its group get the message."""

    class Chat(WebsocketConsumer):
        groups = ["room"]

        def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            from asgiref.sync import async_to_sync

            message = {"type": "note", "text": text_data}
            async_to_sync(self.channel_layer.group_send)("room", message)

        def note(self, event: Message) -> None:
            self.send(event["text"])

    with override_settings(CHANNELS={"SYNC_THREADS": threads}):
        clients = [Client(Chat(), CONNECT) for _ in range(6)]
        for client in clients:
            await client.__aenter__()
        for client in clients:
            await client.answers(1)
        for number, client in enumerate(clients):
            client.says(frame(str(number)))
        for client in clients:
            await client.answers(7)
        for client in clients:
            client.says(leave())
            await client.ended()
    for client in clients:
        assert sorted(client.texts) == [str(number) for number in range(6)]
    assert get_channel_layer().groups == {}


async def test_a_handler_that_is_done_does_not_wait_for_another_connections_slow_one() -> None:
    """Both used the same thread; the second is in it when the first one's handler ends."""
    used, slow_inside, go_on = asyncio.Event(), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    thread: list[int] = []

    class First(AsyncWebsocketConsumer):
        async def receive(self, **_: Any) -> None:
            thread.append(await database_sync_to_async(threading.get_ident)())
            used.set()
            await slow_inside.wait()
            await self.send("done")

        async def disconnect(self, code: int) -> None:
            await self.send("nothing")

    class Second(WebsocketConsumer):
        def receive(self, **_: Any) -> None:
            thread.append(threading.get_ident())
            loop.call_soon_threadsafe(slow_inside.set)
            assert go_on.wait(PATIENCE)

    try:
        with override_settings(CHANNELS={"SYNC_THREADS": 2}):
            async with Client(First(), CONNECT) as first, Client(Second(), CONNECT) as second:
                await second.answers(1)
                first.says(frame("x"))
                await used.wait()
                second.says(frame("x"))
                await first.answers(2)
                first.says(leave())
                await first.ended()
                assert not second.task.done()
                go_on.set()
                second.says(leave())
                await second.ended()
    finally:
        go_on.set()
    assert len(thread) == 2
