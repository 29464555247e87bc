"""The WebSocket communicator, and what its block leaves behind."""

import asyncio
import json
from typing import Any

import pytest

from channels.testing import WebsocketCommunicator
from channels.typing import Message, Receive, Scope, Send


class BrokenError(Exception):
    """What the applications here raise."""


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "raise":
            raise BrokenError("the cause")
        await send({**message, "type": "websocket.send"})
    scope["disconnected"] = message


def answers(*messages: Any) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for message in messages:
            await send(message)
        while (await receive())["type"] != "websocket.disconnect":
            pass

    return app


class TestConnect:
    async def test_accepted(self) -> None:
        communicator = WebsocketCommunicator(echo, "/a%20b/?q=1", subprotocols=["chat", "other"])
        assert communicator.response_headers is None
        assert await communicator.connect() == (True, "chat")
        assert communicator.response_headers == []
        await communicator.disconnect()

    async def test_the_headers_of_the_accept_are_kept(self) -> None:
        app = answers({"type": "websocket.accept", "headers": [(b"x", b"y")]})
        async with WebsocketCommunicator(app, "/") as communicator:
            assert await communicator.connect() == (True, None)
            assert communicator.response_headers == [(b"x", b"y")]

    def test_the_scope(self) -> None:
        communicator = WebsocketCommunicator(
            echo, "ws://a/b%20c/?q=1", [(b"h", b"v")], ["s"], spec_version="2.3"
        )
        assert communicator.scope == {
            "type": "websocket",
            "path": "/b c/",
            "query_string": b"q=1",
            "headers": [(b"h", b"v")],
            "subprotocols": ["s"],
            "spec_version": "2.3",
        }

    async def test_the_scope_may_be_edited_until_the_first_message(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "websocket.accept", "subprotocol": scope["extra"]})

        communicator = WebsocketCommunicator(app, "/")
        communicator.scope["extra"] = "seen"
        assert await communicator.connect() == (True, "seen")

    @pytest.mark.parametrize(
        ("message", "code"),
        [({"type": "websocket.close"}, 1000), ({"type": "websocket.close", "code": 4003}, 4003)],
    )
    async def test_denied_with_a_close(self, message: Message, code: int) -> None:
        async with WebsocketCommunicator(answers(message), "/") as communicator:
            assert await communicator.connect() == (False, code)

    async def test_denied_with_a_response(self) -> None:
        app = answers(
            {"type": "websocket.http.response.start", "status": 404, "headers": [(b"a", b"b")]},
            {"type": "websocket.http.response.body", "body": b"no ", "more_body": True},
            {"type": "websocket.http.response.body", "body": b"such room"},
        )
        async with WebsocketCommunicator(app, "/") as communicator:
            assert await communicator.connect() == (False, 404)
            assert communicator.denial_response == {
                "status": 404,
                "headers": [(b"a", b"b")],
                "body": b"no such room",
            }

    async def test_something_else_fails_the_test(self) -> None:
        app = answers({"type": "websocket.send", "text": "early"})
        async with WebsocketCommunicator(app, "/") as communicator:
            with pytest.raises(AssertionError, match=r"Expected type .websocket\.accept."):
                await communicator.connect()

    async def test_the_exception_of_the_application_is_raised(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "websocket.close", "code": 1011})
            await asyncio.sleep(0)
            raise BrokenError("the cause")

        with pytest.raises(BrokenError, match="the cause"):
            await WebsocketCommunicator(app, "/").connect()


class TestFrames:
    async def test_text_bytes_and_json_each_way(self) -> None:
        async with WebsocketCommunicator(echo, "/") as communicator:
            await communicator.connect()
            await communicator.send_to("tëxt")
            await communicator.send_to(bytes_data=b"\xff")
            await communicator.send_json_to({"a": [1, None]})
            assert await communicator.receive_from() == "tëxt"
            assert await communicator.receive_from() == b"\xff"
            assert await communicator.receive_json_from() == {"a": [1, None]}

    @pytest.mark.parametrize("frame", [{"text_data": ""}, {"bytes_data": b""}])
    async def test_an_empty_frame_is_a_frame(self, frame: dict[str, Any]) -> None:
        async with WebsocketCommunicator(echo, "/") as communicator:
            await communicator.connect()
            await communicator.send_to(**frame)
            assert await communicator.receive_from() == next(iter(frame.values()))

    @pytest.mark.parametrize(
        ("frame", "also"),
        [
            ({}, ValueError),
            ({"text_data": "a", "bytes_data": b"b"}, ValueError),
            ({"text_data": "", "bytes_data": b""}, ValueError),
            ({"text_data": b"a"}, TypeError),
            ({"text_data": {"a": 1}}, TypeError),
            ({"bytes_data": "a"}, TypeError),
        ],
    )
    async def test_what_is_not_one_frame_is_refused(
        self, frame: dict[str, Any], also: type[Exception]
    ) -> None:
        communicator = WebsocketCommunicator(echo, "/")
        with pytest.raises(AssertionError) as caught:
            await communicator.send_to(**frame)
        assert isinstance(caught.value, also)
        assert communicator.input_queue.empty()

    async def test_the_other_kind_may_be_empty_beside_a_frame(self) -> None:
        async with WebsocketCommunicator(echo, "/") as communicator:
            await communicator.connect()
            await communicator.send_to(text_data="", bytes_data=b"x")
            assert await communicator.receive_from() == b"x"

    async def test_a_key_that_is_none_counts_as_absent(self) -> None:
        app = answers(
            {"type": "websocket.accept"},
            {"type": "websocket.send", "text": None, "bytes": b"x"},
        )
        async with WebsocketCommunicator(app, "/") as communicator:
            await communicator.connect()
            assert await communicator.receive_from() == b"x"

    @pytest.mark.parametrize(
        ("message", "text"),
        [
            (
                {"type": "websocket.close", "code": 4000},
                "Expected type 'websocket.send', but was 'websocket.close'",
            ),
            (
                {"type": "websocket.send"},
                "The response needs exactly one of 'text' or 'bytes'",
            ),
            (
                {"type": "websocket.send", "text": "a", "bytes": b"b"},
                "The response needs exactly one of 'text' or 'bytes'",
            ),
            (
                {"type": "websocket.send", "text": b"a"},
                "Text frame payload is not str, it is <class 'bytes'>",
            ),
            (
                {"type": "websocket.send", "bytes": "a"},
                "Binary frame payload is not bytes, it is <class 'str'>",
            ),
        ],
    )
    async def test_what_is_not_a_frame_fails_the_test(self, message: Message, text: str) -> None:
        app = answers({"type": "websocket.accept"}, message)
        async with WebsocketCommunicator(app, "/") as communicator:
            await communicator.connect()
            with pytest.raises(AssertionError) as caught:
                await communicator.receive_from()
        assert str(caught.value) == text
        assert repr(message) in caught.value.__notes__[0]

    async def test_json_in_a_binary_frame_fails_the_test(self) -> None:
        async with WebsocketCommunicator(echo, "/") as communicator:
            await communicator.connect()
            await communicator.send_to(bytes_data=b"{}")
            with pytest.raises(AssertionError, match="JSON data is not a text frame"):
                await communicator.receive_json_from()

    async def test_a_frame_that_is_not_json_is_shown(self) -> None:
        async with WebsocketCommunicator(echo, "/") as communicator:
            await communicator.connect()
            await communicator.send_to("{")
            with pytest.raises(json.JSONDecodeError) as caught:
                await communicator.receive_json_from()
        assert caught.value.__notes__ == ["The frame is '{'."]

    @pytest.mark.parametrize("call", ["receive_from", "receive_json_from"])
    async def test_the_exception_of_the_application_is_raised(self, call: str) -> None:
        communicator = WebsocketCommunicator(echo, "/")
        await communicator.connect()
        await communicator.send_to("raise")
        with pytest.raises(BrokenError, match="the cause"):
            await getattr(communicator, call)(timeout=None)


class TestBlock:
    async def test_it_disconnects(self) -> None:
        async with WebsocketCommunicator(echo, "/") as communicator:
            await communicator.connect()
        assert communicator.future.done()
        assert communicator.scope["disconnected"] == {"type": "websocket.disconnect", "code": 1000}

    async def test_it_disconnects_after_a_failing_test_which_fails_as_it_did(self) -> None:
        with pytest.raises(AssertionError, match="the test"):  # noqa: PT012
            async with WebsocketCommunicator(echo, "/") as communicator:
                await communicator.connect()
                raise AssertionError("the test")
        assert communicator.scope["disconnected"]["code"] == 1000

    async def test_a_communicator_that_was_not_used_is_not_started(self) -> None:
        async with WebsocketCommunicator(echo, "/") as communicator:
            pass
        assert communicator._future is None

    async def test_after_disconnect_nothing_is_left_to_do(self) -> None:
        async with WebsocketCommunicator(echo, "/") as communicator:
            await communicator.connect()
            await communicator.disconnect(code=4001)
        assert communicator.scope["disconnected"]["code"] == 4001
        assert communicator.input_queue.empty()

    async def test_after_a_timeout_nothing_is_raised_again(self) -> None:
        async with WebsocketCommunicator(echo, "/") as communicator:
            await communicator.connect()
            with pytest.raises(TimeoutError):
                await communicator.receive_from(timeout=0.01)

    async def test_an_exception_that_no_call_has_raised_leaves_the_block(self) -> None:
        with pytest.raises(BrokenError):  # noqa: PT012
            async with WebsocketCommunicator(echo, "/") as communicator:
                await communicator.connect()
                await communicator.send_to("raise")
                await asyncio.wait({communicator.future})

    async def test_an_exception_that_the_test_expected_is_not_raised_again(self) -> None:
        async with WebsocketCommunicator(echo, "/") as communicator:
            await communicator.connect()
            await communicator.send_to("raise")
            with pytest.raises(BrokenError):
                await communicator.receive_from()

    async def test_an_exception_at_the_disconnect_leaves_the_block(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            raise BrokenError

        with pytest.raises(BrokenError):
            async with WebsocketCommunicator(app, "/") as communicator:
                await communicator.connect()

    async def test_beside_the_exception_of_the_block_it_is_a_note(self) -> None:
        with pytest.raises(KeyError) as caught:  # noqa: PT012
            async with WebsocketCommunicator(echo, "/") as communicator:
                await communicator.connect()
                await communicator.send_to("raise")
                await asyncio.wait({communicator.future})
                raise KeyError
        assert caught.value.__notes__ == [
            "Besides, the application ended with BrokenError('the cause')."
        ]

    async def test_an_application_that_does_not_leave_is_cancelled(self) -> None:
        class Impatient(WebsocketCommunicator):
            async def disconnect(self, code: int = 1000, timeout: float | None = 0.01) -> None:
                await super().disconnect(code, timeout)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "websocket.accept"})
            await asyncio.Event().wait()

        async with Impatient(app, "/") as communicator:
            await communicator.connect()
        assert communicator.future.cancelled()


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"path": 5}, TypeError, "Expected str, got <class 'int'>"),
        ({"path": b"/"}, TypeError, "Expected str, got <class 'bytes'>"),
        ({"path": "//[/"}, ValueError, "is not a URL that can be requested"),
        ({"path": "/", "headers": [("a", b"b")]}, TypeError, "is not a pair of bytes"),
        ({"path": "/", "subprotocols": "chat"}, TypeError, "it must be a list such as ['chat']"),
    ],
)
def test_bad_arguments_say_what_to_do(
    arguments: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind) as caught:
        WebsocketCommunicator(echo, **arguments)
    assert words in str(caught.value)
    assert isinstance(caught.value, AssertionError)
