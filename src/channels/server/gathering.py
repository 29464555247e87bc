"""Writes that are gathered for a round of the event loop.

To write to a socket is a system call, and often it wakes the process that reads the other end. With
one call at a time between the steps of many handlers, everybody falls asleep and is woken again and
again. So what is written to a client in a round goes into one buffer, and the buffers of all
clients are emptied together: after the round, or sooner where there are many or much is in one.
Nothing is reordered: every byte to a client takes this way, and its end comes after them.

uvloop gathers the writes of one client by itself; asyncio does not.
"""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

MOST_BYTES = 16384
"""In one client's buffer, which is written to the socket when there is more."""

MOST_CLIENTS = 64
"""With something in their buffers, which are emptied then: so that nobody's message waits until a
thousand others' are made."""


class Round:
    """Which transports of one loop have something to write. On that loop alone."""

    # Knows its loop from whoever calls, as the watch does.
    __slots__ = ("_scheduled", "_waiting")

    def __init__(self) -> None:
        self._scheduled = False
        self._waiting: list[GatheringTransport] = []

    def enter(self, transport: "GatheringTransport") -> None:
        """Have ``transport`` flushed soon."""
        self._waiting.append(transport)
        if len(self._waiting) >= MOST_CLIENTS:
            self._flush()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self._scheduled = False
        self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport in waiting:
            try:
                transport.flush()
            except Exception as error:  # one client's fault is no other's
                context = {"message": "A client could not be written to", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)


_rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, Round] = WeakKeyDictionary()


def round_of(loop: asyncio.AbstractEventLoop) -> Round:
    """The round of ``loop``, which is the running one."""
    try:
        return _rounds[loop]
    except KeyError:
        current = _rounds[loop] = Round()
        return current


class GatheringTransport(asyncio.Transport):
    """A server's transport for one connection, which gathers what is written.

    It has the methods that WebSocket protocols of servers call; the others are not implemented.
    """

    # An idle connection has one of these, and a message in a large room finds it in no cache.
    __slots__ = ("_gathered", "_round", "_transport", "takes_frames")

    def __init__(self, transport: asyncio.Transport, current: Round) -> None:
        self._transport = transport
        self._round = current
        self._gathered = b""
        self.takes_frames: bool = False
        """Whether :meth:`write_frame` writes: the protocol says so, and says when it ends."""

    def write_frame(self, frame: bytes) -> bool:
        """See :class:`channels.direct.FrameWriter`."""
        if not self.takes_frames:
            return False
        if self._gathered:
            self.write(frame)
        else:
            self._gathered = frame
            self._round.enter(self)
        return True

    def write(self, data: Any) -> None:
        gathered = self._gathered
        # A copy each time, of no more than MOST_BYTES: most rounds have one write to a client.
        self._gathered = gathered + data
        if not gathered:
            self._round.enter(self)
        elif len(self._gathered) > MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write to the socket what was gathered; forget it where the client has gone."""
        gathered, self._gathered = self._gathered, b""
        if gathered and not self._transport.is_closing():
            self._transport.write(gathered)

    def close(self) -> None:
        """Close when all is written; nothing is taken from now on."""
        self.takes_frames = False
        try:
            self.flush()
        finally:
            self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
