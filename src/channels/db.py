"""The database from async code: which thread, and which connections are closed when."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar, overload

# asgiref's own way to carry context variables and Locals between threads has no public name.
from asgiref.sync import (
    SyncToAsync,
    _restore_context,  # pyright: ignore[reportPrivateUsage]
    sync_to_async,
)
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from channels.strands import Strand
from channels.threads import current_strand, is_tended_thread

P = ParamSpec("P")
T = TypeVar("T")

NO_EXCEPTION = (None, None, None)
"""``sys.exc_info()`` of code that handles none."""


def close_old_connections(**kwargs: Any) -> None:
    """Close this thread's database connections that are unusable or older than ``CONN_MAX_AGE``.

    Django's function of the same name, except that a connection inside an atomic block is left
    alone: closing it would lose the caller's transaction. Raceway looks the name up in this module
    at each call, so that a test suite may replace it.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block and not _lives_in_memory(connection):
            connection.close_if_unusable_or_obsolete()


def _lives_in_memory(connection: BaseDatabaseWrapper) -> bool:
    # Django never closes such a connection. To ask whether it is old would be a use of the
    # database, which pytest-django forbids to tests that did not ask for one; the connection that
    # an earlier test left in a thread of the pool would fail them.
    return connection.vendor == "sqlite" and connection.is_in_memory_db()  # type: ignore[attr-defined]


class DatabaseSyncToAsync(SyncToAsync[P, T], Generic[P, T]):
    """``sync_to_async`` for code that uses the database.

    Inside a connection the thread's old database connections are closed before the first call of a
    handler and after the handler; elsewhere before and after each call, as upstream does. A thread
    that waits in ``async_to_sync`` keeps its connections: they are its caller's.
    """

    async def call_in(self, strand: Strand, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a whole handler in a strand.

        The same to the function as a call, and cheaper: nothing is asked and nothing is prepared
        that is known of a strand. The context crosses to the thread and back as asgiref has it.
        """
        context = copy_context()
        tasks: list[asyncio.Task[Any]] = []

        def inside() -> T:
            _restore_context(context)
            return self.func(*args, **kwargs)

        try:
            result: T = await strand.run_handler(
                partial(
                    self.thread_handler,
                    asyncio.get_running_loop(),
                    NO_EXCEPTION,
                    tasks,
                    context.run,
                    inside,
                )
            )
        except asyncio.CancelledError:
            # What the function waits for in async_to_sync() ends, and the function hears of it.
            for task in tasks:
                task.cancel()
            raise
        except BaseException:
            _restore_context(context)
            raise
        _restore_context(context)
        return result

    def thread_handler(self, loop: Any, *args: Any, **kwargs: Any) -> Any:
        if is_tended_thread():
            return super().thread_handler(loop, *args, **kwargs)  # type: ignore[no-untyped-call]
        close_old_connections()
        try:
            return super().thread_handler(loop, *args, **kwargs)  # type: ignore[no-untyped-call]
        finally:
            close_old_connections()


@overload
def database_sync_to_async(func: Callable[P, T], /) -> Callable[P, Coroutine[Any, Any, T]]: ...
@overload
def database_sync_to_async(
    func: Callable[P, T],
    thread_sensitive: bool = True,
    executor: Any = None,
    context: Context | None = None,
) -> Callable[P, Coroutine[Any, Any, T]]: ...
@overload
def database_sync_to_async(
    func: None = None,
    thread_sensitive: bool = True,
    executor: Any = None,
    context: Context | None = None,
) -> Callable[[Callable[P, T]], Callable[P, Coroutine[Any, Any, T]]]: ...
def database_sync_to_async(
    func: Any = None,
    thread_sensitive: bool = True,
    executor: Any = None,
    context: Context | None = None,
) -> Any:
    """Make a function that uses the database awaitable; a decorator with and without arguments.

    ``thread_sensitive=True`` runs the calls of one connection one after another in Raceway's
    bounded pool (see :mod:`channels.threads`); ``False`` in ``executor``, or the loop's default
    one. ``context`` is the :class:`contextvars.Context` to run in instead of the caller's.

    Cancellation: the function is not interrupted; the awaiting task is cancelled once it returned.
    """
    if func is None:
        return lambda f: DatabaseSyncToAsync(f, thread_sensitive, executor, context)
    return DatabaseSyncToAsync(func, thread_sensitive, executor, context)


async def aclose_old_connections() -> None:
    """Close old database connections in each thread that this connection's sync code used.

    Costs no thread hop where none was used. Outside a connection: in the thread that
    ``sync_to_async`` uses.
    """
    strand = current_strand()
    if strand is not None:
        await strand.close_old_connections()
    else:
        await sync_to_async(lambda: close_old_connections())()  # noqa: PLW0108 - looked up late
