"""``close_soon``: a connection that somebody else ends, and the account of those that live."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels import connection as module
from channels.consumer import AsyncConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.live import live_connections, live_here
from channels.typing import Message
from tests.client import CONNECT, Client, frame, leave, request, settle
from tests.failing import failing, no_task_left, nothing_left
from tests.sync_calls import entered, making_gates
from tests.wire import websocket

families = pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
CLOSED = {"type": "websocket.close", "code": 1012, "reason": "restarting"}


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with no_task_left():
        yield


def close(grace: float | None = None) -> None:
    """Close the one connection that there is."""
    (connection,) = live_here().connections
    connection.close_soon(1012, "restarting", grace=grace)


@families
async def test_an_idle_connection_is_told_and_so_is_its_consumer(base: type) -> None:
    application, log = failing(base, "nowhere")
    async with Client(application, CONNECT) as client:
        await client.answers(1)
        close()
        close()  # ends already
        assert await client.ended() is None
    assert client.sent[1:] == [CLOSED]
    assert log == ["connect", 1012]
    nothing_left()


async def test_without_a_reason_there_is_none_in_the_event() -> None:
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    async with Client(application, CONNECT) as client:
        await client.answers(1)
        live_connections()[0].close_soon(4003)
        await client.ended()
    assert client.sent[1:] == [{"type": "websocket.close", "code": 4003}]
    assert log == ["connect", 4003]


async def test_a_handler_in_hand_ends_first_and_its_answer_goes_out() -> None:
    go_on = asyncio.Event()

    class Slow(AsyncWebsocketConsumer):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            await self.send("begun")
            await go_on.wait()
            await self.send("answer")

    async with Client(Slow.as_asgi(), CONNECT, frame("x")) as client:
        await client.answers(2)
        close(grace=60)
        await settle()
        assert client.types[-1] == "websocket.send"
        go_on.set()
        await client.ended()
    assert client.texts == ["begun", "answer"]
    assert client.sent[-1] == CLOSED


async def test_a_sync_handler_in_hand_ends_first_and_its_answer_goes_out() -> None:
    with making_gates() as gate:
        held = gate()

        class Slow(WebsocketConsumer):
            def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
                held()
                self.send("answer")

        async with Client(Slow.as_asgi(), CONNECT, frame("x")) as client:
            await entered(held)
            close(grace=60)
            await settle()
            assert client.types == ["websocket.accept"]
            held.released.set()
            await client.ended()
    assert client.texts == ["answer"]
    assert client.sent[-1] == CLOSED


class Hanging(AsyncWebsocketConsumer):
    """Hangs in the handler of a frame or of a layer's message."""

    groups = ["room"]

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[Any] = []
        hanging.append(self)

    async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        await self.hang()

    async def note(self, event: Message) -> None:
        await self.hang()

    async def hang(self) -> None:
        await self.send("hangs")
        try:
            await asyncio.Event().wait()
        finally:
            self.codes.append("cancelled")

    async def disconnect(self, code: int) -> None:
        self.codes.append(code)


hanging: list[Hanging] = []


@pytest.mark.parametrize("lane", ["client", "layer"])
async def test_a_handler_that_hangs_is_cancelled_when_its_grace_is_over(lane: str) -> None:
    hanging.clear()
    async with Client(Hanging.as_asgi(), CONNECT) as client:
        await client.answers(1)
        if lane == "client":
            client.says(frame("x"))
        else:
            await get_channel_layer().group_send("room", {"type": "note"})
        await client.answers(2)
        close(grace=0)
        assert await client.ended() is None
        assert client.task.cancelling() == 0
    assert client.sent[-1] == CLOSED
    assert hanging[0].codes == ["cancelled", 1012]
    nothing_left()


@pytest.mark.parametrize("extensions", [None, {}, {"websocket.http.response": {}}])
async def test_what_was_not_accepted_yet_is_denied(extensions: Any) -> None:
    class Undecided(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            codes.append("connect")

        async def disconnect(self, code: int) -> None:
            codes.append(code)

    codes: list[Any] = []
    scope = websocket(extensions=extensions)
    async with Client(Undecided.as_asgi(), CONNECT, scope=scope) as client:
        await settle()
        close()
        await client.ended()
    if extensions:
        assert client.sent[0]["status"] == 503
        assert client.sent[1] == {"type": "websocket.http.response.body", "body": b"restarting"}
    else:
        assert client.sent == [{"type": "websocket.close"}]
    assert codes == ["connect", 1012]


async def test_before_connect_came_there_is_nothing_to_say_to_the_consumer() -> None:
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    async with Client(application, scope=websocket()) as client:
        await settle()
        close()
        await client.ended()
    assert client.types == ["websocket.close"]
    assert log == []


@pytest.mark.parametrize("kind", ["text/event-stream", "Text/Event-Stream; charset=utf-8"])
async def test_an_event_stream_is_completed(kind: str) -> None:
    client = await end_response([(b"X-Other", b"1"), (b"Content-Type", kind.encode())])
    assert client.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize("headers", [[(b"Content-Type", b"text/csv")], []])
async def test_another_response_is_cut_and_not_made_to_look_complete(headers: Any) -> None:
    client = await end_response(headers)
    assert client.sent[-1]["more_body"] is True


async def end_response(headers: list[tuple[bytes, bytes]]) -> Client:
    """A client of a response without an end that was closed from outside."""

    class Stream(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_headers(headers=headers)
            await self.send_body(b"part", more_body=True)
            await asyncio.Event().wait()

        async def disconnect(self) -> None:
            ends.append("disconnect")

    ends: list[str] = []
    async with Client(Stream.as_asgi(), request()) as client:
        await client.answers(2)
        close()
        await client.ended()
    assert ends == ["disconnect"]
    return client


async def test_a_client_that_reads_nothing_does_not_keep_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LAST_WORD", 0)
    application, log = failing(AsyncWebsocketConsumer, "nowhere")

    class Stalled(Client):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if message["type"] == "websocket.close":
                await asyncio.Event().wait()

    async with Stalled(application, CONNECT) as client:
        await client.answers(1)
        close()
        assert await client.ended() is None
    assert log == ["connect", 1012]


async def test_an_error_of_disconnect_leaves_the_application() -> None:
    application, log = failing(AsyncWebsocketConsumer, "disconnect")
    async with Client(application, CONNECT) as client:
        await client.answers(1)
        close()
        with pytest.raises(Exception, match="mine"):
            await client.ended()
    assert client.sent[-1] == CLOSED
    assert log == ["connect", 1012]


async def test_a_connection_lives_from_its_first_event_to_its_last_handler() -> None:
    class Looks(AsyncConsumer):
        async def websocket_connect(self, message: Message) -> None:
            seen.append([c.scope["path"] for c in live_connections()])
            await self.send({"type": "websocket.accept"})

        async def websocket_disconnect(self, message: Message) -> None:
            seen.append([c.scope["path"] for c in live_connections()])

    seen: list[Any] = []
    async with Client(Looks.as_asgi(), CONNECT, leave(), scope=websocket("/here")) as client:
        await client.ended()
    assert seen == [["/here"], ["/here"]]
    assert live_connections() == []
    assert live_here().connections == set()


async def test_connections_of_other_threads_loops_are_seen_and_closed() -> None:
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    accepted = asyncio.Event()
    here = asyncio.get_running_loop()

    async def elsewhere() -> list[Message]:
        async with Client(application, CONNECT) as client:
            await client.answers(1)
            here.call_soon_threadsafe(accepted.set)
            await client.ended()
        return client.sent

    other = asyncio.create_task(asyncio.to_thread(asyncio.run, elsewhere()))
    await accepted.wait()
    (connection,) = live_connections()
    assert live_here().connections == set()
    assert connection.loop is not here
    connection.loop.call_soon_threadsafe(connection.close_soon, 1012, "restarting")
    assert (await other)[-1] == CLOSED
    assert log == ["connect", 1012]
