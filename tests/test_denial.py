"""How a WebSocket is denied."""

import asyncio
from typing import Any

import pytest

from channels.denial import deny
from tests.wire import Wire, websocket

ABLE = {"websocket.http.response": {}}


async def test_with_a_response_where_the_server_can_send_one() -> None:
    wire = Wire()
    await deny(websocket(extensions=ABLE), wire.send, 503, "später")
    start, body = wire.sent
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == 503
    assert dict(start["headers"]) == {
        b"content-type": b"text/plain; charset=utf-8",
        b"content-length": b"7",
    }
    assert body == {"type": "websocket.http.response.body", "body": "später".encode()}


async def test_without_a_text_it_is_the_statuss_own() -> None:
    wire = Wire()
    await deny(websocket(extensions=ABLE), wire.send, 404)
    assert wire.sent[1]["body"] == b"Not Found"


@pytest.mark.parametrize("extensions", [{}, {"extensions": None}, {"extensions": {}}])
async def test_with_a_close_where_it_cannot(extensions: dict[str, Any]) -> None:
    wire = Wire()
    await deny(websocket(**extensions), wire.send, 503)
    assert wire.sent == [{"type": "websocket.close"}]


async def test_it_returns_when_a_server_has_had_time_to_notice() -> None:
    """uvicorn takes what its transport's end means into account one or two turns later."""
    turns: list[int] = []

    async def send(message: Any) -> None:
        if message["type"].endswith("body"):
            asyncio.get_running_loop().call_soon(turn)

    def turn() -> None:
        turns.append(1)
        if len(turns) < 2:
            asyncio.get_running_loop().call_soon(turn)

    await deny(websocket(extensions=ABLE), send, 503)
    assert len(turns) == 2
