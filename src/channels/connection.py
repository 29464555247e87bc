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
"""

import asyncio
import contextvars
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from django.utils.functional import LazyObject, empty

from channels.begun import Begun, begin
from channels.denial import deny
from channels.doorbell import Doorbell
from channels.exceptions import StopConsumer
from channels.gate import OPEN, WAITING, Gate
from channels.live import live_here
from channels.statistics import count
from channels.strands import Strand
from channels.threads import current_strand, restore_waiting_thread, waiting_thread
from channels.turn import Turn
from channels.typing import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from channels.layers.base import Inbox
    from channels.limits.meter import Meter
    from channels.outbox import Outbox

logger: logging.Logger = logging.getLogger("django.channels")

ENDINGS = ("websocket.disconnect", "http.disconnect")
"""Events after which nothing comes any more."""

BOUNDARIES = (*ENDINGS, "websocket.connect")

NORMAL_CLOSURE = 1000
ABNORMAL_CLOSURE = 1006
INTERNAL_ERROR = 1011

LAST_WORD = 1.0
"""Seconds that the server may take for what ends the connection: a client that reads nothing keeps
it waiting for ever."""

Work = Callable[[], Coroutine[Any, Any, None]]


class Connection:
    """Drives a consumer through one connection.

    Args:
        consumer: whose connection it is.
        dispatch: runs the handler of an event.
        takes_frames: whether a layer message of type ``websocket.send`` goes to the client without
            asking ``dispatch``.
        tidy: closes old database connections; called after a handler that used sync code.
    """

    __slots__ = (
        "_begun",
        "_bell",
        "_client_context",
        "_client_task",
        "_client_waits",
        "_consumer",
        "_dispatch",
        "_ended",
        "_ending",
        "_failure",
        "_farewell",
        "_inbox",
        "_interrupted",
        "_layer_context",
        "_layer_lane",
        "_layer_ran",
        "_layer_ready",
        "_owed",
        "_receive",
        "_stopping",
        "_strand",
        "_takes_frames",
        "_tasks",
        "_tidy",
        "_turn",
        "_waiting_thread",
        "gate",
        "loop",
        "meter",
        "outbox",
        "scope",
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
        self.scope: Scope = scope
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.gate: Gate = Gate(send, self._count_drop)
        self.outbox: Outbox | None = None
        """What a sync consumer sends; the next handler begins when it is empty."""
        self.meter: Meter | None = None
        """Looks at every event of the client before its handler does; set before run()."""
        self._consumer = consumer
        self._dispatch = dispatch
        self._receive = receive
        self._takes_frames = takes_frames
        self._tidy = tidy
        self._strand = current_strand()
        self._waiting_thread = waiting_thread()
        self._turn = Turn()
        self._inbox: Inbox | None = None
        self._bell: Doorbell | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._client_task: asyncio.Task[Any] | None = None
        self._client_waits = False
        self._client_context: contextvars.Context | None = None
        self._layer_context: contextvars.Context | None = None
        self._layer_lane: asyncio.Task[None] | None = None
        self._layer_ran = False
        self._layer_ready = False
        self._begun: Begun | None = None
        self._interrupted = False
        self._stopping = False
        self._ended = False
        self._ending = False
        self._failure: BaseException | None = None
        self._owed: str | None = None
        self._farewell: tuple[int, str] | None = None

    # What the consumer sets up before run().

    def listen(self, layer: Any, channel: str, receive: Callable[[], Awaitable[Message]]) -> None:
        """Take messages from ``channel`` too: by being told of them where the layer can, else by a
        pump that awaits ``receive``, one message at a time."""
        self._client_context = contextvars.copy_context()
        attach = getattr(layer, "attach", None)
        self._inbox = attach(channel, self._wake) if attach is not None else None
        if self._inbox is None:
            self._start_layer_lane(functools.partial(self._pump, receive))

    async def run(self) -> None:
        """Serve until the connection ends.

        Raises:
            Exception: what a handler raised, once ``disconnect`` has run and the groups are left.
            asyncio.CancelledError: the server cancelled the task.
        """
        task = asyncio.current_task()
        assert task is not None, "asyncio runs coroutines in tasks"
        self._client_task = task
        cancels_before = task.cancelling()
        failure: BaseException | None = None
        live = live_here().connections
        live.add(self)
        try:
            await self._follow_client()
        except BaseException as error:  # raised again below, after the end
            failure = error
        # fail() cancels this task to get it out of receive(). If that was the only request, nobody
        # outside wants the task cancelled.
        if self._interrupted and task.uncancel() <= cancels_before:
            failure = None
        cancelled = task.cancelling() > cancels_before
        failure = self._which_leaves(failure)
        try:
            failure = await self._end(failure, cancelled)
        except asyncio.CancelledError:
            if failure is None:
                raise
        finally:
            if self.outbox is not None:
                self.outbox.close()
            if self._inbox is not None:
                self._inbox.close()
            live.discard(self)
        if failure is not None:
            self._explain(failure)
            try:
                raise failure
            finally:
                del failure  # the frame would hold the exception that holds the frame

    # What the consumer's handlers may ask for.

    def lane_strand(self) -> Strand | None:
        """The strand for the sync code of a handler that runs in one of the lanes. ``None``
        elsewhere, where sync code may belong to another place: that is asgiref's to find out."""
        if self._strand is None:
            return None
        task = asyncio.current_task()
        return self._strand if task is self._client_task or task is self._layer_lane else None

    def owe(self, ending: str) -> None:
        """See to it that the consumer gets an event of type ``ending``, whatever ends the
        connection: the client's own, or one made by us."""
        self._owed = ending

    def start(self, work: Work) -> "asyncio.Task[None]":
        """Run ``work()`` beside the handlers. If it raises, the connection ends with that; when the
        connection ends it is cancelled."""
        task = self.loop.create_task(self._guard(work))
        self._tasks = [other for other in self._tasks if not other.done()]
        self._tasks.append(task)
        return task

    def stop_soon(self) -> None:
        """End the connection, without an error, after the handler in hand if there is one."""
        if not (self._stopping or self._ending):
            self._stopping = True
            self.start(self._stop)

    def close_soon(self, code: int, reason: str = "", *, grace: float | None = None) -> None:
        """End the connection from outside: the client is told ``code`` and ``reason``, and so is
        ``disconnect``. An open event stream is completed, so that its client connects again.

        The handler in hand goes on to its end before, for ``grace`` seconds at most (None: without
        a bound); then it is cancelled. A WebSocket that was not accepted yet is denied with a 503.
        Call it on the connection's loop. Where the connection ends already it does nothing.
        """
        if not (self._stopping or self._ending):
            self._stopping = True
            self._farewell = (code, reason)
            self.start(functools.partial(self._stop, grace))

    async def _stop(self, grace: float | None = None) -> None:
        try:
            async with asyncio.timeout(grace):
                await self._turn.take()
        except TimeoutError:
            if not self._client_waits and self._client_task is not None:
                self._interrupted = True
                self._client_task.cancel()
            if self.outbox is not None:
                self.outbox.close()  # the handler may wait for a client that reads nothing
        self.fail(StopConsumer())

    def fail(self, error: BaseException) -> None:
        """End the connection with ``error``; the first one counts, others are logged."""
        if self._failure is not None or self._ending:
            _log_lost(error)
            return
        self._failure = error
        if self._client_waits and self._client_task is not None:
            self._interrupted = True
            self._client_task.cancel()

    # The client lane.

    async def _follow_client(self) -> None:
        receive, turn, meter, strand = self._receive, self._turn, self.meter, self._strand
        while self._failure is None:
            self._client_waits = True
            message = await receive()
            if meter is not None and not meter.admits(message):
                message = await meter.hold_back(message, receive)
            if turn.taken:
                await turn.take()
            turn.taken = True
            self._client_waits = False
            if self._layer_ran:
                self._adopt_layer_context()
            try:
                await self._handle(message)
            finally:
                if strand is not None and strand.used:
                    await self._tidy()
                if self._client_context is not None or self._layer_context is not None:
                    self._client_context = contextvars.copy_context()
                turn.give_back()
            if self._ended:
                return
            if self._layer_ready:
                # Neither receive() nor a handler has to give way to the loop; the other lane would
                # wait as long as there is something to receive.
                await asyncio.sleep(0)
        raise self._failure

    def _adopt_layer_context(self) -> None:
        self._layer_ran = False
        _adopt(self._layer_context)

    def _handle(self, message: Message) -> Awaitable[Any]:
        """Run the handler of one event. The caller has the turn, and tidies up."""
        # Not a coroutine of its own: this is the path of every event.
        kind = message.get("type")
        if kind in BOUNDARIES:
            self._note(kind)
        if self.outbox is None:
            return self._dispatch(message)
        return self._handle_and_flush(message, self.outbox)

    async def _handle_and_flush(self, message: Message, outbox: "Outbox") -> None:
        try:
            await self._dispatch(message)
        except Exception:
            try:
                await outbox.flush()
            except Exception as error:
                _log_lost(error)
            raise
        await outbox.flush()

    def _note(self, kind: str) -> None:
        """Keep account of what the consumer has been told."""
        if kind == "websocket.connect":
            self._owed = "websocket.disconnect"
            count("connections.opened")
            return
        self._owed = None
        self._ended = True
        if kind == "websocket.disconnect":
            count("connections.ended")
            self.gate.close()

    # The layer lane.

    def _wake(self) -> None:
        """A message was put into the mailbox. Called on this loop, in the sender's context."""
        self._layer_ready = True
        bell = self._bell
        if bell is not None:
            if bell.waiting and not (self._takes_frames and self._send_frames()):
                bell.ring()
        elif self._layer_context is None and not (self._ended or self._ending):
            # The last two, because another thread's call may come after the end.
            self._start_layer_lane(self._follow_inbox)

    def _send_frames(self) -> bool:
        """Send the finished frames that wait, for the layer lane, which waits too. ``False`` where
        the lane has to see to what is there."""
        inbox, lane, context, gate = self._inbox, self._layer_lane, self._layer_context, self.gate
        assert inbox is not None and lane is not None and context is not None  # noqa: PT018
        while not self._turn.taken and gate.state is OPEN:
            frame = inbox.take("websocket.send")
            if frame is None:
                return False
            if self._client_context is not None:
                context.run(_adopt, self._client_context)
                self._client_context = None
            try:
                begun = begin(gate.send(frame.message()), self.loop, lane, context)
            except BaseException as error:
                self.fail(error)
                lane.cancel()  # as if it had raised there: nothing follows
                return True
            if begun is not None:
                self._begun = begun
                self._turn.taken = True
                return False
            if inbox.empty():
                self._layer_ready = False
                return True
        return False

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
                snapshot = inbox.take()
                if snapshot is not None:
                    await self._deliver(snapshot.message())
                    if self._ended:
                        raise StopConsumer
            finally:
                if strand is not None and strand.used:
                    await self._tidy()
                turn.give_back()
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
        try:
            await begun
        finally:
            self._turn.give_back()

    async def _pump(self, receive: Callable[[], Awaitable[Message]]) -> None:
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
                if self._ended:
                    raise StopConsumer
            finally:
                if self._strand is not None and self._strand.used:
                    await self._tidy()
                self._turn.give_back()

    def _deliver(self, message: Message) -> Awaitable[Any]:
        """Handle one message of the layer. It is the lane's turn."""
        # Not a coroutine of its own: this is the path of every message to a group.
        if self._client_context is not None:
            _adopt(self._client_context)
            self._client_context = None
        self._layer_ran = True
        if self._takes_frames and message.get("type") == "websocket.send":
            return self.gate.send_frame(message)
        return self._handle(message)

    def _count_drop(self) -> None:
        if self._inbox is not None:
            self._inbox.count_drop("closed")

    async def _guard(self, work: Work) -> None:
        # Called here and not by whoever asks for the task: a connection can end before the task
        # ran for the first time, and a coroutine that nobody awaits is a warning.
        try:
            await work()
        except asyncio.CancelledError as cancelled:
            if not (self._ended or self._ending):
                self.fail(cancelled)  # raised by the work itself: nobody asked for it
            raise
        except BaseException as error:
            self.fail(error)  # the client lane raises it

    # The end.

    def _which_leaves(self, raised: BaseException | None) -> BaseException | None:
        """Of what ended the client lane from beside and what it raised: the first, and an error
        before the server's cancellation."""
        failures = [
            error
            for error in dict.fromkeys((self._failure, raised))
            if error is not None and not isinstance(error, StopConsumer)
        ]
        failures.sort(key=lambda error: isinstance(error, asyncio.CancelledError))
        for error in failures[1:]:
            _log_lost(error)
        return failures[0] if failures else None

    async def _end(self, failure: BaseException | None, cancelled: bool) -> BaseException | None:
        """Stop what runs beside, close the client, and let the consumer say goodbye: once.

        Returns what is to leave the application: ``failure``, or where there was none what the
        consumer's goodbye raised.
        """
        self._ending = True
        if self.outbox is not None and cancelled:
            self.outbox.close()  # a handler that waits for the client must not be waited for
        restore_waiting_thread(self._waiting_thread)
        reason = ""
        if failure is None:
            code, reason = self._farewell or (NORMAL_CLOSURE, "")
        elif cancelled and isinstance(failure, asyncio.CancelledError):
            code = ABNORMAL_CLOSURE
        else:
            code = INTERNAL_ERROR
        try:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
            if code == INTERNAL_ERROR or (failure is None and self._farewell is not None):
                await self._tell_client(code, reason)
        finally:
            if self._owed is not None:
                error = await self._say_goodbye(self._owed, code, reason)
                if failure is None:
                    failure = error
                else:
                    _log_lost(error)
        return failure

    async def _tell_client(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(LAST_WORD):
                await self._last_word(code, reason)
        except Exception:  # the connection may be gone, and what ended it is the news
            logger.debug("The client could not be told of the end.", exc_info=True)

    async def _last_word(self, code: int, reason: str) -> None:
        gate, is_websocket = self.gate, self.scope.get("type") == "websocket"
        if is_websocket and gate.state is OPEN:
            event: Message = {"type": "websocket.close", "code": code}
            await gate.send(event | {"reason": reason} if reason else event)
        elif self._farewell is None:
            return  # servers answer what fails before it has answered
        elif is_websocket and gate.state is WAITING:
            await deny(self.scope, gate.send, 503, reason)
        elif gate.is_event_stream and gate.state is OPEN:
            await gate.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _say_goodbye(self, ending: str, code: int, reason: str) -> Exception | None:
        """Make the consumer the event of its end; returns what that raised."""
        event: Message = {"type": ending}
        if ending == "websocket.disconnect":
            event |= {"code": code, "reason": reason}
        if self._layer_ran:
            self._adopt_layer_context()
        try:
            try:
                await self._handle(event)
            finally:
                if self._strand is not None and self._strand.used:
                    await self._tidy()
        except StopConsumer:
            return None
        except Exception as error:
            return error
        return None

    def _explain(self, failure: BaseException) -> None:
        if isinstance(failure, asyncio.CancelledError):
            return
        user = self.scope.get("user")
        if isinstance(user, LazyObject) and user.__dict__.get("_wrapped") is empty:
            user = None  # to look it up now could need the database that just failed
        failure.add_note(
            f"In consumer {type(self._consumer).__qualname__}, path {self.scope.get('path')!r}, "
            f"user id {getattr(user, 'pk', None)!r}."
        )


def _log_lost(error: BaseException | None) -> None:
    """Log what cannot leave the application, because something else does."""
    if isinstance(error, Exception) and not isinstance(error, StopConsumer):
        logger.error("Another error ended the connection before this one.", exc_info=error)


def _adopt(context: contextvars.Context | None) -> None:
    """Set the current context's variables to what they are in ``context``."""
    for variable, value in () if context is None else context.items():
        if variable.get(_MISSING) is not value:
            variable.set(value)


_MISSING: Any = object()
