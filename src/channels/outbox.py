"""What sync code has sent and the server has not taken yet.

A sync handler's ``send`` puts the event here and goes on; a task on the connection's loop hands the
events to the server one after another, while the handler still runs. So an answer costs one change
of threads and not two, and a slow client holds the handler up only when it is far behind.
"""

import asyncio
import logging
import threading
from collections import deque
from typing import Any

from channels.gate import CLOSED, Gate
from channels.strands import Signal, Strand, helping
from channels.typing import Message

logger: logging.Logger = logging.getLogger("django.channels")

MOST_EVENTS = 16
MOST_BYTES = 1024 * 1024

AHEAD = frozenset({"websocket.send", "http.response.body"})
"""Events that ``put`` does not wait for. The others change what may be sent, and are rare."""


class _Item:
    """One event on its way."""

    __slots__ = ("answer", "error", "flushed", "message", "size", "taken")

    def __init__(self, message: Message) -> None:
        self.message = dict(message)  # the sender may go on to change it for its next event
        self.size = len(message.get("text") or message.get("bytes") or message.get("body") or b"")
        self.answer: Any = None
        self.error: BaseException | None = None
        self.taken: Signal | None = None
        """Given when the server has taken the event; there where a thread waits for that."""
        self.flushed: asyncio.Future[None] | None = None
        """The same for somebody on the loop."""


class Outbox:
    """Events on their way from any thread to one connection's server, in the order of ``put``.

    At most 16 events or 1 MiB wait (one event may be larger); then ``put`` blocks. A thread that
    has to wait, for room or for an answer, and that runs a call of the connection's strand, runs
    the sync code of the sends meanwhile: a ``send`` that middleware wraps may need it.
    """

    def __init__(self, gate: Gate, strand: Strand) -> None:
        self._gate = gate
        self._strand = strand
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._items: deque[_Item] = deque()
        self._bytes = 0
        self._waiting_for_room: list[Signal] = []
        self._draining = False
        self._drain: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._closed = False

    def put(self, message: Message) -> Any:
        """Send an event, from any thread but the loop's.

        What may be sent ahead returns at once: ``None``, or ``False`` where the connection is
        closed. The rest returns what the gate answers.

        Raises:
            RuntimeError: called on the loop's thread, which has to go on for anything to be sent.
            Exception: what the server raised for an earlier event, or for this one if it is waited
                for.
        """
        self._refuse_own_thread()
        ahead = message.get("type") in AHEAD
        if self._closed or (ahead and self._gate.state is CLOSED):
            return False
        item = _Item(message)
        if not ahead:
            item.taken = Signal()
        while (room := self._append(item)) is not None:
            self._wait(room)
        if item.taken is not None:
            self._wait(item.taken)
            if item.error is not None:
                raise item.error
        return item.answer

    async def flush(self) -> None:
        """Wait until the server has taken everything that was put before, on the loop.

        Raises:
            Exception: what the server raised and no ``put`` has raised since.
        """
        with self._lock:
            last = self._items[-1] if self._items else None
            if last is not None:
                last.flushed = self._loop.create_future()
        if last is not None and last.flushed is not None:
            # Not until there is nothing: a thread of the user's may go on sending for ever.
            await last.flushed
        self._raise_failure()

    def close(self) -> None:
        """Give up what was not taken: nobody is there any more. On the loop."""
        self._closed = True
        if self._drain is not None:
            self._drain.cancel()
        self._give_up(None)

    def _wait(self, signal: Signal) -> None:
        if self._strand.is_here:
            self._strand.help_until(signal)
        else:
            signal.wake.wait()

    def _append(self, item: _Item) -> Signal | None:
        """Put an item in the queue; where there is no room for it, what to wait for."""
        with self._lock:
            self._raise_failure()
            full = len(self._items) >= MOST_EVENTS or self._bytes + item.size > MOST_BYTES
            if self._items and full:
                self._waiting_for_room.append(room := Signal())
                return room
            if self._closed:
                self._finish(item, False)
                return None
            self._items.append(item)
            self._bytes += item.size
            begin = not self._draining
            self._draining = True
        if begin:
            try:
                self._loop.call_soon_threadsafe(self._begin)
            except RuntimeError:  # the loop is closed, and with it the connection
                self._closed = True
                self._give_up(None)
        return None

    def _begin(self) -> None:
        if not self._closed:
            self._drain = self._loop.create_task(self._work_off())

    async def _work_off(self) -> None:
        helping.set(True)  # in this task's own context
        try:
            while (item := self._first()) is not None:
                try:
                    answer = await self._gate.offer(item.message)
                except Exception as error:
                    answer, item.error = None, error
                    if item.taken is None:
                        self._note_failure(error)
                if self._closed:
                    return  # who was waiting knows already
                with self._lock:
                    self._items.popleft()
                    self._bytes -= item.size
                    self._finish(item, answer)
                    self._make_room()
        except BaseException as error:
            # Cancelled, with the connection or with the loop: nobody may be left waiting.
            self._give_up(None if self._closed else error)
            raise

    def _first(self) -> _Item | None:
        with self._lock:
            if self._items:
                return self._items[0]
            self._draining = False
            self._drain = None
            return None

    def _finish(self, item: _Item, answer: Any) -> None:
        item.answer = answer
        if item.taken is not None:
            item.taken.give()
        if item.flushed is not None and not item.flushed.done():
            item.flushed.set_result(None)

    def _give_up(self, error: BaseException | None) -> None:
        with self._lock:
            for item in self._items:
                item.error = error
                self._finish(item, False)
            self._items.clear()
            self._bytes = 0
            self._failure = error
            self._draining = False
            self._drain = None
            self._make_room()

    def _make_room(self) -> None:
        for room in self._waiting_for_room:
            room.give()
        self._waiting_for_room.clear()

    def _note_failure(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        else:
            # Of a run of events that were on their way together the first one's is raised.
            logger.debug("The server refused another event, too.", exc_info=error)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _refuse_own_thread(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return
        if running is self._loop:
            raise RuntimeError(
                "A sync consumer's send() was called on the event loop's thread, which has to go "
                "on for anything to be sent. Call it from the handler, or use an AsyncConsumer."
            )
