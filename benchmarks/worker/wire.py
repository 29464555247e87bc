"""One connection without a server: what every side's application is called with in-process.

The wire does as little as a server possibly could, so that it hides no difference: a queue for what
the client says (uvicorn's protocol has the same), a plain call for what the client gets.
"""

import asyncio
from typing import Any

SCOPE = {
    "type": "websocket",
    "asgi": {"version": "3.0", "spec_version": "2.4"},
    "scheme": "ws",
    "path": "/",
    "raw_path": b"/",
    "root_path": "",
    "query_string": b"",
    "headers": [],
    "subprotocols": [],
}


class Arrivals:
    """Frames that clients are still to get."""

    __slots__ = ("all_there", "missing")

    def __init__(self) -> None:
        self.missing = 0
        self.all_there: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def expect(self, count: int) -> "asyncio.Future[None]":
        """What is done when that many have arrived."""
        self.missing = count
        self.all_there = asyncio.get_running_loop().create_future()
        return self.all_there


class Wire:
    """A client, and the ``receive`` and ``send`` of its connection.

    Args:
        arrivals: where every frame that the client gets is counted.
        stall: seconds that each send takes, because the client does not read.
    """

    def __init__(self, arrivals: Arrivals, *, stall: float = 0.0) -> None:
        self._arrivals = arrivals
        self._stall = stall
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._accepted = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None
        self.receive = self._events.get
        self.send = self._stalling_send if stall else self._send

    async def open(self, application: Any) -> None:
        """Connect, and wait until the application has accepted."""
        scope = dict(SCOPE, state={})
        self._task = asyncio.ensure_future(application(scope, self.receive, self.send))
        self._events.put_nowait({"type": "websocket.connect"})
        await asyncio.wait({self._task, self._accepted}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()
            raise RuntimeError("The application ended instead of accepting the connection.")

    def say(self, text: str) -> None:
        """Send a frame to the application."""
        self._events.put_nowait({"type": "websocket.receive", "text": text})

    async def close(self) -> None:
        """Leave, and wait until the application has ended."""
        assert self._task is not None, "open() comes first"
        self._events.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self._task

    async def _send(self, event: dict[str, Any]) -> None:
        if event["type"] == "websocket.send":
            # Counted here and not in a method: this is all that the floor's fan-out costs.
            arrivals = self._arrivals
            arrivals.missing -= 1
            if not arrivals.missing:
                arrivals.all_there.set_result(None)
        elif event["type"] == "websocket.accept":
            self._accepted.set_result(None)
        else:
            raise RuntimeError(f"The application sent {event!r:.300}.")

    async def _stalling_send(self, event: dict[str, Any]) -> None:
        if event["type"] == "websocket.send":
            await asyncio.sleep(self._stall)
        else:
            await self._send(event)


class Client:
    """A wire whose client sends a frame and waits for the answer."""

    def __init__(self) -> None:
        self._arrivals = Arrivals()
        self.wire = Wire(self._arrivals)

    def round_trip(self, text: str) -> "asyncio.Future[None]":
        answer = self._arrivals.expect(1)
        self.wire.say(text)
        return answer
