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
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeAlias, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext
from django.core.signals import setting_changed
from django.db import connections

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
        self.lock = threading.Lock()
        self._size = size
        self._started = 0
        self._idle: list[Worker] = []
        self._waiting: deque[Strand] = deque()

    def start(self, strand: "Strand") -> None:
        """Run ``strand`` as soon as a worker is free. The caller holds the lock."""
        worker = self._free_worker(strand.preferred)
        if worker is None:
            self._waiting.append(strand)
        else:
            worker.submit(strand.run, worker)

    def next_after(self, worker: Worker) -> "Strand | None":
        """Who is to use ``worker`` now that a strand is done with it. The caller holds the lock."""
        if self._waiting:
            return self._waiting.popleft()
        self._idle.append(worker)
        return None

    @property
    def contended(self) -> bool:
        return bool(self._waiting)

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


class Strand(Executor):
    """The serial lane of one connection: at most one call at a time, in the order of ``submit``.

    It has no end of its own: a task that outlives the connection may go on using it.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._running = False
        self._entered: set[Worker] = set()
        self._holding: set[Worker] = set()
        self.preferred: Worker | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        with self._pool.lock:
            self._calls.append((future, lambda: fn(*args, **kwargs)))
            if not self._running:
                self._running = True
                self._pool.start(self)
        return future

    def run(self, worker: Worker) -> None:
        """Work off what waits, on the thread of ``worker``, then pass the worker on."""
        following: Strand | None = self
        while following is not None:
            following = following._run_turn(worker)

    def _run_turn(self, worker: Worker) -> "Strand | None":
        """Run calls until none is left or others wait; return the strand whose turn is next."""
        self.preferred = worker
        while True:
            with self._pool.lock:
                if not self._calls:
                    self._running = False
                    return self._pool.next_after(worker)
                future, call = self._calls.popleft()
            self._run_call(worker, future, call)
            del future, call
            with self._pool.lock:
                if self._calls and self._pool.contended:
                    following = self._pool.next_after(worker)
                    self._pool.start(self)
                    return following

    def _run_call(self, worker: Worker, future: Future[Any], call: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        _thread.strand = self
        try:
            if worker not in self._entered:
                _close_old_connections()
                self._entered.add(worker)
            result = call()
        except BaseException as error:
            self._leave(worker)
            future.set_exception(error)
        else:
            self._leave(worker)
            future.set_result(result)

    def _leave(self, worker: Worker) -> None:
        """Note what the call left behind, before its caller goes on."""
        _thread.strand = None
        if any(c.connection is not None for c in connections.all(initialized_only=True)):
            self._holding.add(worker)
        else:
            self._holding.discard(worker)

    @property
    def used(self) -> bool:
        """Whether a call was made since old connections were last closed."""
        return bool(self._entered)

    async def close_old_connections(self) -> None:
        """Have every thread that this strand used close its old database connections.

        No thread is asked that holds none. Called after a handler that used the strand, and at the
        connection's end.
        """
        self._entered.clear()
        workers = list(self._holding)
        self._holding.clear()
        for worker in workers:
            await asyncio.wrap_future(worker.submit(_close_old_connections))


def _close_old_connections() -> None:
    # Looked up at each call: test suites replace the name in channels.db.
    from channels import db

    db.close_old_connections()


_thread = threading.local()
_current: ContextVar[Strand | None] = ContextVar("channels_strand", default=None)
_pool: Pool | None = None
_pool_lock = threading.Lock()


def current_strand() -> Strand | None:
    """The strand of the connection that this code belongs to, if it has one."""
    return _current.get()


@asynccontextmanager
async def strand() -> AsyncIterator[None]:
    """Give the connection that is served inside a strand of its own; nested entries share it.

    Nothing is changed where thread-sensitive code has a place already: under ``async_to_sync`` (the
    caller's thread, so that Django's ``TestCase`` sees its transaction) and inside a
    ``ThreadSensitiveContext`` of somebody else.

    At the end old database connections are closed by the threads that hold them, whatever ended
    the block.
    """
    if not _wants_strand():
        yield
        return
    own = Strand(_get_pool())
    # asgiref finds the executor by this key and holds it weakly: the strand lives as long as a
    # context that knows the key. The context is not *entered*, because leaving it would make
    # thread-sensitive calls of tasks that outlive the connection raise.
    key = ThreadSensitiveContext()
    SyncToAsync.context_to_thread_executor[key] = own
    key_token = SyncToAsync.thread_sensitive_context.set(key)
    token = _current.set(own)
    try:
        yield
    finally:
        _current.reset(token)
        SyncToAsync.thread_sensitive_context.reset(key_token)
        if own.used:
            await asyncio.shield(own.close_old_connections())


def _wants_strand() -> bool:
    return (
        SyncToAsync.thread_sensitive_context.get(None) is None
        and getattr(AsyncToSync.executors, "current", None) is None
        and asyncio.get_running_loop() not in AsyncToSync.loop_thread_executors
    )


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


def _forget_pool(*, setting: str, **_: Any) -> None:
    global _pool  # noqa: PLW0603
    if setting == "CHANNELS":
        # Strands that are alive keep the pool that they were made with.
        _pool = None


setting_changed.connect(_forget_pool)
