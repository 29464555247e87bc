"""Closing everything that a loop serves, on a clock that the tests turn."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from channels.draining import Drained, drain
from channels.draining.closing import REASON, Drain
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.live import live_here
from channels.routing import ProtocolTypeRouter
from tests.client import CONNECT, HTTP_LEAVE, Client, frame, leave, request, settle
from tests.failing import failing, no_task_left
from tests.sync_calls import entered, making_gates
from tests.wire import websocket

TOLD = {"type": "websocket.close", "code": 1012, "reason": REASON}


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with no_task_left():
        yield


class Clock:
    """Time goes on while somebody sleeps, and all that can happen then happens."""

    def __init__(self) -> None:
        self.now = 100.0
        self.alarms: list[tuple[float, Callable[[], object]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        await settle()
        self.now += seconds
        for alarm in [alarm for alarm in self.alarms if alarm[0] <= self.now]:
            self.alarms.remove(alarm)
            alarm[1]()
        await settle()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def drain_on(clock: Clock, seconds: float = 5, deadline: float = 25, rand: float = 0.5) -> Drain:
    def backwards(everybody: list[Any]) -> None:
        everybody.sort(key=lambda connection: connection.scope["path"], reverse=True)

    return Drain(
        seconds, deadline, clock=clock, sleep=clock.sleep, shuffle=backwards, rand=lambda: rand
    )


class Timed(Client):
    """Notes when it was closed."""

    clock: Clock
    closed_at = 0.0

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.close":
            self.closed_at = self.clock.now - 100


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
async def test_everybody_is_told_once_each_in_a_time_of_its_own(base: type, clock: Clock) -> None:
    application, log = failing(base, "nowhere")
    clients = []
    async with AsyncExitStack() as stack:
        for number in range(60):
            client = Timed(application, CONNECT, scope=websocket(f"/{number:02}"))
            client.clock = clock
            clients.append(await stack.enter_async_context(client))
            await client.answers(1)
        done = await drain_on(clock).run() if base is AsyncWebsocketConsumer else None
        if done is None:
            # Threads take real time; nothing is asserted of the clock's.
            done = await Drain(0.1, 25).run()
    assert done == Drained(told=60, late=0)
    assert all(client.sent[1:] == [TOLD] for client in clients)
    assert log == ["connect"] * 60 + [1012] * 60
    if base is AsyncWebsocketConsumer:
        part = 5 / 60
        expected = [(59 - number + 0.5) * part for number in range(60)]
        assert [client.closed_at for client in clients] == pytest.approx(expected)
    assert live_here().connections == set()


async def test_nobody_there_takes_no_time(clock: Clock) -> None:
    assert await drain_on(clock).run() == Drained(told=0, late=0)
    assert clock.now == 100


async def test_whoever_leaves_meanwhile_is_not_told(clock: Clock) -> None:
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    async with (
        Client(application, CONNECT, scope=websocket("/1")) as first,
        Client(application, CONNECT, scope=websocket("/2")) as second,
    ):
        await first.answers(1)
        await second.answers(1)
        clock.alarms.append((100.01, lambda: first.says(leave(4001))))
        assert await drain_on(clock).run() == Drained(told=1, late=0)
    assert log == ["connect", "connect", 1012, 4001] or log == ["connect", "connect", 4001, 1012]
    assert first.types == ["websocket.accept"]
    assert second.sent[-1] == TOLD


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
async def test_newcomers_are_denied_by_the_router(clock: Clock, extensions: Any) -> None:
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    router = ProtocolTypeRouter({"websocket": application})
    await drain_on(clock).run()
    try:
        async with Client(router, CONNECT, scope=websocket(extensions=extensions)) as client:
            await client.ended()
        async with Client(router, leave(), scope=websocket(extensions=extensions)) as gone:
            await gone.ended()
    finally:
        live_here().ending = False
    if extensions:
        assert client.sent[0]["status"] == 503
        assert client.sent[1]["body"] == b"Service Unavailable"
    else:
        assert client.sent == [{"type": "websocket.close"}]
    assert gone.sent == []
    assert log == []


async def test_a_newcomer_without_a_router_is_told_when_the_others_were(clock: Clock) -> None:
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Client(application, CONNECT))
        late = Client(application, CONNECT)
        await first.answers(1)

        def come() -> None:
            late.task = asyncio.create_task(
                application({"type": "websocket", "path": "/"}, late.receive, late.send)
            )

        clock.alarms.append((100.01, come))
        assert await drain_on(clock).run() == Drained(told=2, late=0)
        await late.ended()
    assert first.sent[-1] == TOLD
    assert late.types[-1] == "websocket.close"
    assert log.count(1012) == log.count("connect") >= 1


async def test_a_handler_in_hand_is_waited_for(clock: Clock) -> None:
    go_on = asyncio.Event()

    class Slow(AsyncWebsocketConsumer):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            await self.send("begun")
            await go_on.wait()
            await self.send("answer")

    async with Client(Slow.as_asgi(), CONNECT, frame("x")) as client:
        await client.answers(2)
        clock.alarms.append((110, go_on.set))
        assert await drain_on(clock).run() == Drained(told=1, late=0)
    assert client.texts == ["begun", "answer"]
    assert client.sent[-1] == TOLD
    assert 110 <= clock.now < 110.1


async def test_grace_is_what_is_left_of_the_deadline(clock: Clock) -> None:
    application, _ = failing(AsyncWebsocketConsumer, "nowhere")
    graces: list[float | None] = []
    async with Client(application, CONNECT) as client:
        await client.answers(1)
        (connection,) = live_here().connections
        original = type(connection).close_soon

        def close_soon(
            self: Any, code: int, reason: str = "", *, grace: float | None = None
        ) -> None:
            graces.append(grace)
            original(self, code, reason, grace=grace)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(connection), "close_soon", close_soon)
            await drain_on(clock, seconds=5, deadline=25).run()
    assert graces == [pytest.approx(23 - 0.05)]


async def test_without_a_deadline_there_is_no_bound(clock: Clock) -> None:
    go_on = asyncio.Event()

    class Slow(AsyncWebsocketConsumer):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            await go_on.wait()
            await self.send("answer")

    async with Client(Slow.as_asgi(), CONNECT, frame("x")) as client:
        await client.answers(1)
        clock.alarms.append((130, go_on.set))
        running = drain_on(clock, deadline=math.inf)
        assert await running.run() == Drained(told=1, late=0)
        await running.cut_requests()  # waits for nothing
        assert running.seconds_left() == math.inf
    assert client.texts == ["answer"]


async def test_what_does_not_end_is_reported_and_left(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with making_gates() as gate:
        held = gate()

        class Blocked(WebsocketConsumer):
            def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
                held()

        async with Client(Blocked.as_asgi(), CONNECT, frame("x")) as client:
            await entered(held)
            assert await drain_on(clock).run() == Drained(told=1, late=1)
            assert clock.now == pytest.approx(124, abs=0.05)
            assert "1 connection(s) had not ended 24." in caplog.text
            held.released.set()
            await client.ended()


# Requests.


class Events(AsyncHttpConsumer):
    kind = b"text/event-stream"

    async def handle(self, body: bytes) -> None:
        await self.send_headers(headers=[(b"Content-Type", self.kind)])
        await self.send_body(b"part", more_body=True)
        await asyncio.Event().wait()

    async def disconnect(self) -> None:
        ends.append("disconnect")


class Download(Events):
    kind = b"text/csv"


class Silent(Events):
    async def handle(self, body: bytes) -> None:
        await asyncio.Event().wait()


ends: list[str] = []


@pytest.fixture
async def watched() -> None:
    ends.clear()
    live_here().watches_requests = True


async def test_an_event_stream_is_completed_in_its_time(clock: Clock, watched: None) -> None:
    router = ProtocolTypeRouter({"http": Events.as_asgi()})
    async with Client(router, request()) as client:
        await client.answers(2)
        running = Drain(5, 25, clock=clock, sleep=clock.sleep, rand=lambda: 0.5)
        assert await running.run() == Drained(told=1, late=0)
    assert client.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert ends == ["disconnect"]
    assert clock.now == pytest.approx(100.05, abs=0.03)


async def test_other_requests_go_on_until_the_deadline(clock: Clock, watched: None) -> None:
    async with (
        Client(ProtocolTypeRouter({"http": Download.as_asgi()}), request()) as download,
        Client(ProtocolTypeRouter({"http": Silent.as_asgi()}), request()) as silent,
    ):
        await download.answers(2)
        running = drain_on(clock)
        assert await running.run() == Drained(told=0, late=0)
        assert clock.now == 100, "they are the server's to wait for"
        await running.cut_requests()
        assert clock.now == 123
        await download.ended()
        await silent.ended()
    assert download.sent[-1]["more_body"] is True
    assert silent.sent[0]["status"] == 503
    assert silent.sent[1]["body"] == b"Service Unavailable"
    assert ends == ["disconnect", "disconnect"]


async def test_requests_are_not_watched_where_nothing_can_drain() -> None:
    async with Client(ProtocolTypeRouter({"http": Events.as_asgi()}), request()) as client:
        await client.answers(2)
        assert live_here().requests == set()
        client.says(HTTP_LEAVE)


# The public function.


async def test_drain_takes_its_times_from_the_settings(settings: Any) -> None:
    settings.CHANNELS = {"DRAIN_SECONDS": 0, "DRAIN_DEADLINE_SECONDS": None}
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    async with Client(application, CONNECT) as client:
        await client.answers(1)
        assert await drain() == Drained(told=1, late=0)
    assert log == ["connect", 1012]
    assert live_here().ending is True


async def test_drain_reports_a_bad_setting_before_it_does_anything(settings: Any) -> None:
    settings.CHANNELS = {"DRAIN_SECONDS": -1}
    with pytest.raises(ImproperlyConfigured, match="DRAIN_SECONDS"):
        await drain()
    assert live_here().ending is False
    settings.CHANNELS = {"DRAIN_DEADLINE_SECONDS": 0}
    with pytest.raises(ImproperlyConfigured, match="or None for no deadline"):
        await drain()


async def test_what_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="django.channels.drain")
    application, _ = failing(AsyncWebsocketConsumer, "nowhere")
    async with Client(application, CONNECT) as client:
        await client.answers(1)
        await drain_on(clock).run()
    assert [record.getMessage() for record in caplog.records] == [
        "Closing 1 connection(s) over 0.1 s.",
        "Closed 1 connection(s) in 0.1 s.",
    ]
