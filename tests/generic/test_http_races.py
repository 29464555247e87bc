"""HTTP requests that end in the very turn in which something was begun for them."""

import asyncio
import gc
from typing import Any

import pytest

from channels.generic.http import AsyncHttpConsumer
from channels.typing import Message, Scope

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
REQUEST: Message = {"type": "http.request", "body": b"", "more_body": False}
DISCONNECT: Message = {"type": "http.disconnect"}


class LongPoll(AsyncHttpConsumer):
    ended = 0
    channel_layer_alias = "default"

    async def handle(self, body: bytes) -> None:
        await self.send_headers()
        await self.send_body(b"", more_body=True)
        await self.channel_layer.send(self.channel_name, {"type": "answer"})

    async def answer(self, event: Message) -> None:
        await self.send_body(b"done")

    async def disconnect(self) -> None:
        type(self).ended += 1


@pytest.fixture(autouse=True)
def no_leftovers() -> Any:
    """What was begun and never ran is a warning when it is collected, and so an error here."""
    yield
    gc.collect()


async def test_the_server_reports_the_end_while_the_last_body_is_sent() -> None:
    consumer = type("Consumer", (LongPoll,), {"ended": 0})
    events: asyncio.Queue[Message] = asyncio.Queue()
    events.put_nowait(REQUEST)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message["more_body"]:
            # As uvicorn does: whoever waits in receive() is woken by the end of the response.
            events.put_nowait(DISCONNECT)

    await asyncio.wait_for(consumer.as_asgi()(SCOPE, events.get, send), 5)

    assert [message.get("body") for message in sent] == [None, b"", b"done"]
    assert consumer.ended == 1


async def test_the_client_leaves_before_handle_began() -> None:
    consumer = type("Consumer", (LongPoll,), {"ended": 0})
    events = iter([REQUEST, DISCONNECT])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(events)

    async def send(message: Message) -> None:
        sent.append(message)

    await asyncio.wait_for(consumer.as_asgi()(SCOPE, receive, send), 5)

    assert sent == []
    assert consumer.ended == 1
