"""Where sync code runs: a bounded pool, serial for each connection.

asgiref sends thread-sensitive code (``sync_to_async``, Django's async ORM) of the whole process to
one thread unless a context says otherwise, so one slow query holds up every connection. Here each
connection has a :class:`Strand`: its calls run one after another, on whichever thread of the
:class:`Pool` is free, the one that it used last if possible.

Database connections belong to threads, so it is the threads that look after them: a thread closes
old ones before a strand's first call in a handler, and :meth:`Strand.close_old_connections` goes
back to exactly those threads that still hold one open.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync
from django.conf import settings
from django.core.signals import setting_changed
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from channels.conf import channels_setting

P = ParamSpec("P")
T = TypeVar("T")


Worker: TypeAlias = ThreadPoolExecutor
"""One thread that can be spoken to by itself. The standard library's executor brings what a bare
thread would lack: work in hand is finished at the interpreter's exit."""


class Pool:
    """At most ``size`` workers, started when they are needed, given to one strand at a time.

    A pool of one uses asgiref's own single thread, which the rest of the process uses too.
    """

    def __init__(self, size: int) -> None:
        self.lock: threading.Lock = threading.Lock()
        self._size = size
        self._started = 0
        self._idle: list[Worker] = []
        self._waiting: deque[Strand] = deque()

    def start(self, strand: "Strand") -> None:
        """Run ``strand`` as soon as a worker is free. The caller holds the lock."""
        worker = self._free_worker(strand.preferred)
        if worker is None:
            self._waiting.append(strand)
            return
        try:
            worker.submit(strand.run, worker)
        except RuntimeError:  # the system has no thread left, or the interpreter is going down
            self._give_up(worker)
            raise

    def next_after(self, worker: Worker) -> "Strand | None":
        """Who is to use ``worker`` now that a strand is done with it. The caller holds the lock."""
        if self._waiting:
            return self._waiting.popleft()
        self._idle.append(worker)
        return None

    def run_if_idle(self, worker: Worker, job: Callable[[], None]) -> Future[None] | None:
        """Run ``job`` on ``worker`` unless a strand has it; never waits for that strand."""
        with self.lock:
            if worker not in self._idle:
                return None
            self._idle.remove(worker)
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()
        worker.submit(self._run_job, worker, job, done)
        return done

    def take_turns(self, strand: "Strand") -> "Strand":
        """Who is to use the worker of ``strand``, which has more to do: whoever waits longest, so
        that nobody keeps a worker while others have none. The caller holds the lock."""
        if not self._waiting:
            return strand
        self._waiting.append(strand)
        return self._waiting.popleft()

    def _run_job(self, worker: Worker, job: Callable[[], None], done: Future[None]) -> None:
        error: BaseException | None = None
        try:
            job()
        except BaseException as raised:
            error = raised
        with self.lock:
            following = self.next_after(worker)
        done.set_result(None) if error is None else done.set_exception(error)
        if following is not None:
            following.run(worker)

    def _free_worker(self, preferred: Worker | None) -> Worker | None:
        if preferred is not None and preferred in self._idle:
            self._idle.remove(preferred)
            return preferred
        if self._idle:
            # The last one that came back: its caches and its database connection are warm.
            return self._idle.pop()
        if self._started == self._size:
            return None
        self._started += 1
        if self._size == 1:
            return SyncToAsync.single_thread_executor
        return Worker(1, thread_name_prefix=f"channels-sync-{self._started}")

    def _give_up(self, worker: Worker) -> None:
        self._started -= 1
        if worker is not SyncToAsync.single_thread_executor:
            worker.shutdown(wait=False, cancel_futures=True)


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

    # Every connection has one, and most never use it: no dictionary of attributes, and lists, which
    # take a tenth of a deque's memory. Few calls ever wait.
    __slots__ = (
        "_calls",
        "_ended",
        "_entered",
        "_helper",
        "_helping_calls",
        "_holding",
        "_pool",
        "_running",
        "preferred",
        "serves",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._calls: list[Call] = []
        self._helping_calls: list[Call] = []
        """Those that a call in hand may have to wait for, made where :data:`helping` is set."""
        self._running = False
        self._helper: threading.Event | None = None
        """Set for each new helping call; there while the call in hand is in :meth:`help_until`."""
        self._ended = False
        self._entered: list[Worker] = []
        self._holding: list[Worker] = []
        self.preferred: Worker | None = None
        self.serves: bool = False
        """Whether a consumer serves the connection already; others that it calls are part of it."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._enqueue(future, lambda: fn(*args, **kwargs))
        return future

    def _enqueue(self, reply: "Reply", call: Callable[[], Any], whole: bool = False) -> None:
        helps = helping.get()
        calls = self._helping_calls if helps else self._calls
        with self._pool.lock:
            calls.append((reply, call, whole))
            if not self._running:
                try:
                    self._pool.start(self)
                except RuntimeError:
                    calls.pop()
                    raise
                self._running = True
            elif helps and self._helper is not None:
                self._helper.set()

    def run(self, worker: Worker) -> None:
        """Work off what waits, on the thread of ``worker``, then pass the worker on."""
        strand: Strand | None = self
        while strand is not None:
            with self._pool.lock:
                call = (strand._helping_calls or strand._calls).pop(0)
            tell = strand._run_call(worker, *call)
            with self._pool.lock:
                following = strand._next_on(worker)
            # Only now: whoever is told must find the worker where it is to be from now on.
            tell()
            strand = following
            del call, tell

    def _next_on(self, worker: Worker) -> "Strand | None":
        """Who is to use ``worker`` after a call of this strand. The caller holds the lock."""
        if not (self._helping_calls or self._calls):
            self._running = False
            return self._pool.next_after(worker)
        return self._pool.take_turns(self)

    def _run_call(
        self, worker: Worker, future: "Reply", call: Callable[[], Any], whole: bool
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

    def _note_connections(self, worker: Worker) -> None:
        """Note what a call left behind, before its caller goes on."""
        left_open = _open_connections()
        if worker in self._holding:
            self._holding.remove(worker)
        if left_open:
            self._holding.append(worker)
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
                    call = self._helping_calls.pop(0) if self._helping_calls else None
                if call is None:
                    signal.wake.wait()
                else:
                    self._run_call(self.preferred, *call)()
                    _thread.strand = self
        finally:
            SyncToAsync.threadlocal.task_context = inherited
            with self._pool.lock:
                self._helper = outer

    @property
    def used(self) -> bool:
        """Whether a call was made since old connections were last closed."""
        return bool(self._entered or self._holding)

    async def close_old_connections(self) -> None:
        """Have every thread that this strand used close its old database connections.

        No thread is asked that holds none, nor one that another strand has by now: that one closes
        them before its own first call or after its handler, and may take its time. Called after a
        handler that used the strand, and at the connection's end.
        """
        self._entered.clear()
        workers, self._holding = self._holding, []
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
        return not self._future.cancelled()

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
    in_strand = getattr(_thread, "strand", None) is not None
    if in_strand and connection.vendor == "sqlite" and connection.is_in_memory_db():
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


helping: ContextVar[bool] = ContextVar("channels_helping", default=False)
"""Whether sync code of this context may be what a call in hand waits for."""

_thread = threading.local()
_current: ContextVar[Strand | None] = ContextVar("channels_strand", default=None)
_pool: Pool | None = None
_pool_lock = threading.Lock()


def current_strand() -> Strand | None:
    """The strand of the connection that this code belongs to, if it has one."""
    return _current.get()


class _Key:
    """What asgiref finds a strand by, in place of a ``ThreadSensitiveContext``.

    It holds the strand weakly by it: the strand lives as long as a context that knows the key. It
    is never left, because leaving one of asgiref's own makes thread-sensitive calls of tasks that
    outlive the connection raise.
    """

    __slots__ = ("__weakref__",)

    _exited = False


class strand:  # noqa: N801 - used like a function
    """An async context manager that gives the connection that is served inside a strand of its own;
    nested entries share it.

    Nothing is changed where thread-sensitive code has a place already: under ``async_to_sync`` (the
    caller's thread, so that Django's ``TestCase`` sees its transaction) and inside a
    ``ThreadSensitiveContext`` of somebody else.

    At the end old database connections are closed by the threads that hold them, whatever ended
    the block.
    """

    __slots__ = ("_key_token", "_own", "_token")

    async def __aenter__(self) -> None:
        self._own: Strand | None = None
        if not _wants_strand():
            return
        self._own = Strand(_get_pool())
        key: Any = _Key()
        executors: Any = SyncToAsync.context_to_thread_executor
        executors[key] = self._own
        self._key_token = SyncToAsync.thread_sensitive_context.set(key)
        self._token = _current.set(self._own)

    async def __aexit__(self, *exc_info: object) -> None:
        if self._own is not None:
            _current.reset(self._token)
            SyncToAsync.thread_sensitive_context.reset(self._key_token)
            await self._own.end()


def _wants_strand() -> bool:
    return (
        SyncToAsync.thread_sensitive_context.get(None) is None
        and waiting_thread() is None
        and asyncio.get_running_loop() not in AsyncToSync.loop_thread_executors
    )


def waiting_thread() -> Any:
    """The executor of the thread that waits in ``async_to_sync`` for this code, if one does."""
    return getattr(AsyncToSync.executors, "current", None)


def restore_waiting_thread(executor: Any) -> None:
    """Undo what a cancelled sync call left in the context.

    When a call is cancelled asgiref copies its context back, though the call runs on and may be in
    the middle of ``async_to_sync``. From then on sync code of this context would be sent to that
    call's thread, which does not take any more.
    """
    if waiting_thread() is not executor:
        AsyncToSync.executors.current = executor


def is_tended_thread() -> bool:
    """Whether somebody else looks after this thread's database connections.

    A strand that runs here does. So does a thread that waits in ``async_to_sync`` for a loop of its
    own: it may be in the middle of a test.
    """
    if getattr(_thread, "strand", None) is not None:
        return True
    thread = threading.current_thread()
    return any(
        getattr(executor, "_work_thread", None) is thread
        for executor in list(AsyncToSync.loop_thread_executors.values())
    )


def _get_pool() -> Pool:
    global _pool  # noqa: PLW0603 - one pool for the process, made when first needed
    with _pool_lock:
        if _pool is None:
            _pool = Pool(channels_setting("SYNC_THREADS"))
        return _pool


def _forget_pool_of_old_settings(*, setting: str, **_: Any) -> None:
    global _pool  # noqa: PLW0603
    if setting == "CHANNELS":
        # Strands that are alive keep the pool that they were made with.
        _pool = None


def _forget_pool_of_parent() -> None:
    """In a child made by ``fork`` the pool's threads do not exist, and its locks may be held."""
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


setting_changed.connect(_forget_pool_of_old_settings)
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_pool_of_parent)
