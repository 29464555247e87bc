"""The layer lane of a connection: where messages of the channel layer are handled.

What the lanes share stands here too: whose turn it is, how far the connection is on its way to its
end, and what each lane last left in the context variables.
"""

import asyncio
import contextvars
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from channels.begun import Begun, begin
from channels.boundaries import BOUNDARIES
from channels.direct import Write
from channels.doorbell import Doorbell
from channels.exceptions import StopConsumer
from channels.gate import OPEN, Gate
from channels.strands import Strand
from channels.turn import Turn
from channels.typing import Message, Send
from channels.watch import watch_of

if TYPE_CHECKING:
    from channels.layers.base import Inbox
    from channels.layers.rules import Rules
    from channels.layers.snapshot import Snapshot

Work = Callable[[], Coroutine[Any, Any, None]]


class Phase(IntEnum):
    """How far a connection is on its way to its end; it only goes forward."""

    SERVING = 0
    STOPPING = 1
    """It is to end after the handler in hand."""
    CUT = 2
    """The client has gone and the handler in hand has used up its grace. No other one begins."""
    TOLD = 3
    """The consumer was given the event of its end, or is being given it."""
    ENDING = 4
    """The client lane is over, whatever ended it."""


class Seen(IntEnum):
    """What the watch knows of the handler in hand."""

    NOTHING = 0
    """The connection is not entered in the watch."""
    FRESH = 1
    """It began after the last tick."""
    RUNNING = 2
    """It was in hand at the last tick."""


FRAME = "websocket.send"

SPECIAL = (FRAME, *BOUNDARIES)
"""Types of messages with which more is to be done than to run their handler."""

CUT = Phase.CUT
FRESH = Seen.FRESH


class LayerLane:
    """The half of a :class:`~channels.connection.Connection` that faces the channel layer."""

    __slots__ = (
        "_begun",
        "_bell",
        "_client_context",
        "_dispatch",
        "_inbox",
        "_layer_context",
        "_layer_lane",
        "_layer_ran",
        "_layer_ready",
        "_overlaps",
        "_phase",
        "_seen",
        "_strand",
        "_taken",
        "_takes_frames",
        "_tasks",
        "_tidy",
        "_turn",
        "_watch",
        "gate",
        "loop",
    )

    _consumer: Any

    def __init__(
        self,
        send: Send,
        *,
        takes_frames: bool,
        strand: Strand | None,
        dispatch: Callable[[Message], Awaitable[Any]],
        tidy: Callable[[], Awaitable[None]],
        write: Write | None,
    ) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.gate: Gate = Gate(send, self._count_drop, write)
        self._takes_frames = takes_frames
        self._strand: Strand | None = strand
        self._dispatch = dispatch
        self._tidy = tidy
        self._watch = watch_of(self.loop)
        self._turn = Turn()
        self._phase = Phase.SERVING
        self._seen = Seen.NOTHING
        self._overlaps = False
        self._tasks: list[asyncio.Task[None]] = []
        self._inbox: Inbox | None = None
        self._bell: Doorbell | None = None
        self._client_context: contextvars.Context | None = None
        self._layer_context: contextvars.Context | None = None
        self._layer_lane: asyncio.Task[None] | None = None
        self._layer_ran = False
        self._layer_ready = False
        self._begun: Begun | None = None
        self._taken: Snapshot | None = None
        """A message for the lane, in whose turn it was taken."""

    def listen(self, layer: Any, channel: str) -> None:
        """Take messages from ``channel`` too: by being told of them where the layer can, else by a
        pump that awaits the consumer's ``channel_receive``, one message at a time."""
        self._client_context = contextvars.copy_context()
        attach = getattr(layer, "attach", None)
        self._inbox = attach(channel, self._wake) if attach is not None else None
        if self._inbox is None:
            self._start_layer_lane(self._pump)

    def limit(self, rules: "Rules") -> None:
        """Set what may wait for the client: in the gate and, where the layer lets us, in the
        mailbox."""
        self.gate.limit(rules)
        limit = getattr(self._inbox, "limit", None)
        if limit is not None:
            limit(rules)

    def start(self, work: Work) -> "asyncio.Task[None]":
        """Run ``work()`` beside the handlers. If it raises, the connection ends with that; when the
        connection ends it is cancelled."""
        task = self.loop.create_task(self._guard(work))
        self._tasks = [other for other in self._tasks if not other.done()]
        self._tasks.append(task)
        return task

    @abstractmethod
    def fail(self, error: BaseException) -> None:
        """End the connection with ``error``."""

    @abstractmethod
    def _handle(self, message: Message) -> Awaitable[Any]:
        """Run the handler of one event. The caller has the turn, and tidies up."""

    @abstractmethod
    def _overlap(self, message: Message) -> Awaitable[Any]:
        """Begin the handler of one event, as soon as it may."""

    @abstractmethod
    def look(self, now: float) -> bool:
        """See :class:`channels.watch.Watched`."""

    def _be_seen(self) -> None:
        """A handler begins."""
        if self._seen == Seen.NOTHING:
            self._watch.enter(self)
        self._seen = FRESH

    def _wake(self) -> None:
        """A message was put into the mailbox. Called on this loop, in the sender's context."""
        self._layer_ready = True
        bell = self._bell
        if bell is None:
            if self._layer_context is None and self._phase < CUT:
                # Another thread's call may come after the end.
                self._start_layer_lane(self._follow_inbox)
        elif bell.waiting:
            if not self._turn.taken:
                # Nobody has the turn, and the lane waits to take it: it is the lane's.
                assert self._inbox is not None, "the lane is started by the inbox"
                taken = self._inbox.take()
                if taken is None:
                    self._layer_ready = False
                    return
                if taken.type != FRAME or not self._takes_frames or self.gate.state is not OPEN:
                    self._taken = taken
                elif self._send_frame(taken):
                    return
            bell.ring()

    def _send_frame(self, frame: "Snapshot") -> bool:
        """Send a finished frame for the layer lane, which waits. ``False`` where the lane has to go
        on with it."""
        gate, write = self.gate, self.gate.write
        if write is None or (on_wire := frame.frame()) is None or not write(on_wire):
            lane, context = self._layer_lane, self._layer_context
            assert lane is not None and context is not None, "it waits"  # noqa: PT018
            if self._client_context is not None:
                context.run(adopt, self._client_context)
                self._client_context = None
            try:
                self._begun = begin(gate.pass_on(frame.sendable()), self.loop, lane, context)
            except BaseException as error:
                if not isinstance(error, OSError) or not gate.lost(error):
                    self.fail(error)
                    lane.cancel()  # as if it had raised there: nothing follows
                    return True
                self._count_drop()
            if self._begun is not None:
                self._turn.taken = True
                return False
        self._layer_ready = False
        return True

    def _start_layer_lane(self, work: Work) -> None:
        # What the client lane last left, never the context of whoever sends.
        self._layer_context = self._client_context
        self._client_context = None
        self._layer_lane = self.loop.create_task(self._guard(work), context=self._layer_context)
        self._tasks.append(self._layer_lane)

    async def _follow_inbox(self) -> None:
        inbox, turn, strand = self._inbox, self._turn, self._strand
        assert inbox is not None, "the lane is started by the inbox"
        bell = self._bell = Doorbell(self.loop)
        while True:
            if turn.taken:
                await turn.take()
            turn.taken = True
            try:
                # Taken in its turn and not before: until then it counts, and expires, as unread.
                snapshot, self._taken = self._taken or inbox.take(), None
                if snapshot is not None:
                    await self._deliver(snapshot.message())
                    if self._phase >= CUT:
                        raise StopConsumer
            finally:
                if strand is not None and strand.used:
                    await self._tidy()
                if turn.waiting:
                    turn.give_back()
                else:
                    turn.taken = False
            if not inbox.empty():
                # A consumer that sends messages to itself does not keep the loop to itself.
                await asyncio.sleep(0)
                continue
            self._layer_ready = False
            try:
                await bell
            except asyncio.CancelledError as cancelled:
                if self._begun is None:
                    raise
                self._begun.interruption = cancelled
            if self._begun is not None:
                await self._finish_frame(self._begun)

    async def _finish_frame(self, begun: Begun) -> None:
        """Go on with a frame that the server did not take at once. It is the lane's turn."""
        self._begun = None
        if self._seen is not FRESH:
            self._be_seen()
        try:
            await begun
        except OSError as error:
            if not self.gate.lost(error):
                raise
            self._count_drop()
        finally:
            self._turn.give_back()

    async def _pump(self) -> None:
        receive: Callable[[], Awaitable[Message]] = self._consumer.channel_receive
        while True:
            self._layer_ready = False
            message = await receive()
            self._layer_ready = True
            # The loop goes round once for each message: an event of the client that is ready by
            # now comes first, and a layer that never waits does not keep the loop to itself.
            await asyncio.sleep(0)
            if not self._turn.take_nowait():
                await self._turn.take()
            try:
                await self._deliver(message)
                if self._phase >= CUT:
                    raise StopConsumer
            finally:
                if self._strand is not None and self._strand.used:
                    await self._tidy()
                self._turn.give_back()

    def _deliver(self, message: Message) -> Awaitable[Any]:
        """Handle one message of the layer. It is the lane's turn."""
        # Not a coroutine of its own: this is the path of every message to a group.
        if self._client_context is not None:
            adopt(self._client_context)
            self._client_context = None
        self._layer_ran = True
        if self._seen is not FRESH:
            self._be_seen()
        kind = message.get("type")
        if not self._overlaps and kind not in SPECIAL:
            return self._dispatch(message)
        if kind == FRAME and self._takes_frames:
            return self.gate.send_frame(message)
        return self._overlap(message) if self._overlaps else self._handle(message)

    def _count_drop(self, reason: str = "closed") -> None:
        if self._inbox is not None:
            self._inbox.count_drop(reason)

    async def _guard(self, work: Work) -> None:
        # Called here and not by whoever asks for the task: a connection can end before the task
        # ran for the first time, and a coroutine that nobody awaits is a warning.
        try:
            await work()
        except asyncio.CancelledError as cancelled:
            if self._phase < CUT:
                self.fail(cancelled)  # raised by the work itself: nobody asked for it
            raise
        except BaseException as error:
            self.fail(error)  # the client lane raises it


def adopt(context: contextvars.Context | None) -> None:
    """Set the current context's variables to what they are in ``context``."""
    for variable, value in () if context is None else context.items():
        if variable.get(_MISSING) is not value:
            variable.set(value)


_MISSING: Any = object()
