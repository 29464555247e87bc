"""HTTP requests: a response now, later, by another handler, or never."""

import asyncio
from contextlib import suppress
from typing import Any
from unittest.mock import AsyncMock

import pytest

from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer, BodyTypeError
from channels.layers import get_channel_layer
from channels.typing import Message
from channels.watch import watch_of
from tests.client import HTTP_LEAVE, Client, request, settle


class Request(AsyncHttpConsumer):
    """Joins a group, and keeps account of what happens."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log

    async def http_request(self, message: Message) -> None:
        await self.channel_layer.group_add("room", self.channel_name)
        await super().http_request(message)

    async def answer(self, event: Message) -> None:
        await self.send_body(event["body"].encode(), more_body=event.get("more", False))

    async def disconnect(self) -> None:
        self.log.append("disconnect")


async def say(text: str, **more: Any) -> None:
    await get_channel_layer().group_send("room", {"type": "answer", "body": text, **more})


class LongPoll(Request):
    async def handle(self, body: bytes) -> None:
        await self.send_headers(headers=[(b"Content-Type", b"application/json")])
        await self.send_body(b"", more_body=True)
        self.log.append("handled")


async def test_long_poll_is_answered_by_a_handler_of_the_layer() -> None:
    log: list[Any] = []
    async with Client(LongPoll.as_asgi(log=log), request()) as client:
        await client.answers(2)
        await settle()
        assert log == ["handled"]
        await say("news")
        await client.ended()
    assert client.sent[-1] == {"type": "http.response.body", "body": b"news", "more_body": False}
    assert log == ["handled", "disconnect"]
    assert get_channel_layer().groups == {}


async def test_parts_by_several_handlers_keep_their_order() -> None:
    async with Client(LongPoll.as_asgi(log=[]), request()) as client:
        await client.answers(2)
        for text in ("one", "two"):
            await say(text, more=True)
        await say("three")
        await say("late")
        await client.ended()
    assert [message["body"] for message in client.sent[1:]] == [b"", b"one", b"two", b"three"]


async def test_handlers_of_the_layer_run_beside_handle_one_at_a_time() -> None:
    log: list[Any] = []
    go_on = asyncio.Event()

    class Beside(Request):
        async def handle(self, body: bytes) -> None:
            await self.send_headers()
            self.log.append("handle begins")
            await go_on.wait()
            self.log.append("handle ends")
            await self.send_body(b"end")

        async def note(self, event: Message) -> None:
            self.log.append(f"note {event['n']} begins")
            await settle()
            self.log.append(f"note {event['n']} ends")

    async with Client(Beside.as_asgi(log=log), request()) as client:
        await client.answers(1)
        for number in range(2):
            await get_channel_layer().group_send("room", {"type": "note", "n": number})
        for _ in range(5):
            await settle()
        go_on.set()
        await client.ended()
    assert log == [
        "handle begins",
        "note 0 begins",
        "note 0 ends",
        "note 1 begins",
        "note 1 ends",
        "handle ends",
        "disconnect",
    ]


async def test_a_client_that_leaves_cancels_handle_and_disconnect_runs_once() -> None:
    log: list[Any] = []

    class Events(Request):
        async def handle(self, body: bytes) -> None:
            await self.send_headers(headers=[(b"Content-Type", b"text/event-stream")])
            try:
                while True:
                    await self.send_body(b"data: x\n\n", more_body=True)
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                self.log.append("cancelled")
                assert await self.send({"type": "http.response.body", "body": b"no"}) is False
                raise

    async with Client(Events.as_asgi(log=log), request()) as client:
        await client.answers(5)
        client.says(HTTP_LEAVE)
        assert await client.ended() is None
    assert log == ["cancelled", "disconnect"]
    assert client.sent[-1]["more_body"] is True


async def test_a_whole_response_is_not_a_reason_to_cancel_handle() -> None:
    """Servers say http.disconnect after the last part too."""
    log: list[Any] = []
    go_on = asyncio.Event()

    class Afterwards(Request):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, b"done")
            await go_on.wait()
            self.log.append("afterwards")

    async with Client(Afterwards.as_asgi(log=log), request()) as client:
        await client.answers(2)
        client.says(HTTP_LEAVE)
        await settle()
        assert log == []
        go_on.set()
        await client.ended()
    assert log == ["afterwards", "disconnect"]


async def test_cancelled_while_it_waits_for_handle_disconnect_runs_all_the_same() -> None:
    log: list[Any] = []

    class Stuck(Request):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, b"done")
            await asyncio.Event().wait()

    async with Client(Stuck.as_asgi(log=log), request()) as client:
        await client.answers(2)
        client.says(HTTP_LEAVE)
        await settle()
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert log == ["disconnect"]


async def test_the_server_cancels_the_request() -> None:
    log: list[Any] = []
    before = asyncio.all_tasks()
    async with Client(LongPoll.as_asgi(log=log), request()) as client:
        await client.answers(2)
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert log == ["handled", "disconnect"]
    assert get_channel_layer().groups == {}
    assert asyncio.all_tasks() == before


async def test_handle_that_begins_no_response_ends_the_consumer() -> None:
    log: list[Any] = []

    class Silent(Request):
        async def handle(self, body: bytes) -> None:
            self.log.append(body)

    async with Client(Silent.as_asgi(log=log), request(b"x")) as client:
        assert await client.ended() is None
    assert client.sent == []
    assert log == [b"x", "disconnect"]


@pytest.mark.parametrize("headers", [False, True], ids=["before", "after"])
async def test_an_exception_before_and_after_the_headers_leaves(headers: bool) -> None:
    log: list[Any] = []

    class Fails(Request):
        async def handle(self, body: bytes) -> None:
            if headers:
                await self.send_headers()
            raise ValueError("mine")

    async with Client(Fails.as_asgi(log=log), request()) as client:
        with pytest.raises(ValueError, match="mine") as caught:
            await client.ended()
    assert log == ["disconnect"]
    assert client.types == ["http.response.start"][: int(headers)]
    assert any("Fails" in note for note in caught.value.__notes__)


async def test_an_exception_of_a_layers_handler_cancels_handle() -> None:
    log: list[Any] = []

    class Fails(Request):
        async def handle(self, body: bytes) -> None:
            await self.send_headers()
            try:
                await asyncio.Event().wait()
            finally:
                self.log.append("handle is over")

        async def answer(self, event: Message) -> None:
            raise ValueError("mine")

    async with Client(Fails.as_asgi(log=log), request()) as client:
        await client.answers(1)
        await say("x")
        with pytest.raises(ValueError, match="mine"):
            await client.ended()
    assert log == ["handle is over", "disconnect"]


async def test_stop_consumer_in_handle_is_a_quiet_end() -> None:
    log: list[Any] = []

    class Stops(Request):
        async def handle(self, body: bytes) -> None:
            await self.send_headers()
            raise StopConsumer

    async with Client(Stops.as_asgi(log=log), request()) as client:
        assert await client.ended() is None
    assert log == ["disconnect"]


async def test_the_client_leaves_in_the_middle_of_its_request() -> None:
    log: list[Any] = []
    async with Client(
        LongPoll.as_asgi(log=log), request(b"a", more_body=True), HTTP_LEAVE
    ) as client:
        await client.ended()
    assert log == ["disconnect"]
    assert client.sent == []


async def test_the_body_comes_in_parts() -> None:
    class Mirror(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, body + b"|" + b",".join(self.body))

    parts = [request(b"a", more_body=True), request(b"b", more_body=True), {"type": "http.request"}]
    async with Client(Mirror.as_asgi(), *parts) as client:
        await client.ended()
    assert client.sent[1]["body"] == b"ab|a,b"


async def test_headers_may_be_strings_and_those_of_framing_are_dropped() -> None:
    class Headers(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(
                201,
                b"",
                headers={
                    "X-Name": "caf\xe9",
                    "transfer-encoding": "chunked",
                    "CONNECTION": "close",
                    "Content-Type": "text/plain",
                },
            )

    async with Client(Headers.as_asgi(), request()) as client:
        await client.ended()
    assert client.sent[0] == {
        "type": "http.response.start",
        "status": 201,
        "headers": [(b"X-Name", b"caf\xe9"), (b"Content-Type", b"text/plain")],
    }


@pytest.mark.parametrize("body", ["text", None, bytearray(b"x")])
async def test_a_body_that_is_not_bytes_says_what_it_is(body: Any) -> None:
    consumer = AsyncHttpConsumer()
    with pytest.raises(BodyTypeError, match="Body is not bytes") as caught:
        await consumer.send_body(body)
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, TypeError)
    assert repr(body) in caught.value.__notes__[0]


async def test_handle_has_to_be_provided() -> None:
    async with Client(AsyncHttpConsumer.as_asgi(), request()) as client:
        with pytest.raises(NotImplementedError, match=r"must provide a handle\(\)"):
            await client.ended()


async def test_one_instance_serves_requests_in_turn() -> None:
    class Mirror(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, body)

    application = Mirror()
    for body in (b"first", b"second"):
        async with Client(application, request(body)) as client:
            await client.ended()
        assert client.sent[1]["body"] == body


async def test_an_instance_made_by_hand_sends_through_its_own_send() -> None:
    consumer = AsyncHttpConsumer("anything", goes=True)
    consumer.base_send = AsyncMock()
    await consumer.send_response(204, b"")
    assert [call.args[0]["type"] for call in consumer.base_send.await_args_list] == [
        "http.response.start",
        "http.response.body",
    ]


async def test_a_send_after_the_end_leaves_no_task_behind() -> None:
    kept: list[AsyncHttpConsumer] = []

    class Quick(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            kept.append(self)
            await self.send_response(200, b"")

    async with Client(Quick.as_asgi(), request()) as client:
        await client.ended()
    before = asyncio.all_tasks()
    for _ in range(3):
        assert await kept[0].send({"type": "http.response.body", "body": b""}) is False
    await settle()
    assert asyncio.all_tasks() == before


async def test_handle_may_take_its_time_to_clean_up() -> None:
    log: list[Any] = []

    class Cleans(Request):
        async def handle(self, body: bytes) -> None:
            await self.send_headers()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await settle()
            self.log.append("cleaned")

    async with Client(Cleans.as_asgi(log=log), request()) as client:
        await client.answers(1)
        client.says(HTTP_LEAVE)
        await client.ended()
    assert log == ["cleaned", "disconnect"]


async def test_an_error_while_handle_cleans_up_leaves() -> None:
    log: list[Any] = []

    class Cleans(Request):
        async def handle(self, body: bytes) -> None:
            await self.send_headers()
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("while cleaning up")

    async with Client(Cleans.as_asgi(log=log), request()) as client:
        await client.answers(1)
        client.says(HTTP_LEAVE)
        with pytest.raises(ValueError, match="while cleaning up"):
            await client.ended()
    assert log == ["disconnect"]


async def test_a_handle_that_ignores_its_cancellation_does_not_keep_disconnect_from_running() -> (
    None
):
    go_on = asyncio.Event()

    class Stubborn(Request):
        grace_seconds = 0.01

        async def handle(self, body: bytes) -> None:
            await self.send_headers()
            await self.send_body(b"part", more_body=True)
            while not go_on.is_set():
                with suppress(asyncio.CancelledError):
                    await go_on.wait()

        async def disconnect(self) -> None:
            told.set()

    told = asyncio.Event()
    async with Client(Stubborn.as_asgi(log=[]), request()) as client:
        await client.answers(2)
        client.says(HTTP_LEAVE)
        await told.wait()
        assert not client.task.done(), "the application goes on as long as what it runs"
        go_on.set()
        await client.ended()


async def test_a_handler_of_the_layer_that_hangs_is_cancelled_when_the_client_leaves() -> None:
    """By the watch, as behind a WebSocket."""
    log: list[str] = []

    class Hangs(LongPoll):
        grace_seconds = 0

        async def hang(self, event: Message) -> None:
            log.append("hangs")
            try:
                await asyncio.Event().wait()
            finally:
                log.append("is cancelled")

        async def disconnect(self) -> None:
            log.append("disconnect")

    async with Client(Hangs.as_asgi(log=log), request()) as client:
        await client.answers(2)
        await get_channel_layer().group_send("room", {"type": "hang"})
        await settle()
        assert log == ["handled", "hangs"]
        client.says(HTTP_LEAVE)
        await settle()
        watch = watch_of(asyncio.get_running_loop())
        watch.tick()
        assert await client.ended() is None
    assert log == ["handled", "hangs", "is cancelled", "disconnect"]
