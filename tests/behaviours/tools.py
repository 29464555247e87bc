"""Small things that many behaviours need."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import sync_to_async

from channels.testing import ApplicationCommunicator, WebsocketCommunicator

Message = dict[str, Any]


async def turns() -> None:
    """Let everything that is ready run, without waiting for any clock.

    Upstream hops to the thread of synchronous code and back before each handler: a hop of our own
    to the same thread comes back after those that were under way.
    """
    for _ in range(3):
        for _ in range(20):
            await asyncio.sleep(0)
        await sync_to_async(int)()


async def until(holds: Callable[[], object], within: float = 5) -> None:
    """Wait for what another thread brings about."""
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.002)


def websocket_scope(path: str = "/", **more: Any) -> Message:
    return {"type": "websocket", "path": path, "headers": [], "subprotocols": [], **more}


def http_scope(path: str = "/", **more: Any) -> Message:
    return {"type": "http", "method": "GET", "path": path, "headers": [], **more}


@asynccontextmanager
async def connected(
    app: Callable[..., Any], path: str = "/", scope: Mapping[str, Any] | None = None
) -> AsyncIterator[WebsocketCommunicator]:
    """A client that was accepted, and that leaves at the end."""
    client = WebsocketCommunicator(app, path)
    client.scope.update(scope or {})
    accepted, _ = await client.connect()
    assert accepted
    yield client
    await client.disconnect()


async def run(
    app: Callable[..., Any], scope: Mapping[str, Any], *events: Message
) -> ApplicationCommunicator:
    """Start ``app`` and queue ``events`` for it."""
    client = ApplicationCommunicator(app, dict(scope))
    for event in events:
        await client.send_input(event)
    return client


async def seen_by(app: Callable[..., Any], scope: Mapping[str, Any]) -> None:
    """Call ``app`` for a connection that brings no event and answers nothing."""

    async def receive() -> Message:
        raise AssertionError("the application asked for an event")

    async def send(message: Message) -> None:
        raise AssertionError(f"the application sent {message}")

    await app(dict(scope), receive, send)


def written_for(base: type, **methods: Callable[..., Any]) -> type:
    """A subclass of ``base`` whose methods are written once for both families.

    A method that is a generator yields each call that an asynchronous consumer would await, and
    gets the call's result back. In the synchronous family the call has happened already.
    """
    family = _sync_method if base._sync else _async_method
    body = {
        name: family(method) if inspect.isgeneratorfunction(method) else method
        for name, method in methods.items()
    }
    return type(f"Tried{base.__name__}", (base,), body)


def _sync_method(steps: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
    @functools.wraps(steps)
    def method(*args: Any, **kwargs: Any) -> Any:
        script, result = steps(*args, **kwargs), None
        try:
            while True:
                result = script.send(result)
        except StopIteration as end:
            return end.value

    return method


def _async_method(steps: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
    @functools.wraps(steps)
    async def method(*args: Any, **kwargs: Any) -> Any:
        script = steps(*args, **kwargs)
        resume = functools.partial(script.send, None)
        try:
            while True:
                step = resume()
                try:
                    result = await step if inspect.isawaitable(step) else step
                except Exception as error:
                    resume = functools.partial(script.throw, error)
                else:
                    resume = functools.partial(script.send, result)
        except StopIteration as end:
            return end.value

    return method
