"""AsyncHttpConsumer: headers, bodies, and how a request ends."""

import asyncio
from typing import Any

import pytest

from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.layers import get_channel_layer
from channels.testing import HttpCommunicator
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, http_scope, run, turns

REQUEST = {"type": "http.request", "body": b""}


@behaviour("HTTP: send_response(status, body, headers=...) is a whole response")
async def test_send_response() -> None:
    class Answers(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(
                201, b"made " + body, headers=[(b"Content-Type", b"text/plain")]
            )

    response = await HttpCommunicator(Answers.as_asgi(), "POST", "/", b"it").get_response()
    assert response == {
        "status": 201,
        "headers": [(b"Content-Type", b"text/plain")],
        "body": b"made it",
    }


@behaviour("HTTP: send_headers is keyword-only, status 200 without headers by default")
async def test_send_headers_defaults() -> None:
    class Answers(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            with pytest.raises(TypeError):
                await self.send_headers(404)  # type: ignore[misc]
            await self.send_headers()
            await self.send_body(b"")

    client = await run(Answers.as_asgi(), http_scope(), REQUEST)
    assert await client.receive_output() == {
        "type": "http.response.start",
        "status": 200,
        "headers": [],
    }
    assert await client.receive_output() == {
        "type": "http.response.body",
        "body": b"",
        "more_body": False,
    }
    await client.wait()


@behaviour("HTTP: headers may be a list of pairs or a dict")
@pytest.mark.parametrize(
    "headers", [[(b"x-a", b"1"), (b"x-b", b"2")], {b"x-a": b"1", b"x-b": b"2"}]
)
async def test_headers_forms(headers: Any) -> None:
    class Answers(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, b"", headers=headers)

    response = await HttpCommunicator(Answers.as_asgi(), "GET", "/").get_response()
    assert response["headers"] == [(b"x-a", b"1"), (b"x-b", b"2")]


@behaviour("HTTP: send_body(more_body=True) keeps the response open; the last body ends it")
async def test_more_body() -> None:
    class Streams(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_headers(status=200)
            await self.send_body(b"one ", more_body=True)
            await self.send_body(b"two")

    client = await run(Streams.as_asgi(), http_scope(), REQUEST)
    assert (await client.receive_output())["type"] == "http.response.start"
    bodies = [await client.receive_output() for _ in range(2)]
    assert [(b["body"], b["more_body"]) for b in bodies] == [(b"one ", True), (b"two", False)]
    await client.wait()


@pytest.mark.parametrize("body", ["text", None, 3])
@behaviour("HTTP: the body must be bytes, else AssertionError('Body is not bytes')")
async def test_body_is_bytes(body: Any) -> None:
    class Answers(AsyncHttpConsumer):
        async def handle(self, _: bytes) -> None:
            await self.send_body(body)

    client = await run(Answers.as_asgi(), http_scope(), REQUEST)
    with pytest.raises(AssertionError) as caught:
        await client.wait()
    assert str(caught.value) == "Body is not bytes"


@behaviour("HTTP: handle(body) gets the fragments of the request joined, and self.body is the list")
async def test_request_fragments() -> None:
    seen: list[Any] = []

    class Reads(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            seen.append((body, self.body))
            await self.send_response(200, body)

    client = await run(
        Reads.as_asgi(),
        http_scope(),
        {"type": "http.request", "body": b"one", "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": b"two"},
    )
    assert (await client.receive_output())["status"] == 200
    assert (await client.receive_output())["body"] == b"onetwo"
    await client.wait()
    assert seen == [(b"onetwo", [b"one", b"two"])]


@behaviour("HTTP: a subclass without handle() is NotImplementedError")
async def test_handle_missing() -> None:
    client = await run(AsyncHttpConsumer.as_asgi(), http_scope(), REQUEST)
    with pytest.raises(NotImplementedError) as caught:
        await client.wait()
    assert str(caught.value) == "Subclasses of AsyncHttpConsumer must provide a handle() method."


@behaviour("HTTP: disconnect() runs once after a complete response, and the consumer ends")
async def test_disconnect_after_response() -> None:
    order: list[str] = []

    class Answers(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, b"ok")
            order.append("handled")

        async def disconnect(self) -> None:
            order.append("disconnect")

    client = HttpCommunicator(Answers.as_asgi(), "GET", "/")
    await client.get_response()
    await client.wait()
    assert order == ["handled", "disconnect"]


@behaviour("HTTP: disconnect() runs once although handle() failed, and the error leaves")
async def test_disconnect_after_error() -> None:
    order: list[str] = []
    boom = RuntimeError("boom")

    class Fails(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            raise boom

        async def disconnect(self) -> None:
            order.append("disconnect")

    client = await run(Fails.as_asgi(), http_scope(), REQUEST)
    with pytest.raises(RuntimeError) as caught:
        await client.wait()
    assert caught.value is boom
    assert order == ["disconnect"]


@behaviour("HTTP: disconnect() runs when the client leaves before the request is whole")
async def test_disconnect_before_handle() -> None:
    order: list[str] = []

    class Waits(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            order.append("handled")

        async def disconnect(self) -> None:
            order.append("disconnect")

    client = await run(
        Waits.as_asgi(),
        http_scope(),
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    )
    await client.wait()
    assert order == ["disconnect"]


@behaviour("HTTP: a handle() that returns without a response ends the consumer")
async def test_no_response() -> None:
    order: list[str] = []

    class Silent(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            order.append("handled")

        async def disconnect(self) -> None:
            order.append("disconnect")

    client = await run(Silent.as_asgi(), http_scope(), REQUEST)
    await client.wait()
    assert order == ["handled", "disconnect"]
    assert client.output_queue.empty()


@behaviour("HTTP: http_request and http_disconnect may be overridden around super()'s")
async def test_override_handlers() -> None:
    order: list[str] = []

    class Wraps(AsyncHttpConsumer):
        async def http_request(self, message: Message) -> None:
            order.append("before")
            await super().http_request(message)

        async def handle(self, body: bytes) -> None:
            order.append("handle")
            await self.send_response(200, b"ok")

    client = HttpCommunicator(Wraps.as_asgi(), "GET", "/")
    assert (await client.get_response())["body"] == b"ok"
    await client.wait()
    assert order == ["before", "handle"]


@behaviour("HTTP: __init__(*args, **kwargs) co-operates in multiple inheritance")
async def test_multiple_inheritance() -> None:
    class Mixin:
        def __init__(self, *args: Any, greeting: str, **kwargs: Any) -> None:
            self.greeting = greeting
            super().__init__(*args, **kwargs)

    class Answers(Mixin, AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, self.greeting.encode())

    app = Answers.as_asgi(greeting="hello")
    assert (await HttpCommunicator(app, "GET", "/").get_response())["body"] == b"hello"


@behaviour("HTTP: StopConsumer raised in handle() ends the request silently after disconnect()")
async def test_stop_in_handle() -> None:
    order: list[str] = []

    class Stops(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            raise StopConsumer

        async def disconnect(self) -> None:
            order.append("disconnect")

    client = await run(Stops.as_asgi(), http_scope(), REQUEST)
    await client.wait()
    assert order == ["disconnect"]


class LongPoll(AsyncHttpConsumer):
    """Opens the response and leaves the answer to a message from the layer."""

    def __init__(self, order: list[str]) -> None:
        super().__init__()
        self.order = order

    async def handle(self, body: bytes) -> None:
        await self.channel_layer.group_add("poll", self.channel_name)
        await self.send_headers(status=200)
        await self.send_body(b"", more_body=True)

    async def poll_answer(self, event: Message) -> None:
        self.order.append("answer")
        await self.send_body(event["text"].encode())

    async def disconnect(self) -> None:
        self.order.append("disconnect")
        await self.channel_layer.group_discard("poll", self.channel_name)


@behaviour("HTTP: a response left open by handle(), the documented long poll")
@differs(
    upstream="is over at once: disconnect() runs as soon as handle() returns",
    ours="waits for the layer's message, which completes it",
)
async def test_long_poll() -> None:
    order: list[str] = []
    client = await run(LongPoll.as_asgi(order=order), http_scope(), REQUEST)
    assert (await client.receive_output())["type"] == "http.response.start"
    assert (await client.receive_output())["more_body"] is True
    await turns()
    assert order == expected(upstream=["disconnect"], ours=[])
    await get_channel_layer().group_send("poll", {"type": "poll.answer", "text": "news"})
    await client.wait()
    assert order == expected(upstream=["disconnect"], ours=["answer", "disconnect"])
    if order[0] == "answer":
        final = await client.receive_output()
        assert (final["body"], final["more_body"]) == (b"news", False)
    assert client.output_queue.empty()


@behaviour("HTTP: a client that leaves while handle() runs")
@differs(
    upstream="is not noticed until handle() returns",
    ours="cancels handle(), and disconnect() runs once",
)
async def test_client_leaves() -> None:
    order: list[str] = []
    release = asyncio.Event()

    class Streams(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_headers()
            await self.send_body(b"1", more_body=True)
            try:
                await release.wait()
            except asyncio.CancelledError:
                order.append("cancelled")
                raise
            await self.send_body(b"2")

        async def disconnect(self) -> None:
            order.append("disconnect")

    client = await run(Streams.as_asgi(), http_scope(), REQUEST)
    assert (await client.receive_output())["type"] == "http.response.start"
    await client.send_input({"type": "http.disconnect"})
    await turns()
    assert order == expected(upstream=[], ours=["cancelled", "disconnect"])
    release.set()
    await client.wait()
    assert order == expected(upstream=["disconnect"], ours=["cancelled", "disconnect"])


@behaviour("HTTP: layer messages while handle() runs")
@differs(
    upstream="wait for handle() and are lost with the consumer",
    ours="are handled beside it, one at a time",
)
async def test_layer_beside_handle() -> None:
    order: list[str] = []
    release = asyncio.Event()

    class Streams(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.channel_layer.group_add("live", self.channel_name)
            await self.send_headers()
            await self.send_body(b"open", more_body=True)
            await release.wait()
            await self.send_body(b"end")

        async def live_note(self, event: Message) -> None:
            order.append(event["text"])

    client = await run(Streams.as_asgi(), http_scope(), REQUEST)
    for _ in range(2):
        await client.receive_output()
    for text in ("one", "two"):
        await get_channel_layer().group_send("live", {"type": "live.note", "text": text})
    await turns()
    assert order == expected(upstream=[], ours=["one", "two"])
    release.set()
    await client.wait()
    assert order == expected(upstream=[], ours=["one", "two"])


@behaviour("HTTP: headers that name framing (Transfer-Encoding, Connection)")
@differs(upstream="go to the server, which frames once more", ours="are dropped")
async def test_framing_headers() -> None:
    class Answers(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            headers = [
                (b"Transfer-Encoding", b"chunked"),
                (b"x-kept", b"1"),
                (b"connection", b"close"),
            ]
            await self.send_response(200, b"", headers=headers)

    response = await HttpCommunicator(Answers.as_asgi(), "GET", "/").get_response()
    names = [name.lower() for name, _ in response["headers"]]
    assert names == expected(
        upstream=[b"transfer-encoding", b"x-kept", b"connection"], ours=[b"x-kept"]
    )
