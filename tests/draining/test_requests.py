"""A request between the server and an application that waits for it."""

import asyncio
from typing import Any

import pytest

from channels.draining.requests import Request
from channels.live import Live
from channels.typing import Message
from tests.client import settle
from tests.wire import http

START = {"type": "http.response.start", "status": 200, "headers": []}


class Server:
    def __init__(self) -> None:
        self.live = Live()
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def begin(self, application: Any) -> tuple[Request, "asyncio.Task[Any]"]:
        request = Request(self.live, self.events.get, self.send)
        return request, asyncio.create_task(request.serve(application, http()))


@pytest.fixture
async def server() -> Server:
    return Server()


async def collect(scope: Any, receive: Any, send: Any) -> str:
    """Answers, then waits for the end."""
    await send(START)
    while (await receive())["type"] != "http.disconnect":
        pass
    return "ended"


async def test_it_is_known_while_it_is_served_and_passes_everything_on(server: Server) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> str:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": (await receive())["body"]})
        return "answer"

    request, task = server.begin(application)
    server.events.put_nowait({"type": "http.request", "body": b"x"})
    await settle()
    assert await task == "answer"
    assert [message.get("body") for message in server.sent] == [None, b"x"]
    assert server.live.requests == set()
    request.end_soon()  # too late to matter
    assert task.cancelling() == 0


async def test_one_that_waits_receives_its_end_at_once_and_again(server: Server) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> list[str]:
        await send(START)
        return [(await receive())["type"], (await receive())["type"]]

    request, task = server.begin(application)
    await settle()
    assert server.live.requests == {request}
    request.end_soon()
    request.end_soon()
    assert await task == ["http.disconnect", "http.disconnect"]
    assert task.cancelling() == 0
    assert server.sent == [START], "a response that breaks off must not look complete"


async def test_one_that_works_receives_its_end_when_it_asks(server: Server) -> None:
    go_on = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> str:
        await go_on.wait()
        return await collect(scope, receive, send)

    request, task = server.begin(application)
    await settle()
    request.end_soon()
    await settle()
    assert not task.done()
    go_on.set()
    assert await task == "ended"


async def test_somebody_elses_cancellation_stays_one(server: Server) -> None:
    request, task = server.begin(collect)
    await settle()
    request.end_soon()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.live.requests == set()

    _, other = server.begin(collect)
    await settle()
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other


async def test_a_timeout_around_receive_is_not_mistaken_for_the_end(server: Server) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> str:
        await send(START)
        try:
            async with asyncio.timeout(0):
                await receive()
        except TimeoutError:
            return (await receive())["type"]
        return "no timeout"

    request, task = server.begin(application)
    await settle()
    request.end_soon()
    assert await task == "http.disconnect"


async def test_the_end_is_noticed_under_djangos_own_handler(server: Server) -> None:
    """Django listens for the client's departure in a task of its own, and cancels the view."""
    from django.core.handlers.asgi import ASGIHandler
    from django.http import StreamingHttpResponse

    cancelled: list[str] = []

    class Handler(ASGIHandler):
        async def get_response_async(self, request: Any) -> Any:
            async def events() -> Any:
                try:
                    yield b"data: 1\n\n"
                    await asyncio.Event().wait()
                finally:
                    cancelled.append("view")

            return StreamingHttpResponse(events(), content_type="text/event-stream")

    request, task = server.begin(Handler())
    server.events.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    async with asyncio.timeout(10):
        while len(server.sent) < 2:
            await asyncio.sleep(0.01)
    assert request.is_event_stream
    request.end_soon()
    async with asyncio.timeout(10):
        await task
    assert cancelled == ["view"]
    assert server.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
