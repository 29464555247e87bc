"""One connection to a server: kept up, written to once a loop round, read without a task.

redis-py opens it (addresses, TLS, authentication); from then on we are the transport's protocol.
Its own way of sending takes a connection for each concurrent command and several times the CPU, as
docs/explanation/redis-layer.md shows. Nothing here is a running task while the connection is up, so
that an event loop can end at any time.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, cast

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from channels.exceptions import BrokerUnavailableError

logger: logging.Logger = logging.getLogger("django.channels.layers")

Open = Callable[[], Awaitable[AbstractConnection]]
"""Opens a connection that has said who it is and has chosen its database."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between attempts to connect: at most, because each pause is a random part of it."""

SILENCE = 5.0
"""Seconds without a byte after which a server that owes an answer is taken for lost."""

MOST_UNWRITTEN = 1 << 20
"""Bytes that wait to be written; while there are more, callers wait."""

FOREVER = float("inf")

MOST_WAITING = 10_000
"""Callers that may wait at a time, for a lost connection or for answers."""


class ConnectionLostError(Exception):
    """The connection went while an answer was due: the command may have been executed."""


class ReplyError(Exception):
    """The server answered with an error; its first word says which."""

    @property
    def code(self) -> str:
        return str(self).partition(" ")[0]


class Wire(asyncio.Protocol):
    """A connection that is opened when it is first wanted, and again whenever it is lost.

    Args:
        open_connection: opens one.
        name: what the log calls the server.
    """

    def __init__(self, open_connection: Open, name: str) -> None:
        self.name: str = name
        self.closed: bool = False
        self._open = open_connection
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._held: Any = None
        self._connecting: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._reader = hiredis.Reader()
        self._buffer: list[bytes] = []
        self._probe: asyncio.TimerHandle | None = None
        self._heard = True
        self._refusals = 0
        self._paused = False

    # What the owner is told; called on the loop.

    def came_up(self) -> None:
        """The connection is there, anew."""

    def went_down(self) -> None:
        """The connection is lost; a new one is being opened."""

    def take(self, reply: Any) -> None:
        """The server said something."""
        raise NotImplementedError

    def owes(self) -> bool:
        """Whether the server owes an answer. Asked every few seconds; a chance to ask something."""
        raise NotImplementedError

    # What the owner may do.

    @property
    def up(self) -> bool:
        return self._transport is not None

    @property
    def clear(self) -> bool:
        """Whether it is there and the server takes what is written."""
        return self._transport is not None and not self._paused

    def want(self) -> None:
        """Open the connection, unless that is done or under way."""
        if self._transport is None and self._connecting is None and not self.closed:
            self._connecting = self._loop.create_task(self._connect())

    async def ready(self, deadline: float, *, patient: bool = True) -> None:
        """Wait until the connection is there and the server takes what is written.

        Args:
            deadline: on the loop's clock.
            patient: ``False`` to give up at the first attempt that fails.

        Raises:
            BrokerUnavailableError: it was not there in time, or too many wait already.
        """
        while not self.clear:
            if self.closed:
                raise BrokerUnavailableError(f"The layer's connection to {self.name} was closed.")
            self.want()
            if not patient and self._failure is not None:
                raise self._unavailable("and the layer is told not to wait (on_outage='raise')")
            if len(self._waiters) >= MOST_WAITING:
                raise self._unavailable(f"and {MOST_WAITING} calls wait for it already")
            waiter = self._loop.create_future()
            self._waiters.add(waiter)
            try:
                async with asyncio.timeout_at(None if deadline == FOREVER else deadline):
                    await waiter
            except TimeoutError:
                raise self._unavailable("until the call's deadline") from self._failure
            finally:
                self._waiters.discard(waiter)

    def write(self, *command: Any) -> None:
        """Send a command with whatever else is sent in this round of the loop."""
        if not self._buffer:
            self._loop.call_soon(self._flush)
        self._buffer.append(hiredis.pack_command(command))

    def drop(self) -> None:
        """Give the connection up, as if it had been lost, and open another."""
        if self._transport is not None:
            self._transport.abort()

    def refuse(self, error: Exception) -> None:
        """Give the connection up because the server does not do what it is for; the next one comes
        after a pause, longer each time, until :meth:`accepted`."""
        if not self._refusals:
            logger.warning("%s refuses what the layer needs, trying again: %s", self.name, error)
        self._refusals = min(self._refusals + 1, 16)
        self.drop()

    def accepted(self) -> None:
        """The server does what the connection is for."""
        self._refusals = 0

    def close(self) -> None:
        """End the connection for good. A second call does nothing."""
        self.closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()
            self._lose()
        self._tell_waiters()

    # How it comes and goes.

    async def _connect(self) -> None:
        attempt = self._refusals
        try:
            while not self.closed:
                if attempt or self._failure is not None:
                    most = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
                    await asyncio.sleep(random.uniform(0, most))  # noqa: S311 - spreads a herd
                try:
                    connection = await self._open()
                except (RedisError, OSError) as error:
                    self._note_failure(error)
                    attempt = min(attempt + 1, 16)
                else:
                    self._adopt(connection)
                    return
        finally:
            self._connecting = None

    def _adopt(self, connection: AbstractConnection) -> None:
        """Become the protocol of a connection's transport."""
        writer = connection._writer  # pyright: ignore[reportPrivateUsage]
        if writer is None:
            raise ConnectionLostError("redis-py handed out a connection that is not connected")
        # Neither may be collected before the transport is closed: they would close it, and warn.
        self._held = writer
        connection._writer = connection._reader = None  # pyright: ignore[reportPrivateUsage]
        transport = cast("asyncio.Transport", writer.transport)
        if self.closed or transport.is_closing():
            transport.abort()
            if not self.closed:
                self._loop.call_soon(self.want)
            return
        self._transport = transport
        self._paused = False
        transport.set_write_buffer_limits(MOST_UNWRITTEN)
        transport.set_protocol(self)
        self._reader = hiredis.Reader(protocolError=ReplyError, replyError=ReplyError)
        self._buffer = []
        if self._failure is not None and not self._refusals:
            logger.info("The connection to %s is back.", self.name)
        self._failure = None
        self._heard = True
        self._probe = self._loop.call_later(SILENCE / 2, self._look)
        self.came_up()
        self._tell_waiters()

    def _note_failure(self, error: Exception) -> None:
        if self._failure is None or isinstance(self._failure, ConnectionLostError):
            logger.warning("No connection to %s, trying again: %s", self.name, error)
        self._failure = error
        self._tell_waiters()

    def _tell_waiters(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _lose(self) -> None:
        """Forget the transport, once."""
        if self._transport is None:
            return
        self._transport = self._held = None
        if self._probe is not None:
            self._probe.cancel()
        self._buffer = []
        self._failure = ConnectionLostError(f"The connection to {self.name} was lost.")
        self.went_down()

    def _look(self) -> None:
        """Find out whether the server is still there.

        Two looks without a byte between them, so that a process that was frozen itself, and has
        the answer in its socket, does not blame the server.
        """
        if self._transport is None:
            return
        if self.owes() and not self._heard:
            logger.warning("%s has not answered for %s s.", self.name, SILENCE / 2)
            self._transport.abort()
        self._heard = False
        self._probe = self._loop.call_later(SILENCE / 2, self._look)

    def _unavailable(self, reason: str) -> BrokerUnavailableError:
        return BrokerUnavailableError(
            f"No connection to {self.name}, {reason}"
            + (f": {self._failure}" if self._failure is not None else ".")
        )

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self.take(reply)
        except ReplyError:
            logger.exception("%s does not speak the Redis protocol.", self.name)
            self.drop()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._tell_waiters()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose()
        if not self.closed:
            self.want()

    def _flush(self) -> None:
        buffer, self._buffer = self._buffer, []
        if self._transport is not None and buffer:
            self._transport.write(buffer[0] if len(buffer) == 1 else b"".join(buffer))


class Commands(Wire):
    """A connection for commands, shared by all tasks of a loop: answers come in order."""

    def __init__(self, open_connection: Open, name: str) -> None:
        super().__init__(open_connection, name)
        self._due: deque[asyncio.Future[Any]] = deque()
        self._up_callbacks: list[Callable[[], None]] = []

    def when_up(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called whenever the connection came up."""
        self._up_callbacks.append(callback)

    def call(self, *command: Any) -> "asyncio.Future[Any]":
        """Send a command. Concurrent calls go out in one write.

        A caller that is cancelled leaves the answer to be thrown away.

        Raises (from the future):
            ReplyError: the server refused.
            ConnectionLostError: there is no connection, or it was lost before the answer.
            BrokerUnavailableError: too many wait for an answer.
        """
        answer: asyncio.Future[Any] = self._loop.create_future()
        if self._transport is None:
            answer.set_exception(ConnectionLostError(f"There is no connection to {self.name}."))
            return answer
        if len(self._due) >= MOST_WAITING:
            answer.set_exception(
                BrokerUnavailableError(f"{MOST_WAITING} calls wait for an answer of {self.name}.")
            )
            return answer
        self.write(*command)
        self._due.append(answer)
        return answer

    def came_up(self) -> None:
        for callback in self._up_callbacks:
            callback()

    def went_down(self) -> None:
        due, self._due = self._due, deque()
        for answer in due:
            if not answer.done():
                answer.set_exception(ConnectionLostError(str(self._failure)))

    def take(self, reply: Any) -> None:
        answer = self._due.popleft()
        if answer.done():
            return
        if isinstance(reply, ReplyError):
            answer.set_exception(reply)
        else:
            answer.set_result(reply)

    def owes(self) -> bool:
        return bool(self._due)
