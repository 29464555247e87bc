"""Writes that are gathered for a round of the event loop.

To write to a socket is a system call, and often it wakes the process that reads the other end. With
one call at a time between the steps of many handlers, everybody falls asleep and is woken again and
again. So what is written to a client in a round goes into one buffer, and the buffers of all
clients are emptied together: after the round, or sooner where there are many or much is in one.
Nothing is reordered: every byte to a client takes this way, and its end comes after them, the
client's own end too.

uvloop gathers the writes of one client by itself; asyncio does not.
"""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary, ref

MOST_BYTES = 16384
"""In one client's buffer; what would be more is written to the socket before. One write alone may
be larger."""

MOST_CLIENTS = 64
"""With something in their buffers, which are emptied then: so that nobody's message waits until a
thousand others' are made."""


class Round:
    """Which transports of one loop have something to write."""

    __slots__ = ("_loop", "_scheduled", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Weak: a round is kept for as long as its loop is there.
        self._loop = ref(loop)
        self._scheduled = False
        self._waiting: list[GatheringTransport] = []

    def enter(self, transport: "GatheringTransport") -> None:
        """Have ``transport`` flushed soon."""
        self._waiting.append(transport)
        if len(self._waiting) >= MOST_CLIENTS:
            self._flush()
        elif not self._scheduled:
            self._schedule()

    def _schedule(self) -> None:
        loop = self._loop()
        if loop is None:
            return
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        # Servers are not to be written to from other threads. Where somebody does, and it works
        # without us, it does not have to wait until the loop has something else to do.
        self._scheduled = True  # before the call: another thread's loop may run it at once
        try:
            (loop.call_soon if here is loop else loop.call_soon_threadsafe)(self._end)
        except RuntimeError:  # the loop is closed, and with it the transports
            self._scheduled = False

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
                if (loop := self._loop()) is not None:
                    loop.call_exception_handler(context)


_rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, Round] = WeakKeyDictionary()


def round_of(loop: asyncio.AbstractEventLoop) -> Round:
    """The round of ``loop``."""
    try:
        return _rounds[loop]
    except KeyError:
        current = _rounds[loop] = Round(loop)
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
        if len(self._gathered) + len(data) > MOST_BYTES:
            self.flush()
        gathered = self._gathered
        # A copy each time, of no more than MOST_BYTES: most rounds have one write to a client.
        self._gathered = gathered + data
        if not gathered:
            self._round.enter(self)

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
