"""How a connection ends: one way, whatever the reason.

In this order: what runs beside is stopped, a thread that does not come back is left behind,
``on_error`` is asked, the client is told, and the consumer is given the event of its end. A
cancellation by the server in the middle of one step does not keep the next from being taken; it is
raised again after the last one.
"""

import asyncio
import functools
import logging
import math
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.functional import LazyObject, empty

from channels.conf import channels_setting
from channels.denial import deny
from channels.direct import direct_write
from channels.exceptions import StopConsumer
from channels.gate import OPEN, WAITING
from channels.layer_lane import LayerLane, Phase
from channels.statistics import count
from channels.strands import Strand
from channels.threads import restore_waiting_thread, use_strand
from channels.typing import Message, Scope, Send

if TYPE_CHECKING:
    import contextvars

    from channels.ahead import ReadAhead
    from channels.outbox import Outbox

logger: logging.Logger = logging.getLogger("django.channels")

NORMAL_CLOSURE = 1000
ABNORMAL_CLOSURE = 1006
INTERNAL_ERROR = 1011

NOT_SENT = frozenset({1004, 1005, 1006, 1015})
"""Codes that no close frame may hold (RFC 6455, section 7.4.1)."""

LAST_WORD = 1.0
"""Seconds that the server may take for what ends the connection: a client that reads nothing keeps
it waiting for ever. And seconds that what was cancelled may take to end."""


class Verdict(NamedTuple):
    """How a connection ends."""

    code: int
    reason: str = ""
    tell: bool = False
    """Whether the client is told; it may be the one who has gone."""


class Ending(LayerLane):
    """The end of a :class:`~channels.connection.Connection`."""

    __slots__ = (
        "_ahead",
        "_client_task",
        "_consumer",
        "_context",
        "_departure",
        "_farewell",
        "_overlapping",
        "_owed",
        "_parting",
        "_siblings",
        "_waiting_thread",
        "outbox",
        "scope",
    )

    def __init__(
        self,
        consumer: Any,
        scope: Scope,
        send: Send,
        *,
        takes_frames: bool,
        strand: Strand | None,
        dispatch: Callable[[Message], Awaitable[Any]],
        tidy: Callable[[], Awaitable[None]],
        waiting_thread: Any,
    ) -> None:
        super().__init__(
            send,
            takes_frames=takes_frames,
            strand=strand,
            dispatch=dispatch,
            tidy=tidy,
            write=direct_write(scope, send),
        )
        self.scope: Scope = scope
        self.outbox: Outbox | None = None
        """What a sync consumer sends; the next handler begins when it is empty."""
        self._consumer = consumer
        self._siblings: list[Strand] | None = None
        """Further strands, of handlers that overlap."""
        self._overlapping: set[asyncio.Task[None]] | None = None
        self._waiting_thread = waiting_thread
        self._ahead: ReadAhead | None = None
        self._client_task: asyncio.Task[Any] | None = None
        self._context: contextvars.Context | None = None
        """What the context was before the first event."""
        self._owed: str | None = None
        """The type of the event that the consumer has to get at the end."""
        self._departure: Message | BaseException | None = None
        """The client's own end, which was read and not handled yet."""
        self._farewell: tuple[int, str] | None = None
        """Code and reason, where the connection is closed from outside."""
        self._parting: asyncio.Task[None] | None = None

    def send_by(self, outbox: "Outbox") -> None:
        """From now on a handler has ended when what it put into ``outbox`` was taken."""
        self.outbox = outbox
        self._dispatch = functools.partial(_dispatch_and_flush, self._dispatch, outbox)

    def grace(self) -> float:
        """Seconds that a handler may go on for when nobody waits for it any more."""
        own: float | None = self._consumer.grace_seconds
        seconds: float = channels_setting("GRACE_SECONDS") if own is None else own
        return seconds

    def grace_limit(self) -> float | None:
        """The grace as a limit, which it is not if it is infinite."""
        seconds = self.grace()
        return None if math.isinf(seconds) else seconds

    @abstractmethod
    def _depart(self, end: Message | BaseException) -> None:
        """Note that the client has gone, while a handler is in hand."""

    @abstractmethod
    def _is_cancelled(self) -> bool:
        """Whether the server wants the task cancelled."""

    async def _end(self, failure: BaseException | None) -> BaseException | None:
        """Take every step of the end; return what is to leave the application."""
        before = self._phase
        was_cut = before == Phase.CUT
        self._phase = Phase.ENDING
        cancelled = self._is_cancelled()
        if self.outbox is not None and (cancelled or was_cut):
            self.outbox.close()  # a handler that waits for the client must not be waited for
        restore_waiting_thread(self._waiting_thread)
        beside = [*self._tasks, *(self._overlapping or ())]
        if self._ahead is not None and self._ahead.task is not None:
            beside.append(self._ahead.task)
        for task in beside:
            task.cancel()
        await _wait(beside, LAST_WORD)
        if cancelled or was_cut:
            await self._settle_threads(LAST_WORD / 2 if was_cut else self.grace_limit())
        failure, verdict = await self._judge(failure, before)
        if verdict.tell:
            with suppress(asyncio.CancelledError):
                await self._tell_client(verdict, decided=failure is None)
        if self._owed is not None:
            error = await self._say_goodbye(self._owed, failure, verdict)
            if failure is None:
                failure = error
            else:
                log_lost(error)
        if self._inbox is not None:
            self._inbox.close()
        if self._parting is not None:
            beside.append(self._parting)
        await self._wait_for_late_ones([task for task in beside if not task.done()])
        return failure

    async def _judge(
        self, failure: BaseException | None, before: Phase
    ) -> tuple[BaseException | None, Verdict]:
        """What is to leave the application, and what client and consumer are told."""
        if failure is None:
            if isinstance(self._departure, BaseException):
                return None, Verdict(ABNORMAL_CLOSURE)
            if self._farewell is None:
                # A server that is not told may leave the client's side open for ever.
                return None, Verdict(NORMAL_CLOSURE, tell=self._departure is None)
            code, reason = self._farewell
            return None, Verdict(code, reason, tell=True)
        if isinstance(failure, asyncio.CancelledError) and self._is_cancelled():
            return failure, Verdict(ABNORMAL_CLOSURE)
        if before == Phase.TOLD:
            return failure, Verdict(INTERNAL_ERROR)  # of disconnect(): it was over by then
        failure, code = await self._ask_consumer(failure)
        return failure, Verdict(code, tell=True)

    async def _settle_threads(self, limit: float | None) -> None:
        """Wait for sync code of handlers that nobody waits for any more, for ``limit`` seconds;
        then leave it behind and go on with another strand."""
        if self._strand is None:
            return
        busy = [s for s in (self._strand, *(self._siblings or ())) if s.busy]
        with suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(limit):
                for strand in busy:
                    await strand.run_handler(_nothing)
        for strand in busy:
            self._leave_behind(strand)

    def _leave_behind(self, strand: Strand) -> None:
        stack = strand.leave_behind()
        if stack is None:
            return
        count("handlers.left_behind")
        logger.warning(
            "A sync handler of %s has outlived its connection (path %r) and is left behind in its "
            "thread. What it sends goes nowhere. It is here:\n%s",
            type(self._consumer).__qualname__,
            self.scope.get("path"),
            stack,
        )
        if strand is self._strand:
            self._strand = strand.sibling()
            use_strand(self._strand)

    async def _ask_consumer(self, failure: BaseException) -> tuple[BaseException | None, int]:
        """Ask ``on_error``; what is to leave the application then, and the code for the client."""
        if not isinstance(failure, Exception):
            return failure, INTERNAL_ERROR
        try:
            async with asyncio.timeout(self.grace_limit()):
                code = await self._consumer.ask_on_error(failure)
            if code is None:
                return failure, INTERNAL_ERROR
            if _is_sendable(code):
                return None, code
            raise ValueError(
                f"{type(self._consumer).__qualname__}.on_error() returned {code!r:.200}; return a "
                "close code from 1000 to 4999 that may be sent, or None to let the exception go on."
            )
        except asyncio.CancelledError:
            return failure, INTERNAL_ERROR
        except Exception as error:
            if error is not failure and error.__context__ is None:
                error.__context__ = failure
            return error, INTERNAL_ERROR

    async def _tell_client(self, verdict: Verdict, *, decided: bool) -> None:
        """Close the client's side.

        Args:
            decided: somebody decided on the code, and no exception leaves the application: servers
                have to be told before ``accept`` too.
        """
        try:
            async with asyncio.timeout(LAST_WORD):
                await self._last_word(verdict, decided=decided)
        except Exception:  # the connection may be gone, and what ended it is the news
            logger.debug("The client could not be told of the end.", exc_info=True)

    async def _last_word(self, verdict: Verdict, *, decided: bool) -> None:
        code, reason = verdict.code, verdict.reason
        gate, is_websocket = self.gate, self.scope.get("type") == "websocket"
        if is_websocket and gate.state is OPEN:
            event: Message = {"type": "websocket.close", "code": code}
            await gate.send(event | {"reason": reason} if reason else event)
        elif not decided:
            return  # servers answer what fails before it has answered
        elif is_websocket and gate.state is WAITING:
            if self._farewell is not None:
                await deny(self.scope, gate.send, 503, reason)
            else:
                await gate.send({"type": "websocket.close", "code": code})
        elif gate.is_event_stream and gate.state is OPEN:
            await gate.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _say_goodbye(
        self, ending: str, failure: BaseException | None, verdict: Verdict
    ) -> Exception | None:
        """Give the consumer the event of its end; return what that raised.

        It is the client's own if that has left, else one made by us. Under cancellation the
        consumer gets at most its grace, and its error is a line in the log.
        """
        event: Message = {"type": ending}
        if failure is None and isinstance(self._departure, dict):
            event = self._departure
        elif ending == "websocket.disconnect":
            event |= {"code": verdict.code, "reason": verdict.reason}
        if self._layer_ran:
            self._adopt_layer_context()
        limit = self.grace_limit() if self._is_cancelled() else None
        try:
            async with asyncio.timeout(limit):
                try:
                    await self._handle(event)
                finally:
                    if self._strand is not None and self._strand.used:
                        await self._tidy()
        except StopConsumer:
            return None
        except asyncio.CancelledError:
            if not self._is_cancelled():
                raise
        except Exception as error:
            if not self._is_cancelled():
                return error
            self._log_in_a_line(error)
        if self._is_cancelled():
            await self._settle_threads(0)  # it may be a thread that the limit was too short for
        return None

    def _log_in_a_line(self, error: Exception) -> None:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        logger.error(
            "%s.disconnect() failed while the server cancelled the connection: %r (%s, line %s)",
            type(self._consumer).__qualname__,
            error,
            where.tb_frame.f_code.co_filename if where is not None else "?",
            where.tb_lineno if where is not None else "?",
        )

    async def _wait_for_late_ones(self, late: list[asyncio.Task[None]]) -> None:
        """Let nothing outlive the application's task: that is how servers and tests know that a
        connection is over. Under cancellation the grace is the limit."""
        await _wait(late, self.grace_limit() if self._is_cancelled() else None)
        for task in late:
            if not task.done():
                logger.warning(
                    "%s left a task behind that does not end when it is cancelled: %r",
                    type(self._consumer).__qualname__,
                    task.get_coro(),
                )

    def _part(self) -> None:
        """Say goodbye beside a handler that does not end when it is cancelled."""
        context = self._client_context or self._context
        assert context is not None, "set before the first event"
        goodbye = self._say_goodbye_beside()
        self._parting = self.loop.create_task(goodbye, context=context.copy())

    async def _say_goodbye_beside(self) -> None:
        if self._strand is not None and self._strand.busy:
            use_strand(self._strand.sibling())
        ending, self._owed = self._owed, None
        if ending is not None:
            log_lost(await self._say_goodbye(ending, None, Verdict(ABNORMAL_CLOSURE)))
        if self._inbox is not None:
            self._inbox.close()

    def _explain(self, failure: BaseException) -> None:
        if isinstance(failure, asyncio.CancelledError):
            return
        user = self.scope.get("user")
        if isinstance(user, LazyObject) and user.__dict__.get("_wrapped") is empty:
            user = None  # to look it up now could need the database that just failed
        name, path = type(self._consumer).__qualname__, self.scope.get("path")
        failure.add_note(
            f"In consumer {name}, path {path!r:.200}, user id {getattr(user, 'pk', None)!r}."
        )

    @abstractmethod
    def _adopt_layer_context(self) -> None:
        """Take over what the layer lane left in the context variables."""


async def _dispatch_and_flush(
    dispatch: Callable[[Message], Awaitable[Any]], outbox: "Outbox", message: Message
) -> None:
    try:
        await dispatch(message)
    except Exception:
        try:
            await outbox.flush()
        except Exception as error:
            log_lost(error)
        raise
    await outbox.flush()


async def _wait(tasks: list[asyncio.Task[None]], limit: float | None) -> None:
    if tasks:
        with suppress(asyncio.CancelledError):
            await asyncio.wait(tasks, timeout=limit)


def _nothing() -> None:
    """A call that comes after what is in hand."""


def _is_sendable(code: Any) -> bool:
    return (
        isinstance(code, int)
        and not isinstance(code, bool)
        and 1000 <= code <= 4999
        and code not in NOT_SENT
    )


def which_leaves(*raised: BaseException | None) -> BaseException | None:
    """Of what ended the connection, in that order: the first, and an error before the server's
    cancellation. The others are logged."""
    failures = [
        error
        for error in dict.fromkeys(raised)
        if error is not None and not isinstance(error, StopConsumer)
    ]
    failures.sort(key=lambda error: isinstance(error, asyncio.CancelledError))
    for error in failures[1:]:
        log_lost(error)
    return failures[0] if failures else None


def log_lost(error: BaseException | None) -> None:
    """Log what cannot leave the application, because something else does."""
    if isinstance(error, Exception) and not isinstance(error, StopConsumer):
        logger.error("Another error ended the connection before this one.", exc_info=error)
