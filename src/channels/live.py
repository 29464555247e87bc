"""What is being served right now, by event loop: for whoever has to end it or to count it."""

import asyncio
import threading
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from channels.connection import Connection


class Ends(Protocol):
    """A request that may be told to end."""

    is_event_stream: bool
    """Whether its response is one that the client expects to be cut and takes up again."""

    def end_soon(self) -> None:
        """Tell its application that the client has gone. On the loop; a second call does
        nothing."""


class Live:
    """What one loop serves. Its sets change on that loop alone; others take copies."""

    __slots__ = ("connections", "ending", "requests", "watches_requests")

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        """Those of consumers, from before the first event until after the last handler."""
        self.requests: set[Ends] = set()
        """HTTP requests that came through a router while requests are watched."""
        self.watches_requests: bool = False
        """Whether the loop can drain, so that it is worth to know of requests."""
        self.ending: bool = False
        """Whether the loop takes no new WebSockets, because it is about to end."""


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Live] = WeakKeyDictionary()
_adding = threading.Lock()


def live_here() -> Live:
    """What the running loop serves."""
    loop = asyncio.get_running_loop()
    try:
        return _by_loop[loop]
    except KeyError:
        with _adding:  # two threads' loops may begin while a third thread lists them
            live = _by_loop[loop] = Live()
        return live


def live_connections() -> "list[Connection]":
    """Every consumer's connection of this process, on whichever loop; from any thread.

    A connection may end before it is looked at. What is done to it has to be done on its loop:
    ``connection.loop.call_soon_threadsafe(connection.close_soon, 1008, "…")``.
    """
    with _adding:
        everywhere = list(_by_loop.values())
    return [connection for live in everywhere for connection in live.connections.copy()]
