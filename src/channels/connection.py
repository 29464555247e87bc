"""The life of one connection: events in, one handler at a time, and exactly one end.

A connection has two lanes. The *client lane* is the task in which the server called us; it awaits
the server's ``receive()`` and runs the handlers of what comes. The *layer lane* is a task that is
made when the first message arrives from the channel layer; it runs the handlers of those. An idle
connection is one task, and no message costs a task, a timer or a thread.

Why two tasks and not one that waits for both: ``receive()`` may be wrapped by middleware in
timeouts, cancel scopes and spans that belong to the task that awaits it. A handler that ran in the
same task while ``receive()`` is pending would be cancelled by such a timeout, or close such a
scope.

The lanes take turns (:class:`~channels.turn.Turn`), and each begins with what the other left in the
context variables, so that for the handlers the connection is one context.

A handler that runs for long is noticed by the loop's :class:`~channels.watch.Watch`. Then another
task receives ahead (:class:`~channels.ahead.ReadAhead`), to learn whether the client is still
there. If it is not, the handler gets its grace and is cancelled.
"""

import asyncio
import contextvars
import functools
import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from channels.ahead import ReadAhead
from channels.boundaries import BOUNDARIES, is_ending
from channels.ending import LAST_WORD, log_lost, which_leaves
from channels.exceptions import StopConsumer
from channels.layer_lane import CUT, FRESH, Phase, Seen, adopt
from channels.layers.senders import begin_sender
from channels.live import live_here
from channels.overlap import Overlap
from channels.statistics import count
from channels.strands import Strand
from channels.threads import current_strand, waiting_thread
from channels.typing import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from channels.limits.meter import Meter

logger: logging.Logger = logging.getLogger("django.channels")


class Waits(Enum):
    """What the client lane waits for, if it has no handler in hand."""

    NOT = "not"
    FOR_CLIENT = "for the client"
    FOR_TURN = "for its turn, with an event"


NOT, FOR_CLIENT, FOR_TURN = Waits


class Connection(Overlap):
    """Drives a consumer through one connection.

    Args:
        consumer: whose connection it is.
        dispatch: runs the handler of an event.
        takes_frames: whether a layer message of type ``websocket.send`` goes to the client without
            asking ``dispatch``.
        tidy: closes old database connections; called after a handler that used sync code.
    """

    __slots__ = (
        "_cancels_before",
        "_cut_at",
        "_failure",
        "_interruptions",
        "_receive",
        "_waits",
        "meter",
    )

    def __init__(
        self,
        consumer: Any,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        dispatch: Callable[[Message], Awaitable[Any]],
        takes_frames: bool,
        tidy: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(
            consumer,
            scope,
            send,
            takes_frames=takes_frames,
            strand=current_strand(),
            dispatch=dispatch,
            tidy=tidy,
            waiting_thread=waiting_thread(),
        )
        self.meter: Meter | None = None
        """Looks at every event of the client before its handler does; set before run()."""
        self._receive = receive
        self._waits = NOT
        self._cancels_before = 0
        self._interruptions = 0
        self._failure: BaseException | None = None
        self._cut_at: float | None = None
        """When the handler in hand is cut, by the watch's clock."""

    async def run(self) -> None:
        """Serve until the connection ends.

        Raises:
            Exception: what a handler raised, once ``disconnect`` has run and the groups are left.
            asyncio.CancelledError: the server cancelled the task.
        """
        task = asyncio.current_task()
        assert task is not None, "asyncio runs coroutines in tasks"
        self._client_task = task
        self._cancels_before = task.cancelling()
        # What a server's task has sent before is nothing that a connection's messages come after.
        begin_sender()
        self._context = contextvars.copy_context()
        failure: BaseException | None = None
        live = live_here().connections
        live.add(self)
        try:
            await self._follow_client()
        except BaseException as error:  # raised again below, after the end
            failure = error
        # Nobody outside wants what we cancelled ourselves, to get the task out of receive() or out
        # of a handler.
        for _ in range(self._interruptions):
            task.uncancel()
        if (
            self._interruptions
            and isinstance(failure, asyncio.CancelledError)
            and not self._is_cancelled()
        ):
            failure = None
        # What a handler makes of a cancellation is not what ended the connection.
        cancelled_first = self._is_cancelled() and self._failure is None
        gone = self._departure if isinstance(self._departure, Exception) else None
        failure = which_leaves(self._failure, failure, gone)
        try:
            failure = await self._end(failure)
        finally:
            if self.outbox is not None:
                self.outbox.close()
            if self._inbox is not None:
                self._inbox.close()
            live.discard(self)
            self._watch.leave(self)
        if failure is None and self._is_cancelled():
            raise asyncio.CancelledError
        if cancelled_first and isinstance(failure, Exception):
            self._explain(failure)
            logger.error("A handler failed while the server cancelled it.", exc_info=failure)
            raise asyncio.CancelledError
        if failure is not None:
            self._explain(failure)
            try:
                raise failure
            finally:
                del failure  # the frame would hold the exception that holds the frame

    def _is_cancelled(self) -> bool:
        task = self._client_task
        return task is not None and task.cancelling() > self._cancels_before

    # What the consumer's handlers may ask for.

    def lane_strand(self) -> Strand | None:
        """The strand for the sync code of a handler that runs in one of the lanes. ``None``
        elsewhere, where sync code may belong to another place: that is asgiref's to find out."""
        if self._strand is None:
            return None
        task = asyncio.current_task()
        if task is self._client_task or task is self._layer_lane:
            return self._strand
        if self._overlapping and task in self._overlapping:
            return current_strand()
        return None

    def owe(self, ending: str) -> None:
        """See to it that the consumer gets an event of type ``ending``, whatever ends the
        connection: the client's own, or one made by us."""
        self._owed = ending

    def stop_soon(self) -> None:
        """End the connection, without an error, after the handler in hand if there is one."""
        if self._phase == Phase.SERVING:
            self._phase = Phase.STOPPING
            self.start(self._stop)

    def close_soon(self, code: int, reason: str = "", *, grace: float | None = None) -> bool:
        """End the connection from outside: the client is told ``code`` and ``reason``, and so is
        ``disconnect``. An open event stream is completed, so that its client connects again.

        The handler in hand goes on to its end before, for ``grace`` seconds at most (None: without
        a bound); then it is cancelled. A WebSocket that was not accepted yet is denied with a 503.
        Call it on the connection's loop. Where the connection ends already it does nothing and
        returns ``False``.
        """
        if self._phase != Phase.SERVING:
            return False
        self._phase = Phase.STOPPING
        self._farewell = (code, reason)
        self.start(functools.partial(self._stop, grace))
        return True

    async def _stop(self, grace: float | None = None) -> None:
        try:
            async with asyncio.timeout(grace):
                await self._turn.take()
        except TimeoutError:
            self._cut()
        self.fail(StopConsumer())

    def fail(self, error: BaseException) -> None:
        """End the connection with ``error``; the first one counts, others are logged."""
        if self._failure is not None or self._phase == Phase.ENDING:
            log_lost(error)
            return
        self._failure = error
        if self._waits is not NOT:
            self._interrupt()

    def _interrupt(self) -> None:
        """Get the client lane out of whatever it awaits."""
        if self._client_task is not None:
            self._interruptions += 1
            self._client_task.cancel()

    # The client lane.

    async def _follow_client(self) -> None:
        receive, turn, meter, strand = self._receive, self._turn, self.meter, self._strand
        while self._failure is None:
            self._waits = FOR_CLIENT
            message = await receive() if self._ahead is None else await self._next_ahead()
            if meter is not None and not meter.admits(message):
                message = await meter.hold_back(message, self._next_event)
            if turn.taken:
                await self._wait_for_turn(message)
            turn.taken = True
            self._waits = NOT
            if self._seen is not FRESH:
                self._be_seen()
            if self._layer_ran:
                self._adopt_layer_context()
            try:
                await (self._overlap(message) if self._overlaps else self._handle(message))
            finally:
                if strand is not None and strand.used:
                    await self._tidy()
                if self._client_context is not None or self._layer_context is not None:
                    self._client_context = contextvars.copy_context()
                if turn.waiting:
                    turn.give_back()
                else:
                    turn.taken = False
            if self._phase >= CUT:
                return
            if self._layer_ready:
                # Neither receive() nor a handler has to give way to the loop; the other lane would
                # wait as long as there is something to receive.
                await asyncio.sleep(0)
        raise self._failure

    def _next_event(self) -> Awaitable[Message]:
        return self._receive() if self._ahead is None else self._next_ahead()

    async def _next_ahead(self) -> Message:
        ahead = self._ahead
        assert ahead is not None, "asked before"
        message = await ahead.next()
        if ahead.is_empty:
            self._ahead = None
        return message

    async def _wait_for_turn(self, message: Message) -> None:
        """Wait for the other lane's handler.

        Raises:
            StopConsumer: that was cut, so that no other handler begins.
        """
        self._waits = FOR_TURN
        if is_ending(message):
            self._depart(message)
        await self._turn.take()
        if self._phase == CUT:
            self._turn.give_back()
            raise StopConsumer

    def _adopt_layer_context(self) -> None:
        self._layer_ran = False
        adopt(self._layer_context)

    def _handle(self, message: Message) -> Awaitable[Any]:
        """Run the handler of one event. The caller has the turn, and tidies up."""
        # Not a coroutine of its own: this is the path of every event.
        kind = message.get("type")
        if kind != "websocket.receive" and kind in BOUNDARIES:
            self._note(kind)
        return self._dispatch(message)

    def _note(self, kind: str) -> None:
        """Keep account of what the consumer has been told."""
        if kind == "websocket.connect":
            self._owed = "websocket.disconnect"
            count("connections.opened")
            return
        self._owed = None
        self._phase = max(self._phase, Phase.TOLD)
        if kind == "websocket.disconnect":
            count("connections.ended")
            self.gate.close()

    # A handler that runs for long.

    def look(self, now: float) -> bool:
        """See :class:`channels.watch.Watched`."""
        if self._phase >= Phase.TOLD or not self._turn.taken:
            self._seen = Seen.NOTHING
            return False
        if self._cut_at is not None:
            if self._phase < CUT and now >= self._cut_at:
                self._cut()
            elif self._phase == CUT and now >= self._cut_at + LAST_WORD and self._parting is None:
                self._part()
        elif self._seen == FRESH:
            self._seen = Seen.RUNNING
        elif self._waits is not FOR_CLIENT:
            self._read_ahead()
        return True

    def _read_ahead(self) -> None:
        if self._ahead is None:
            assert self._context is not None, "set before the first event"
            context = self._client_context or self._context
            self._ahead = ReadAhead(self._receive, context, is_ending, self._depart)
        self._ahead.go_on()

    def _depart(self, end: Message | BaseException) -> None:
        """The client has gone, and a handler is in hand: its time runs from now on."""
        if self._phase >= CUT or self._departure is not None:
            return
        self._departure = end
        if self.scope.get("type") == "websocket":
            self.gate.close()
        self._cut_at = now = self._watch.clock()
        try:
            self._cut_at = now + self.grace()
        except Exception as error:  # a setting that is none; there is no time then
            self.fail(error)

    def _cut(self) -> None:
        """Cancel the handler in hand, in whichever lane."""
        self._phase = CUT
        count("handlers.cut")
        if self._cut_at is None:
            self._cut_at = self._watch.clock()
        if self.outbox is not None:
            self.outbox.close()  # what it sends goes nowhere, and it waits for no room
        if self._waits is NOT:
            self._interrupt()
        elif self._layer_lane is not None:
            self._layer_lane.cancel()
