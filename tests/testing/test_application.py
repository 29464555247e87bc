"""The base communicator: exceptions in front of timeouts, and asgiref's habits kept."""

import asyncio
from typing import Any
from unittest import mock

import pytest

import channels.testing.application as module
from channels.testing import ApplicationCommunicator
from channels.typing import Receive, Scope, Send

SCOPE = {"type": "test"}
LONG = 30
"""Seconds that no test lasts: a call that waits for its timeout instead of the event fails."""


class BrokenError(Exception):
    """What the applications here raise."""


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "end":
        await send(message)


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise BrokenError("the cause")


async def returns(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    while True:
        await receive()


async def closes_with_1011_and_raises(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1011})
    # What a consumer still does before the exception leaves: disconnect(), leaving its groups.
    for _ in range(10):
        await asyncio.sleep(0)
    raise BrokenError("the cause")


async def closes_with_1011_and_stays(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1011})
    await receive()


async def settled(communicator: ApplicationCommunicator) -> None:
    """Let the application come to its end between two calls."""
    await asyncio.wait({communicator.future}, timeout=LONG)


async def test_messages_pass_in_order() -> None:
    communicator = ApplicationCommunicator(echo, SCOPE)
    for number in range(3):
        await communicator.send_input({"type": "x", "number": number})
    received = [(await communicator.receive_output())["number"] for _ in range(3)]
    await communicator.send_input({"type": "end"})
    await communicator.wait()
    assert received == [0, 1, 2]


async def test_the_exception_comes_at_once_and_not_after_the_timeout() -> None:
    communicator = ApplicationCommunicator(broken, SCOPE)
    await communicator.send_input({"type": "x"})
    async with asyncio.timeout(LONG / 2):
        with pytest.raises(BrokenError, match="the cause"):
            await communicator.receive_output(timeout=LONG)


async def test_without_a_timeout_the_exception_ends_the_wait_too() -> None:
    communicator = ApplicationCommunicator(broken, SCOPE)
    await communicator.send_input({"type": "x"})
    with pytest.raises(BrokenError):
        await communicator.receive_output(timeout=None)


async def test_an_exception_between_two_calls_is_raised_by_the_next_of_each_kind() -> None:
    communicator = ApplicationCommunicator(broken, SCOPE)
    await communicator.send_input({"type": "x"})
    await settled(communicator)
    for call in (
        communicator.receive_output,
        communicator.receive_nothing,
        communicator.wait,
        lambda: communicator.send_input({"type": "x"}),
    ):
        with pytest.raises(BrokenError):
            await call()
    with pytest.raises(BrokenError):
        communicator.stop()
    communicator.stop(exceptions=False)


async def test_an_exception_while_watching_for_nothing_is_raised() -> None:
    communicator = ApplicationCommunicator(broken, SCOPE)
    await communicator.send_input({"type": "x"})
    with pytest.raises(BrokenError):
        await communicator.receive_nothing(timeout=0.02)


async def test_a_close_with_1011_gives_way_to_the_exception_behind_it() -> None:
    communicator = ApplicationCommunicator(closes_with_1011_and_raises, SCOPE)
    await communicator.send_input({"type": "x"})
    with pytest.raises(BrokenError):
        await communicator.receive_output()


async def test_a_close_with_1011_without_an_exception_is_a_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "GRACE", 0.01)
    communicator = ApplicationCommunicator(closes_with_1011_and_stays, SCOPE)
    await communicator.send_input({"type": "x"})
    assert (await communicator.receive_output(timeout=None))["code"] == 1011
    assert not communicator.future.done()
    await communicator.send_input({"type": "end"})
    await communicator.wait()


async def test_a_message_sent_before_the_exception_is_received_first() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "last words"})
        raise BrokenError

    communicator = ApplicationCommunicator(app, SCOPE)
    await communicator.send_input({"type": "x"})
    assert await communicator.receive_output() == {"type": "last words"}
    with pytest.raises(BrokenError):
        await communicator.receive_output()


async def test_a_timeout_says_that_the_application_was_cancelled_and_later_sends_say_it_too() -> (
    None
):
    communicator = ApplicationCommunicator(silent, SCOPE)
    with pytest.raises(TimeoutError) as caught:
        await communicator.receive_output(timeout=0.01)
    assert "sent nothing within 0.01 s and was cancelled" in caught.value.__notes__[0]
    assert communicator.future.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await communicator.send_input({"type": "x"})
    with pytest.raises(asyncio.CancelledError):
        await communicator.receive_output()


async def test_a_timeout_says_that_the_application_had_returned() -> None:
    communicator = ApplicationCommunicator(returns, SCOPE)
    await communicator.send_input({"type": "x"})
    with pytest.raises(TimeoutError) as caught:
        await communicator.receive_output(timeout=0.01)
    assert caught.value.__notes__ == ["The application had returned without sending this."]


async def test_a_task_that_outlives_the_application_may_still_send() -> None:
    tasks: set[asyncio.Task[None]] = set()
    go = asyncio.Event()

    async def late(send: Send) -> None:
        await go.wait()
        await send({"type": "late"})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.add(asyncio.create_task(late(send)))

    communicator = ApplicationCommunicator(app, SCOPE)
    await communicator.wait()
    asyncio.get_running_loop().call_soon(go.set)
    assert await communicator.receive_output() == {"type": "late"}


async def test_an_exception_raised_while_the_timeout_cancels_is_shown() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await receive()
        finally:
            raise BrokenError

    with pytest.raises(BrokenError):
        await ApplicationCommunicator(app, SCOPE).receive_output(timeout=0.01)


async def test_a_cancelled_test_leaves_and_loses_no_message() -> None:
    communicator = ApplicationCommunicator(echo, SCOPE)
    waiting = asyncio.ensure_future(communicator.receive_output(timeout=None))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await communicator.send_input({"type": "x"})
    assert await communicator.receive_output() == {"type": "x"}
    await communicator.send_input({"type": "end"})
    await communicator.wait()


async def test_receive_nothing_leaves_the_message_and_the_application_alone() -> None:
    communicator = ApplicationCommunicator(echo, SCOPE)
    assert await communicator.receive_nothing(timeout=0.01)
    await communicator.send_input({"type": "x"})
    assert not await communicator.receive_nothing()
    assert await communicator.receive_output() == {"type": "x"}
    await communicator.send_input({"type": "end"})
    await communicator.wait()


async def test_what_packages_reach_for_is_there() -> None:
    communicator = ApplicationCommunicator(echo, SCOPE)
    assert communicator.scope is SCOPE
    assert communicator.application is echo
    assert not communicator.future.done()
    await communicator.input_queue.put({"type": "x"})
    assert await asyncio.wait_for(communicator.output_queue.get(), LONG) == {"type": "x"}
    communicator.stop()
    await communicator.wait()
    assert communicator.future.cancelled()


async def test_wait_cancels_an_application_that_stays_without_an_error() -> None:
    communicator = ApplicationCommunicator(silent, SCOPE)
    await communicator.wait(timeout=0.01)
    assert communicator.future.cancelled()


@pytest.mark.parametrize("message", [None, "text", [("type", "x")]])
async def test_what_is_not_a_message_is_refused(message: Any) -> None:
    communicator = ApplicationCommunicator(echo, SCOPE)
    with pytest.raises(TypeError, match="is not an ASGI message"):
        await communicator.send_input(message)


async def test_a_call_patches_nothing() -> None:
    communicator = ApplicationCommunicator(echo, SCOPE)
    with mock.patch.object(mock, "_patch", side_effect=AssertionError("patched")):
        await communicator.send_input({"type": "x"})
        await communicator.receive_output()
        await communicator.send_input({"type": "end"})
        await communicator.wait()
