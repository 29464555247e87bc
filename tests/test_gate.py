"""What may still be sent: every event in every state, and frames that need no handler."""

import asyncio
import logging
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from channels.gate import Gate, State
from channels.typing import Message

ACCEPT: Message = {"type": "websocket.accept"}
CLOSE: Message = {"type": "websocket.close"}
START: Message = {"type": "http.response.start", "status": 200}
DENIAL: Message = {"type": "websocket.http.response.start", "status": 403}


def frame(text: str) -> Message:
    return {"type": "websocket.send", "text": text}


def body(more: bool = False) -> Message:
    return {"type": "http.response.body", "body": b"", "more_body": more}


def denial_body(more: bool = False) -> Message:
    return {"type": "websocket.http.response.body", "body": b"", "more_body": more}


class Server:
    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.dropped = 0
        self.gate = Gate(self.send, self.count)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def count(self) -> None:
        self.dropped += 1

    async def play(self, *messages: Message) -> list[bool]:
        """Send all; which of them were passed on?"""
        passed = []
        for message in messages:
            before = len(self.sent)
            answer = await self.gate.send(message)
            passed.append(len(self.sent) > before)
            assert (answer is False) is not passed[-1]
        return passed


def passed(text: str) -> list[bool]:
    return [letter == "p" for letter in text]


@pytest.mark.parametrize(
    ("messages", "what_passes"),
    [
        ([ACCEPT, ACCEPT, frame("a"), CLOSE], "pdpp"),
        ([ACCEPT, CLOSE, CLOSE, ACCEPT, frame("a")], "ppddd"),
        ([CLOSE, ACCEPT, frame("a"), CLOSE], "pddd"),
        # Before accept a frame is an error of the application's; the server says which.
        ([frame("a"), ACCEPT], "pp"),
        ([START, body(True), body(True), body(), body(), START], "ppppdd"),
        ([START, body(), CLOSE], "ppd"),
        ([DENIAL, denial_body(True), denial_body(), denial_body(), ACCEPT, CLOSE], "pppddd"),
        ([CLOSE, DENIAL, denial_body()], "pdd"),
        ([ACCEPT, CLOSE, DENIAL, denial_body()], "ppdd"),
        ([DENIAL, denial_body(), DENIAL], "ppd"),
    ],
)
async def test_what_passes(messages: list[Message], what_passes: str) -> None:
    server = Server()
    assert await server.play(*messages) == passed(what_passes)


@pytest.mark.parametrize(
    "message", [{"type": "http.response.trailers"}, {"type": "mine"}, {"no": "type"}]
)
async def test_other_events_are_the_servers_business(message: Message) -> None:
    server = Server()
    await server.play(START, body())
    assert await server.play(message) == [True]


async def test_when_the_client_has_gone_nothing_passes() -> None:
    server = Server()
    await server.play(ACCEPT)
    server.gate.close()
    assert await server.play(frame("a"), CLOSE, ACCEPT, DENIAL) == [False] * 4
    http = Server()
    await http.play(START, body(True))
    http.gate.close()
    assert await http.play(body(True), body(), START) == [False] * 3
    denied = Server()
    await denied.play(DENIAL)
    denied.gate.close()
    assert await denied.play(denial_body()) == [False]


async def test_a_dropped_event_is_one_debug_line(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    with caplog.at_level(logging.DEBUG, logger="django.channels"):
        await server.play(CLOSE, frame("secret"))
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert record.name == "django.channels"
    assert record.getMessage() == (
        "Nothing was sent for 'websocket.send': the connection is closed."
    )


async def test_answers_what_the_server_answers() -> None:
    async def send(message: Message) -> Any:
        return "mine"

    assert await Gate(send, lambda: None).send(ACCEPT) == "mine"  # type: ignore[arg-type]


async def test_a_servers_send_may_return_a_future() -> None:
    loop = asyncio.get_running_loop()
    asked: list[Message] = []

    def send(message: Message) -> "asyncio.Future[None]":
        asked.append(message)
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        return future

    gate = Gate(send, lambda: None)
    await gate.send_frame(frame("held"))
    await gate.send(ACCEPT)
    await gate.send_frame(frame("a"))
    assert asked == [ACCEPT, frame("held"), frame("a")]


def test_a_sync_caller_may_wrap_it() -> None:
    server = Server()
    async_to_sync(server.gate.send)(ACCEPT)  # warns of what is not marked as async
    assert server.sent == [ACCEPT]


# Finished frames.


async def test_a_frame_is_held_before_accept_in_order() -> None:
    server = Server()
    for text in "abc":
        await server.gate.send_frame(frame(text))
    assert server.sent == []
    await server.play(ACCEPT)
    await server.gate.send_frame(frame("d"))
    assert server.sent == [ACCEPT, *(frame(text) for text in "abcd")]
    assert server.dropped == 0


@pytest.mark.parametrize("ending", [CLOSE, DENIAL, None], ids=["close", "denial", "client"])
async def test_frames_that_were_held_for_nothing_are_counted(ending: Message | None) -> None:
    server = Server()
    await server.gate.send_frame(frame("a"))
    await server.gate.send_frame(frame("b"))
    if ending is None:
        server.gate.close()
    else:
        await server.play(ending)
    assert server.dropped == 2
    server.gate.close()
    assert server.dropped == 2, "once each"


async def test_a_frame_after_close_is_dropped_and_counted() -> None:
    server = Server()
    await server.play(ACCEPT, CLOSE)
    assert await server.gate.send_frame(frame("late")) is False
    assert server.dropped == 1
    await server.play(frame("of a handler"))
    assert server.dropped == 1, "what a handler sends is not lost by the layer"


async def test_a_frame_that_the_server_refuses_because_the_client_left_is_counted() -> None:
    server = Server()
    await server.play(ACCEPT)

    async def gone(message: Message) -> None:
        raise BrokenPipeError

    server.gate.pass_on = gone
    assert await server.gate.send_frame(frame("a")) is False
    assert await server.gate.send_frame(frame("b")) is False
    assert server.dropped == 2


@pytest.mark.parametrize("error", [BrokenPipeError(), asyncio.CancelledError()])
async def test_frames_that_were_held_for_an_accept_that_fails_are_counted(
    error: BaseException,
) -> None:
    server = Server()
    await server.gate.send_frame(frame("a"))
    await server.gate.send_frame(frame("b"))

    async def fails(message: Message) -> None:
        raise error

    server.gate.pass_on = fails
    with pytest.raises(type(error)):
        await server.gate.send(ACCEPT)
    assert server.dropped == 2


async def test_closed_while_the_held_frames_go_out_the_rest_is_dropped() -> None:
    server = Server()

    async def send(message: Message) -> None:
        server.sent.append(message)
        if message.get("text") == "a":
            gate.close()

    gate = Gate(send, server.count)
    for text in "abc":
        await gate.send_frame(frame(text))
    await gate.send(ACCEPT)
    assert server.sent == [ACCEPT, frame("a")]
    assert server.dropped == 2


@pytest.mark.parametrize("state", list(State))
async def test_an_error_of_the_server_reaches_the_caller(state: State) -> None:
    async def send(message: Message) -> None:
        raise ConnectionError("the client has gone")

    gate = Gate(send, lambda: None)
    gate.state = state
    for message in (frame("a"), body(True)):
        if state is State.CLOSED:
            assert await gate.send(message) is False
        else:
            with pytest.raises(ConnectionError):
                await gate.send(message)
