"""Events of the client that are received while a handler still runs: read ahead, and bounded.

The server's ``receive()`` is the only way to learn that a client has gone, and the task that awaits
it is busy in the handler. So another one awaits it meanwhile.

``receive()`` may be wrapped by middleware. A wrap that begins and ends within one call (a timeout,
a span, a cancel scope) is as good in this task as in the other, and what it sets in context
variables is carried to the handler of that event. One that spans calls, by a context variable's
token or a cancel scope that one call opens and the next one closes, belongs to one task; where it
raises in this one, the connection ends with that error after the handler.

A call of ``receive()`` that has begun is never cancelled before the connection's end, because what
it was about to return could be lost: whoever wants the next event waits for it.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from channels.typing import Message, Receive

MOST_EVENTS = 32
MOST_BYTES = 1024 * 1024

Changes: TypeAlias = list[tuple[contextvars.ContextVar[Any], Any]]


class ReadAhead:
    """At most 32 events or 1 MiB (one event may be larger); then the server's own backpressure
    holds the client up.

    Args:
        context: where ``receive`` is called, in a copy.
        departed: called with the event that is the last one, or with the exception that
            ``receive`` raised, as soon as it is there.
    """

    __slots__ = (
        "_bytes",
        "_context",
        "_departed",
        "_error",
        "_events",
        "_is_last",
        "_news",
        "_over",
        "_receive",
        "task",
    )

    def __init__(
        self,
        receive: Receive,
        context: contextvars.Context,
        is_last: Callable[[Message], bool],
        departed: Callable[[Message | BaseException], None],
    ) -> None:
        self.task: asyncio.Task[None] | None = None
        """Receives, while there is something to be received and room for it."""
        self._receive = receive
        self._context = context
        self._is_last = is_last
        self._departed = departed
        self._events: deque[tuple[Message, Changes]] = deque()
        self._bytes = 0
        self._error: BaseException | None = None
        self._over = False
        self._news: asyncio.Future[None] | None = None

    def go_on(self) -> None:
        """Read ahead, unless that is under way, the end was read or there is no room."""
        if self.task is None and not self._over and self._has_room():
            loop = asyncio.get_running_loop()
            self.task = loop.create_task(self._read(), context=self._context.copy())

    async def next(self) -> Message:
        """The next event, in the order in which they came.

        Cancellation: no event is lost.

        Raises:
            BaseException: what ``receive`` raised after the last event.
        """
        while not self._events:
            if self._error is not None:
                raise self._error
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._news = None
        event, changes = self._events.popleft()
        self._bytes -= _size(event)
        for variable, value in changes:
            variable.set(value)
        return event

    @property
    def is_empty(self) -> bool:
        """Whether whoever wants the next event can await ``receive`` as before."""
        return not self._events and self.task is None and self._error is None

    def _has_room(self) -> bool:
        return len(self._events) < MOST_EVENTS and self._bytes < MOST_BYTES

    async def _read(self) -> None:
        try:
            while self._has_room() and not self._over:
                before = contextvars.copy_context()
                event = await self._receive()
                self._events.append((event, _changes(before)))
                self._bytes += _size(event)
                if self._is_last(event):
                    self._over = True
                    self._departed(event)
                # Whoever waits takes it, and receives the next one without a second task.
                if self._wake():
                    return
        except asyncio.CancelledError as error:
            self._note(error)
            raise
        except BaseException as error:
            self._note(error)
        finally:
            self.task = None

    def _note(self, error: BaseException) -> None:
        self._over = True
        self._error = error
        self._wake()
        self._departed(error)

    def _wake(self) -> bool:
        waiting = self._news is not None and not self._news.done()
        if waiting and self._news is not None:
            self._news.set_result(None)
        return waiting


def _size(event: Message) -> int:
    return len(event.get("text") or event.get("bytes") or event.get("body") or b"")


def _changes(before: contextvars.Context) -> Changes:
    """What the current context has that ``before`` has not."""
    return [
        (variable, value)
        for variable, value in contextvars.copy_context().items()
        if before.get(variable, before) is not value
    ]
