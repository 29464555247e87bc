"""The floor: the same applications as bare ASGI callables, nothing between them and the server."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.apps import texts

_one_thread = ThreadPoolExecutor(1)
_threads = ThreadPoolExecutor(40)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    # Also the floor of the JSON echo: decoding and encoding are part of what a framework costs.
    while True:
        event = await receive()
        kind = event["type"]
        if kind == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})
        elif kind == "websocket.connect":
            await send({"type": "websocket.accept"})
        else:
            return


def _hop_echo(executor: ThreadPoolExecutor, work: Callable[[], None]) -> Any:
    """An echo with one bare hop to a thread and back."""

    def handle(text: str) -> dict[str, Any]:
        work()
        return {"type": "websocket.send", "text": text}

    async def hop_echo(scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        while True:
            event = await receive()
            kind = event["type"]
            if kind == "websocket.receive":
                await send(await loop.run_in_executor(executor, handle, event["text"]))
            elif kind == "websocket.connect":
                await send({"type": "websocket.accept"})
            else:
                return

    return hop_echo


def _room(*groups: set[Any]) -> Any:
    """An application whose connections are in sets of sends; what one says goes to the first."""

    async def room(scope: Any, receive: Any, send: Any) -> None:
        while True:
            event = await receive()
            kind = event["type"]
            if kind == "websocket.receive":
                frame = {"type": "websocket.send", "text": event["text"]}
                for member in list(groups[0]):
                    await member(frame)
            elif kind == "websocket.connect":
                for group in groups:
                    group.add(send)
                await send({"type": "websocket.accept"})
            else:
                for group in groups:
                    group.discard(send)
                return

    return room


def _nothing() -> None:
    pass


_groups: defaultdict[str, set[Any]] = defaultdict(set)

APPLICATIONS: dict[str, Any] = {
    "echo": echo,
    "json-echo": echo,
    "sync-echo": _hop_echo(_one_thread, _nothing),
    "sleeper": _hop_echo(_threads, texts.sleep),
    "computer": _hop_echo(_threads, texts.compute),
    "room": _room(set()),
}


def joiner(count: int) -> Any:
    """An application whose connections are in ``count`` sets."""
    return _room(*(set() for _ in range(count)))


def member(group: str) -> Any:
    """An application whose connections are in a set of sends."""
    return _room(_groups[group])


async def publish(group: str, path: str, text: str = texts.TEXT) -> None:
    """Send one line to all members: a loop that awaits each member's send."""
    frame = {"type": "websocket.send", "text": text}
    for send in list(_groups[group]):
        await send(frame)
