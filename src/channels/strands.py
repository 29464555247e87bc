"""A strand: the serial lane in which one connection's sync code runs.

Database connections belong to threads, so it is the threads that look after them: a thread closes
old ones before a strand's first call in a handler, and :meth:`Strand.close_old_connections` goes
back to exactly those threads that still hold one open.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

from asgiref.sync import SyncToAsync
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from channels.pool import AnyWorker, Pool

P = ParamSpec("P")
T = TypeVar("T")


class Signal:
    """Tells one thread, which waits, that what it waits for is there."""

    __slots__ = ("given", "wake")

    def __init__(self) -> None:
        self.given: bool = False
        self.wake: threading.Event = threading.Event()
        """Set when to look at :attr:`given`, or at whatever else the thread does meanwhile."""

    def give(self) -> None:
        self.given = True
        self.wake.set()


class Strand:
    """The serial lane of one connection: at most one call at a time, in the order of ``submit``.

    To asgiref it is an executor. A task that outlives the connection may go on using it; then old
    database connections are closed before and after each call.
    """

    # Every connection has one, and most never use it: no dictionary of attributes; lists, which
    # take a tenth of a deque's memory, where few calls ever wait; tuples, which take nothing while
    # they are empty, where there is hardly ever anything.
    __slots__ = (
        "_calls",
        "_ended",
        "_entered",
        "_helper",
        "_helping_calls",
        "_holding",
        "_pool",
        "_running",
        "_worker",
        "preferred",
        "serves",
        "used",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._calls: list[Call] = []
        self._helping_calls: tuple[Call, ...] = ()
        """Those that a call in hand may have to wait for, made where :data:`helping` is set."""
        self._running = False
        self._helper: threading.Event | None = None
        """Set for each new helping call; there while the call in hand is in :meth:`help_until`."""
        self._ended = False
        self._entered: list[AnyWorker] = []
        self._holding: tuple[AnyWorker, ...] = ()
        self.used: bool = False
        """Whether a call was made since old connections were last closed."""
        self._worker: AnyWorker | None = None
        """The one that is in the call in hand."""
        self.preferred: AnyWorker | None = None
        self.serves: bool = False
        """Whether a consumer serves the connection already; others that it calls are part of it."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._enqueue(future, lambda: fn(*args, **kwargs))
        return future

    def _enqueue(self, reply: "Reply", call: Callable[[], Any], whole: bool = False) -> None:
        helps = helping.get()
        with self._pool.lock:
            if not self._running:
                self._pool.start(self)
                self._running = True
            if helps:
                self._helping_calls = (*self._helping_calls, (reply, call, whole))
            else:
                self._calls.append((reply, call, whole))
            if helps and self._helper is not None:
                self._helper.set()

    def _next_call(self) -> "Call":
        """Take what is to be run next. The caller holds the lock, and something waits."""
        if not self._helping_calls:
            return self._calls.pop(0)
        call, *others = self._helping_calls
        self._helping_calls = tuple(others)
        return call

    def run(self, worker: AnyWorker) -> None:
        """Work off what waits, on the thread of ``worker``, then pass the worker on."""
        strand: Strand | None = self
        while strand is not None:
            with self._pool.lock:
                call = strand._next_call()
                strand._worker = worker
            tell = strand._run_call(worker, *call)
            with self._pool.lock:
                following = strand._next_on(worker)
            # Only now: whoever is told must find the worker where it is to be from now on.
            tell()
            strand = following
            del call, tell

    def _next_on(self, worker: AnyWorker) -> "Strand | None":
        """Who is to use ``worker`` after a call of this strand. The caller holds the lock."""
        self._worker = None
        if worker.left_behind:
            self._pool.take_back(worker)
        if not (self._helping_calls or self._calls):
            self._running = False
            return self._pool.next_after(worker)
        return self._pool.take_turns(self)

    def _run_call(
        self, worker: AnyWorker, future: "Reply", call: Callable[[], Any], whole: bool
    ) -> Callable[[], None]:
        """Run one call; the result tells its caller the outcome.

        Args:
            whole: it is a handler of its own, with a beginning and an end.
        """
        if not future.set_running_or_notify_cancel():
            return lambda: None
        self.preferred = worker
        _thread.strand = self
        try:
            alone = whole or self._ended
            if alone:
                _tend()
            elif worker not in self._entered:
                _close_old_connections()
                self._entered.append(worker)
                self.used = True
            try:
                result = call()
            finally:
                if alone:
                    _tend()
        except BaseException as error:
            tell = partial(future.set_exception, _awaitable(error))
        else:
            tell = partial(future.set_result, result)
        _thread.strand = None
        if not alone:  # pyright: ignore[reportPossiblyUnboundVariable]
            self._note_connections(worker)
        return tell

    def _note_connections(self, worker: AnyWorker) -> None:
        """Note what a call left behind, before its caller goes on."""
        left_open = _open_connections()
        others = tuple(holding for holding in self._holding if holding is not worker)
        self._holding = (*others, worker) if left_open else others
        if left_open:
            self.used = True
        if any(connection.errors_occurred for connection in left_open):
            # It may be broken, and a task that runs for hours has no handler that ends: the next
            # call is to look.
            self._entered = [entered for entered in self._entered if entered is not worker]

    async def run_handler(self, handler: Callable[[], T]) -> T:
        """Run a whole handler as one call, and close old database connections before and after it
        on its own thread.

        Cancellation: the handler is not interrupted; the strand's next call comes after it.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._enqueue(_Reply(loop, future), handler, whole=True)
        return await future

    @property
    def busy(self) -> bool:
        """Whether a thread is in one of the strand's calls."""
        return self._worker is not None

    def leave_behind(self) -> str | None:
        """Do not count on the thread that is in the call in hand: the pool may start another in its
        place, until that call returns.

        The strand's further calls still come after it; who cannot wait for that takes a new strand.

        Returns where the thread is, as a traceback says it, or ``None`` if there is no such call.
        """
        with self._pool.lock:
            worker = self._worker
            if worker is None or worker.left_behind:
                return None
            self._pool.leave_behind(worker)
        return worker.stack()

    def sibling(self) -> "Strand":
        """A new strand in the same pool."""
        return Strand(self._pool)

    @property
    def is_here(self) -> bool:
        """Whether this thread is in the middle of one of the strand's calls."""
        return getattr(_thread, "strand", None) is self

    def help_until(self, signal: "Signal") -> None:
        """Wait for ``signal``, inside one of the strand's calls.

        Calls made where :data:`helping` is set are run here, because what is waited for may depend
        on them: a middleware's ``send`` that uses the database, for example. asgiref's
        ``async_to_sync`` does the same. Other calls of the connection wait: those of a task that
        runs beside the handler must not land in the middle of the handler's transaction.
        """
        assert self.preferred is not None, "the call in hand has a worker"
        inherited = getattr(SyncToAsync.threadlocal, "task_context", None)
        with self._pool.lock:
            outer, self._helper = self._helper, signal.wake
        try:
            while True:
                signal.wake.clear()
                if signal.given:
                    return
                with self._pool.lock:
                    call = self._next_call() if self._helping_calls else None
                if call is None:
                    signal.wake.wait()
                else:
                    self._run_call(self.preferred, *call)()
                    _thread.strand = self
        finally:
            SyncToAsync.threadlocal.task_context = inherited
            with self._pool.lock:
                self._helper = outer

    async def close_old_connections(self) -> None:
        """Have every thread that this strand used close its old database connections.

        No thread is asked that holds none, nor one that another strand has by now: that one closes
        them before its own first call or after its handler, and may take its time. Called after a
        handler that used the strand, and at the connection's end.
        """
        self.used = False
        self._entered.clear()
        workers, self._holding = self._holding, ()
        under_way = [
            asyncio.wrap_future(done)
            for worker in workers
            if (done := self._pool.run_if_idle(worker, _close_old_connections)) is not None
        ]
        for closed in under_way:
            await closed

    async def end(self) -> None:
        """The connection has ended; leave no old database connection behind."""
        self._ended = True
        if self.used:
            await asyncio.shield(self.close_old_connections())


class _Reply(Generic[T]):
    """Brings the outcome of a call to a future of the loop that waits for it: what
    ``concurrent.futures.Future`` does for any number of waiters, at a third of the cost."""

    __slots__ = ("_future", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]") -> None:
        self._loop = loop
        self._future = future

    def set_running_or_notify_cancel(self) -> bool:
        # A handler whose event was taken runs, whether or not its caller was cancelled before a
        # thread was free: it may be the one and only disconnect().
        return True

    def set_result(self, result: T) -> None:
        self._tell(self._future.set_result, result)

    def set_exception(self, error: BaseException) -> None:
        self._tell(self._future.set_exception, error)

    def _tell(self, tell: Callable[[Any], None], outcome: Any) -> None:
        # A RuntimeError means that the loop is closed, and with it whoever waited.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle, tell, outcome)

    def _settle(self, tell: Callable[[Any], None], outcome: Any) -> None:
        if not self._future.done():
            tell(outcome)


Reply: TypeAlias = "Future[Any] | _Reply[Any]"
Call: TypeAlias = tuple[Reply, Callable[[], Any], bool]


def _awaitable(error: BaseException) -> BaseException:
    """``error``, or what stands for it where it cannot come out of an ``await``: a handler that
    calls ``next()`` on nothing would leave its caller waiting for ever."""
    if not isinstance(error, StopIteration):
        return error
    instead = RuntimeError("sync code raised StopIteration")  # as coroutines do, PEP 479
    instead.__cause__ = error
    return instead


def _open_connections() -> list[BaseDatabaseWrapper]:
    """The database connections that this thread holds open."""
    # Django takes microseconds to say that there are none, for every message. And without settings,
    # where nobody can have opened one, it refuses to be asked.
    if not getattr(_thread, "uses_database", True) or not settings.configured:
        return []
    found = [c for c in connections.all(initialized_only=True) if c.connection is not None]
    _thread.uses_database = bool(found)
    return found


@receiver(connection_created)
def _note_use_of_database(connection: Any, **_: Any) -> None:
    _thread.uses_database = True
    if in_strand() and connection.vendor == "sqlite" and connection.is_in_memory_db():
        # Django never closes such a connection, so it outlives the test that used it. To ask
        # whether it is old, as Django does around each request, is a use of the database, which
        # pytest-django forbids to a later test that asked for none.
        connection.close_if_unusable_or_obsolete = lambda: None


def _tend() -> None:
    """Close old connections if this thread holds any."""
    if _open_connections():
        _close_old_connections()


def _close_old_connections() -> None:
    if not settings.configured:
        return
    # Looked up at each call: test suites replace the name in channels.db.
    from channels import db

    db.close_old_connections()


def in_strand() -> bool:
    """Whether this thread is in a call of some strand."""
    return getattr(_thread, "strand", None) is not None


_thread = threading.local()

helping: ContextVar[bool] = ContextVar("channels_helping", default=False)
"""Whether sync code of this context may be what a call in hand waits for."""
