"""The time limits of the development server, and what they leave alone."""

import asyncio
import logging

import pytest

from channels.server.limits import Limits

SOON = 0.02


async def run(application, kind, **limits):
    """Drive a limited application; the messages that reach the server."""
    sent = []

    async def receive():
        return {"type": f"{kind}.request"}

    async def send(message):
        sent.append(message)

    limited = Limits(application, **{"http": None, "handshake": None, **limits})
    await asyncio.wait_for(limited({"type": kind}, receive, send), 10)
    return sent


async def never(scope, receive, send):
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def log(caplog):
    caplog.set_level(logging.INFO)
    return caplog


async def test_a_request_without_an_answer_gets_a_503(log):
    start, body = await run(never, "http", http=SOON)
    assert start["status"] == 503
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()
    assert "took longer than 0.02 s" in log.text


async def test_the_503_does_not_wait_for_an_application_that_ignores_its_end():
    sent = []
    answered = asyncio.Event()

    async def application(scope, receive, send):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await answered.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)
        if message["type"] == "http.response.body":
            answered.set()

    await asyncio.wait_for(
        Limits(application, http=SOON, handshake=None)({"type": "http"}, None, send), 10
    )
    assert [m.get("status") for m in sent] == [503, None]


async def test_a_response_in_progress_is_cut():
    ended = []

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    sent = await run(application, "http", http=SOON)
    assert [m["type"] for m in sent] == ["http.response.start"]
    assert ended == [True]


async def test_an_answer_in_time_and_an_error_pass_as_they_are(log):
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise TimeoutError("the application's own")

    with pytest.raises(TimeoutError, match="the application's own"):
        await run(application, "http", http=60)
    assert log.records == []


async def test_a_cancelled_request_cancels_its_application():
    entered, ended = asyncio.Event(), []

    async def application(scope, receive, send):
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = asyncio.create_task(run(application, "http", http=60))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_a_silent_websocket_is_denied(log):
    assert await run(never, "websocket", handshake=SOON) == [{"type": "websocket.close"}]
    assert "neither accepted nor denied" in log.text


@pytest.mark.parametrize("answer", ["websocket.accept", "websocket.close"])
async def test_the_handshake_is_over_with_the_first_answer(answer, log):
    async def application(scope, receive, send):
        await send({"type": answer})
        await asyncio.sleep(3 * SOON)
        await send({"type": "websocket.send", "text": "late"})

    sent = await run(application, "websocket", handshake=SOON)
    assert [m["type"] for m in sent] == [answer, "websocket.send"]
    assert log.records == []


async def test_an_application_that_closes_when_its_time_is_over_is_not_closed_twice():
    async def application(scope, receive, send):
        try:
            await asyncio.Event().wait()
        finally:
            await send({"type": "websocket.close", "code": 4000})

    sent = await run(application, "websocket", handshake=SOON)
    assert sent == [{"type": "websocket.close", "code": 4000}]


async def test_the_applications_own_timeout_error_is_not_taken_for_ours():
    async def application(scope, receive, send):
        raise TimeoutError("of a query")

    with pytest.raises(TimeoutError, match="of a query"):
        await run(application, "websocket", handshake=60)


@pytest.mark.parametrize(
    ("before", "closed"),
    [
        (["websocket.accept"], [{"type": "websocket.close", "code": 1011}]),
        (["websocket.accept", "websocket.close"], []),
        ([], []),
    ],
)
async def test_only_an_open_websocket_is_closed_with_1011_when_its_application_fails(
    before, closed
):
    sent = []

    async def application(scope, receive, send):
        for kind in before:
            await send({"type": kind})
        raise RuntimeError("broken")

    async def send(message):
        sent.append(message)

    with pytest.raises(RuntimeError, match="broken"):
        await Limits(application, http=None, handshake=60)({"type": "websocket"}, None, send)
    assert sent[len(before) :] == closed


async def test_a_client_that_is_gone_does_not_hide_the_applications_error():
    async def application(scope, receive, send):
        await send({"type": "websocket.accept"})
        raise RuntimeError("broken")

    async def send(message):
        if message["type"] == "websocket.close":
            raise OSError("gone")

    with pytest.raises(RuntimeError, match="broken"):
        await Limits(application, http=None, handshake=None)({"type": "websocket"}, None, send)


async def test_zero_is_no_limit():
    async def application(scope, receive, send):
        await asyncio.sleep(SOON)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    assert [m["status"] for m in await run(application, "http", http=0)] == [200]
