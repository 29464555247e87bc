"""What sync code has sent and the server has not taken yet.

A sync handler's ``send`` puts the event here and goes on; a task on the connection's loop hands the
events to the server one after another, while the handler still runs. So an answer costs one change
of threads and not two, and a slow client holds the handler up only when it is far behind.
"""

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, NamedTuple

from channels.gate import CLOSED, Gate
from channels.typing import Message

MOST_EVENTS = 16
MOST_BYTES = 1024 * 1024

AHEAD = frozenset({"websocket.send", "http.response.body"})
"""Events that ``put`` does not wait for. The others change what may be sent, and are rare."""


class _Item(NamedTuple):
    message: Message
    size: int
    taken: "Future[Any] | None"


class Outbox:
    """Events on their way from any thread to one connection's server, in the order of ``put``.

    At most 16 events or 1 MiB wait (one event may be larger); then ``put`` blocks. When the server
    refuses an event, the next ``put`` or :meth:`flush` raises its error.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self._items: deque[_Item] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._room: threading.Event | None = None
        """Set when something was taken; there while somebody waits for it."""
        self._draining = False
        self._drain: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None

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
        if ahead and self._gate.state is CLOSED:
            return False
        taken: Future[Any] | None = None if ahead else Future()
        item = _Item(message, _size(message), taken)
        while (room := self._append(item)) is not None:
            room.wait()
        return taken.result() if taken is not None else None

    async def flush(self) -> None:
        """Wait until the server has taken everything that was put before, on the loop.

        Raises:
            Exception: what the server raised and no ``put`` has raised since.
        """
        while self._draining:
            if self._drain is None:
                # Begun from another thread a moment ago: _begin() is in the loop's queue.
                await asyncio.sleep(0)
            else:
                await asyncio.wait([self._drain])
        self._raise_failure()

    def _append(self, item: _Item) -> threading.Event | None:
        """Put an item in the queue; where there is no room for it, what to wait for."""
        with self._lock:
            self._raise_failure()
            full = len(self._items) >= MOST_EVENTS or self._bytes + item.size > MOST_BYTES
            if self._items and full:
                if self._room is None:
                    self._room = threading.Event()
                return self._room
            self._items.append(item)
            self._bytes += item.size
            begin = not self._draining
            self._draining = True
        if begin:
            self._loop.call_soon_threadsafe(self._begin)
        return None

    def _begin(self) -> None:
        self._drain = self._loop.create_task(self._work_off())

    async def _work_off(self) -> None:
        try:
            while (item := self._first()) is not None:
                await self._hand_over(item)
                with self._lock:
                    self._items.popleft()
                    self._bytes -= item.size
                    self._make_room()
        except BaseException as error:
            # Cancelled with the loop: nobody may be left waiting.
            self._give_up(error)
            raise

    def _first(self) -> _Item | None:
        with self._lock:
            if self._items:
                return self._items[0]
            self._draining = False
            self._drain = None
            return None

    async def _hand_over(self, item: _Item) -> None:
        try:
            answer = await self._gate.send(item.message)
        except Exception as error:
            if item.taken is not None:
                item.taken.set_exception(error)
            else:
                self._failure = error
        else:
            if item.taken is not None:
                item.taken.set_result(answer)

    def _give_up(self, error: BaseException) -> None:
        with self._lock:
            for item in self._items:
                if item.taken is not None and not item.taken.done():
                    item.taken.set_exception(error)
            self._items.clear()
            self._bytes = 0
            self._failure = error
            self._draining = False
            self._drain = None
            self._make_room()

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

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


def _size(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or message.get("body") or b"")
