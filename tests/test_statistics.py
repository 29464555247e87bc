"""The counters of the process."""

import threading
from collections import Counter
from typing import Any

import pytest

from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.statistics import count, statistics
from tests.client import CONNECT, Client, leave


def since(before: dict[str, int]) -> dict[str, int]:
    return dict(Counter(statistics()) - Counter(before))


def test_counters_are_a_copy() -> None:
    count("test.copy")
    statistics()["test.copy"] = 1000
    assert statistics()["test.copy"] < 1000


def test_threads_do_not_lose_counts() -> None:
    before = statistics()

    def work() -> None:
        for _ in range(2000):
            count("test.threads")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert since(before) == {"test.threads": 16_000}


async def test_connections_that_are_accepted_denied_and_fail() -> None:
    class Denying(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            raise DenyConnection

    class Failing(AsyncWebsocketConsumer):
        async def disconnect(self, code: int) -> None:
            raise RuntimeError("it fails")

    class Broken(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            raise RuntimeError("it fails")

    before = statistics()
    for application, fails in [
        (AsyncWebsocketConsumer.as_asgi(), False),
        (Denying.as_asgi(), False),
        (Failing.as_asgi(), True),
        (Broken.as_asgi(), True),
    ]:
        async with Client(application, CONNECT, leave()) as client:
            if fails:
                with pytest.raises(RuntimeError):
                    await client.ended()
            else:
                await client.ended()
    assert since(before) == {
        "connections.opened": 4,
        "connections.accepted": 2,
        "connections.ended": 4,
    }


async def test_a_request_is_no_connection() -> None:
    from channels.generic.http import AsyncHttpConsumer
    from tests.client import request

    class Page(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, b"")

    before: dict[str, Any] = statistics()
    async with Client(Page.as_asgi(), request()) as client:
        await client.ended()
    assert since(before) == {}
