"""A sync handler that waits for its send, and the sync code that the send itself may need."""

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from channels.generic.websocket import WebsocketConsumer
from channels.threads import strand
from channels.typing import Message
from tests.client import CONNECT, PATIENCE, Client, frame, leave, settle


class Sends(WebsocketConsumer):
    """Sends as many frames as it is told, and closes."""

    def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        for number in range(int(text_data or 0)):
            self.send(str(number))
        self.close()


@pytest.mark.parametrize("kind", ["websocket.accept", "websocket.send", "websocket.close"])
@pytest.mark.parametrize("caller", ["strand", "async_to_sync"])
def test_a_send_that_middleware_wraps_may_run_sync_code(kind: str, caller: str) -> None:
    """The handler waits for the send, and the send for a turn in the thread of the handler."""
    used: list[int] = []

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def wrapped(message: Message) -> None:
            if message["type"] == kind:
                used.append(await sync_to_async(threading.get_ident)())
            await send(message)

        async with strand():
            await Sends()(scope, receive, wrapped)

    async def play() -> None:
        async with Client(middleware, CONNECT, frame("40"), leave()) as client:
            await client.ended()
        assert client.texts == [str(number) for number in range(40)]
        assert client.types[-1] == "websocket.close"

    if caller == "strand":
        asyncio.run(play())
    else:
        async_to_sync(play)()
        assert set(used) == {threading.get_ident()}
    assert used


async def test_a_waiting_handler_does_not_run_what_belongs_to_a_task_beside_it() -> None:
    """The task's row must not land in the handler's transaction, and go with it."""
    inside = False
    seen: list[bool] = []
    in_handler, queued = asyncio.Event(), threading.Event()
    closing, let = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []

    class Transacts(WebsocketConsumer):
        def receive(self, **_: Any) -> None:
            nonlocal inside
            inside = True
            loop.call_soon_threadsafe(in_handler.set)
            assert queued.wait(PATIENCE)
            self.close()
            inside = False

    async def beside() -> None:
        await in_handler.wait()
        call = asyncio.ensure_future(sync_to_async(lambda: seen.append(inside))())
        await settle()
        queued.set()
        await call

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async with strand():
            tasks.append(asyncio.create_task(beside()))
            await Transacts()(scope, receive, send)

    class SlowToClose(Client):
        async def send(self, message: Message) -> None:
            if message["type"] == "websocket.close":
                closing.set()
                await let.wait()
            await super().send(message)

    async with SlowToClose(middleware, CONNECT, frame("x")) as client:
        await closing.wait()
        for _ in range(5):
            await asyncio.to_thread(int)
        assert seen == []
        let.set()
        await client.answers(2)
        client.says(leave())
        await client.ended()
    await tasks[0]
    assert seen == [False]
