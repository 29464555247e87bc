"""What a router does when the process begins to serve and when it ends."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from channels import lifespan as module
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import channel_layers
from channels.lifespan import OWN_DRAIN, close_channel_layers
from channels.live import live_here
from channels.routing import ProtocolTypeRouter
from channels.stop_signals import STOP_SIGNALS
from tests.client import CONNECT, Client, settle
from tests.failing import failing, no_task_left

STARTUP, SHUTDOWN = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with no_task_left():
        yield


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Every test leaves the signal handlers as they were."""
    before = current()
    yield
    assert current() == before


def current() -> list[Any]:
    return [signal.getsignal(number) for number in STOP_SIGNALS]


def lifespan(application: Any = None, **scope: Any) -> Client:
    mapping = {} if application is None else {"lifespan": application}
    return Client(ProtocolTypeRouter(mapping), STARTUP, scope={"type": "lifespan", **scope})


async def test_signals_are_ours_from_the_startup_to_the_shutdown() -> None:
    handlers = current()
    async with lifespan() as server:
        assert await server.answers(1) == [{"type": "lifespan.startup.complete"}]
        assert all(now != before for now, before in zip(current(), handlers, strict=True))
        assert live_here().watches_requests
        server.says(SHUTDOWN)
        assert (await server.answers(2))[1] == {"type": "lifespan.shutdown.complete"}
        # By the time that the server knows: it may cancel what has not ended now.
        assert current() == handlers
        await server.ended()
    assert not live_here().watches_requests


async def test_a_lifespan_of_the_projects_own_is_served_the_same_way() -> None:
    handlers = current()

    async def own(scope: Any, receive: Any, send: Any) -> str:
        seen.append((await receive())["type"])
        seen.append(current() == handlers)
        await send({"type": "lifespan.startup.complete"})
        seen.append(current() == handlers)
        seen.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})
        return "own"

    seen: list[Any] = []
    async with lifespan(own) as server:
        await server.answers(1)
        server.says(SHUTDOWN)
        assert await server.ended() == "own"
    assert seen == ["lifespan.startup", True, False, "lifespan.shutdown"]


async def test_a_start_that_fails_installs_nothing() -> None:
    handlers = current()

    async def own(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async with lifespan(own) as server:
        await server.answers(1)
        assert current() == handlers
        await server.ended()


async def test_a_lifespan_that_fails_or_is_cancelled_puts_the_handlers_back() -> None:
    async def own(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise RuntimeError("own")

    async with lifespan(own) as server:
        with pytest.raises(RuntimeError, match="own"):
            await server.ended()
    async with lifespan() as server:
        await server.answers(1)
        server.task.cancel()
        await settle()


async def test_a_server_that_drains_by_itself_keeps_its_signals() -> None:
    handlers = current()
    async with lifespan(extensions={OWN_DRAIN: {}}) as server:
        await server.answers(1)
        assert current() == handlers
        server.says(SHUTDOWN)
        await server.ended()


async def test_whoever_is_left_at_the_shutdown_is_told_then() -> None:
    """Behind servers whose signals cannot be preceded it is the only chance."""
    application, log = failing(AsyncWebsocketConsumer, "nowhere")
    async with lifespan() as server, Client(application, CONNECT) as client:
        await client.answers(1)
        await server.answers(1)
        server.says(SHUTDOWN)
        await server.ended()
        assert client.task.done()
    assert log == ["connect", 1012]
    assert client.sent[-1]["code"] == 1012


async def test_after_a_drain_the_shutdown_waits_for_nobody_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def drain(**options: Any) -> None:
        raise AssertionError("a second drain")

    monkeypatch.setattr(module, "drain", drain)
    async with lifespan() as server:
        await server.answers(1)
        live_here().ending = True
        server.says(SHUTDOWN)
        await server.ended()


async def test_a_new_startup_on_the_same_loop_takes_websockets_again() -> None:
    live_here().ending = True
    async with lifespan() as server:
        await server.answers(1)
        assert not live_here().ending
        server.says(SHUTDOWN)
        await server.ended()


# Channel layers.


class Layer:
    def __init__(self, closed: list[Any], error: Exception | None = None) -> None:
        self.closed = closed
        self.error = error

    async def close(self) -> None:
        self.closed.append(asyncio.get_running_loop())
        if self.error is not None:
            raise self.error


class Pooled:
    """channels_redis calls it by another name."""

    def __init__(self, closed: list[Any]) -> None:
        self.closed = closed

    async def close_pools(self) -> None:
        self.closed.append("pools")


class Sync:
    def __init__(self, closed: list[Any]) -> None:
        self.closed = closed

    def close(self) -> None:
        self.closed.append("sync")


class Stuck:
    async def close(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def backends(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    made: dict[str, Any] = {}
    monkeypatch.setattr(channel_layers, "backends", made)
    return made


async def test_layers_are_closed_at_the_shutdown_on_this_loop(backends: dict[str, Any]) -> None:
    closed: list[Any] = []
    async with lifespan() as server:
        await server.answers(1)
        backends["default"] = Layer(closed)
        server.says(SHUTDOWN)
        await server.answers(2)
        assert closed == [asyncio.get_running_loop()]
        await server.ended()


async def test_every_layer_is_closed_whatever_happens_to_the_others(
    backends: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.01)
    closed: list[Any] = []
    backends |= {
        "fails": Layer(closed, RuntimeError("gone")),
        "stuck": Stuck(),
        "pooled": Pooled(closed),
        "sync": Sync(closed),
        "without": object(),
    }
    await close_channel_layers()
    assert closed == [asyncio.get_running_loop(), "pools", "sync"]
    assert [record.getMessage() for record in caplog.records] == [
        "The channel layer 'fails' could not be closed in order.",
        "The channel layer 'stuck' could not be closed in order.",
    ]


async def test_no_layer_is_made_in_order_to_be_closed(backends: dict[str, Any]) -> None:
    async with lifespan() as server:
        await server.answers(1)
        server.says(SHUTDOWN)
        await server.ended()
    assert backends == {}
