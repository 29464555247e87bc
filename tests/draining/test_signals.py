"""Between a signal and the server that it is meant for."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from channels.draining.closing import Drain
from channels.draining.signals import ECHO, DrainOnSignal
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.live import live_here
from channels.stop_signals import STOP_SIGNALS
from tests.client import CONNECT, Client, frame
from tests.failing import failing, no_task_left
from tests.sync_calls import entered, making_gates

TERM, INT = signal.SIGTERM, signal.SIGINT


class Server:
    """Handles signals as uvicorn does."""

    def __init__(self) -> None:
        self.stopped = asyncio.Event()
        self.got: list[int] = []
        self._captured_signals: list[int] = []

    def handle_exit(self, number: int, frame: Any) -> None:
        self.got.append(number)
        self._captured_signals.append(number)
        self.stopped.set()

    async def wait(self) -> None:
        async with asyncio.timeout(10):
            while not self.stopped.is_set():
                await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Every test finds and leaves the handlers as they were."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with no_task_left():
        yield


@pytest.fixture
async def server() -> Server:
    server = Server()
    for number in STOP_SIGNALS:
        signal.signal(number, server.handle_exit)
    return server


class Ends:
    """Stands in for what ends the process."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, int]] = []
        self.taken_back = 0

    def __call__(self, seconds: float, status: int) -> Callable[[], None]:
        self.calls.append((seconds, status))
        return self.take_back

    def take_back(self) -> None:
        self.taken_back += 1


@pytest.fixture
def ends() -> Ends:
    return Ends()


class Time:
    now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def time() -> Time:
    return Time()


@pytest.fixture
async def drains(server: Server, ends: Ends, time: Time) -> AsyncIterator[DrainOnSignal]:
    drains = DrainOnSignal(clock=time, end_process=ends)
    drains.install()
    yield drains
    await drains.close()


def kill(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [TERM, INT])
async def test_connections_end_before_the_server_hears_of_it(
    number: signal.Signals, server: Server, drains: DrainOnSignal
) -> None:
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    async with Client(application, CONNECT) as client:
        await client.answers(1)
        kill(number)
        assert server.got == []
        await client.ended()
        assert log == ["connect", 1012]
        await server.wait()
    assert client.sent[-1]["code"] == 1012
    assert server.got == [number]
    assert signal.getsignal(number) == server.handle_exit
    assert live_here().ending


async def test_sigterm_is_not_raised_again_after_an_orderly_end(
    server: Server, drains: DrainOnSignal
) -> None:
    """uvicorn raises what it captured, and the process would count as killed."""
    kill(TERM)
    await server.wait()
    await asyncio.sleep(0)
    assert server._captured_signals == []


async def test_sigint_is_raised_again_as_the_server_wants_it(
    server: Server, drains: DrainOnSignal
) -> None:
    kill(INT)
    await server.wait()
    await asyncio.sleep(0)
    assert server._captured_signals == [INT]


class Hanging(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        await self.send("hangs")
        await asyncio.Event().wait()


@pytest.mark.parametrize(("first", "second"), [(TERM, INT), (INT, INT)])
async def test_a_second_signal_goes_straight_through(
    first: signal.Signals, second: signal.Signals, server: Server, drains: DrainOnSignal
) -> None:
    async with Client(Hanging.as_asgi(), CONNECT, frame("x")) as client:
        await client.answers(2)
        kill(first)
        await asyncio.sleep(0)
        kill(second)
        assert server.got == [second]
        kill(second)
        assert server.got == [second, second], "from now on it is all the server's"
        client.task.cancel()


async def test_a_sigterm_right_after_the_first_signal_is_its_echo(
    server: Server, drains: DrainOnSignal, time: Time
) -> None:
    async with Client(Hanging.as_asgi(), CONNECT, frame("x")) as client:
        await client.answers(2)
        kill(INT)
        time.now += ECHO
        kill(TERM)
        assert server.got == []
        time.now += 0.1
        kill(TERM)
        assert server.got == [TERM]
        client.task.cancel()


async def test_the_process_ends_by_the_deadline_whatever_runs(
    server: Server, drains: DrainOnSignal, ends: Ends, settings: Any
) -> None:
    settings.CHANNELS = {"DRAIN_SECONDS": 0, "DRAIN_DEADLINE_SECONDS": 0.2}
    with making_gates() as gate:
        held = gate()

        class Blocked(WebsocketConsumer):
            def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
                held()

        async with Client(Blocked.as_asgi(), CONNECT, frame("x")) as client:
            await entered(held)
            kill(TERM)
            await server.wait()  # though the handler still blocks
            held.released.set()
            await client.ended()
    assert ends.calls == [(pytest.approx(0.19375), 0)]
    await drains.close()
    assert ends.taken_back == 0


async def test_after_ctrl_c_whoever_runs_the_server_may_go_on(
    server: Server, drains: DrainOnSignal, ends: Ends
) -> None:
    kill(INT)
    await server.wait()
    assert len(ends.calls) == 1
    await drains.close()
    assert ends.taken_back == 1


async def test_without_a_deadline_the_process_is_not_ended(
    server: Server, drains: DrainOnSignal, ends: Ends, settings: Any
) -> None:
    settings.CHANNELS = {"DRAIN_DEADLINE_SECONDS": None}
    kill(TERM)
    await server.wait()
    assert ends.calls == []


async def test_a_bad_setting_does_not_keep_the_server_from_ending(
    server: Server, drains: DrainOnSignal, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNELS = {"DRAIN_SECONDS": "soon"}
    kill(TERM)
    await server.wait()
    assert server.got == [TERM]
    assert "Nothing is drained." in caplog.text
    assert "CHANNELS['DRAIN_SECONDS'] is 'soon'" in caplog.text


async def test_an_error_of_the_drain_does_not_either(
    server: Server,
    drains: DrainOnSignal,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(self: Any) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(Drain, "run", fail)
    kill(TERM)
    await server.wait()
    assert server.got == [TERM]
    assert "RuntimeError: on purpose" in caplog.text


# Politeness.


async def test_everything_is_put_back(server: Server, drains: DrainOnSignal) -> None:
    assert signal.getsignal(TERM) != server.handle_exit
    await drains.close()
    assert signal.getsignal(TERM) == signal.getsignal(INT) == server.handle_exit


async def test_whoever_came_later_stays_and_reaches_the_server_through_us(
    server: Server, drains: DrainOnSignal
) -> None:
    passed = signal.getsignal(TERM)
    seen: list[int] = []

    def later(number: int, frame: Any) -> None:
        seen.append(number)
        assert callable(passed)
        passed(number, frame)

    signal.signal(TERM, later)
    await drains.close()
    assert signal.getsignal(TERM) is later
    kill(TERM)
    assert (seen, server.got) == ([TERM], [TERM])


async def test_whoever_came_later_is_asked_first_while_we_are_there(
    server: Server, drains: DrainOnSignal
) -> None:
    passed = signal.getsignal(TERM)
    seen: list[int] = []

    def later(number: int, frame: Any) -> None:
        seen.append(number)
        assert callable(passed)
        passed(number, frame)

    signal.signal(TERM, later)
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    async with Client(application, CONNECT) as client:
        await client.answers(1)
        kill(TERM)
        await client.ended()
        await server.wait()
    assert log == ["connect", 1012]
    # Handed over by raising it again, which the later one sees, too: it is still in front.
    assert seen == [TERM, TERM]
    assert server.got == [TERM]


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
async def test_the_defaults_are_put_back_too(handler: signal.Handlers) -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, handler)
    drains = DrainOnSignal()
    drains.install()
    assert (signal.getsignal(TERM) is signal.SIG_IGN) == (handler is signal.SIG_IGN)
    await drains.close()
    assert signal.getsignal(TERM) is signal.getsignal(INT) is handler


async def test_outside_the_main_thread_nothing_is_installed(server: Server) -> None:
    async def elsewhere() -> None:
        drains = DrainOnSignal()
        drains.install()
        seen.append(signal.getsignal(TERM))
        await drains.close()

    seen: list[Any] = []
    thread = threading.Thread(target=asyncio.run, args=[elsewhere()])
    thread.start()
    thread.join()
    assert seen == [server.handle_exit]


def test_a_signal_between_two_runs_of_the_loop_is_not_lost() -> None:
    got: list[int] = []
    signal.signal(TERM, lambda number, frame: got.append(number))

    async def install() -> None:
        DrainOnSignal().install()

    with asyncio.Runner() as runner:
        runner.run(install())
        kill(TERM)
    assert got == [TERM]


async def test_handlers_that_were_added_to_the_loop_come_after_us() -> None:
    """As hypercorn and granian have them."""
    loop = asyncio.get_running_loop()
    got: list[str] = []
    stopped = asyncio.Event()

    def stop(word: str) -> None:
        got.append(word)
        stopped.set()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number.name)
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    try:
        drains = DrainOnSignal(end_process=Ends())
        drains.install()
        async with Client(application, CONNECT) as client:
            await client.answers(1)
            kill(TERM)
            await client.ended()
            assert got == []
            async with asyncio.timeout(10):
                await stopped.wait()
        assert (log, got) == (["connect", 1012], ["SIGTERM"])
        kill(INT)
        async with asyncio.timeout(10):
            while len(got) < 2:
                await asyncio.sleep(0.01)
        assert got == ["SIGTERM", "SIGINT"]
        await drains.close()
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


def test_a_loop_that_hides_its_handlers_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    uvloop = pytest.importorskip("uvloop")
    caplog.set_level(logging.INFO, logger="django.channels.drain")
    got: list[str] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        loop.add_signal_handler(TERM, lambda: (got.append("TERM"), stopped.set()))
        drains = DrainOnSignal()
        drains.install()
        kill(TERM)
        async with asyncio.timeout(10):
            await stopped.wait()
        await drains.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
    assert got == ["TERM"]
    assert "The server takes SIGTERM in a way that nobody can come before" in caplog.text
