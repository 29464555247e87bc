"""Where sync code runs: a bounded pool, serial for each connection.

asgiref sends thread-sensitive code (``sync_to_async``, Django's async ORM) of the whole process to
one thread unless a context says otherwise, so one slow query holds up every connection. Here each
connection has a :class:`~channels.strands.Strand`: its calls run one after another, on whichever
thread of the :class:`~channels.pool.Pool` is free, the one that it used last if possible.
"""

import asyncio
import os
import threading
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any, cast

from asgiref.sync import AsyncToSync, SyncToAsync
from django.core.signals import setting_changed

from channels.conf import channels_setting
from channels.pool import Pool, PoolState
from channels.strands import Strand, in_strand

_current: ContextVar[Strand | None] = ContextVar("channels_strand", default=None)
_pool: Pool | None = None
_pool_lock = threading.Lock()


def pool_state() -> PoolState:
    """How many threads there are, and how many of them are left behind in a call."""
    return _get_pool().state()


def current_strand() -> Strand | None:
    """The strand of the connection that this code belongs to, if it has one."""
    return _current.get()


def use_strand(strand: Strand) -> None:
    """Let the sync code of this context run in ``strand`` from now on."""
    key: Any = _Key()
    executors: Any = SyncToAsync.context_to_thread_executor
    executors[key] = strand
    SyncToAsync.thread_sensitive_context.set(key)
    _current.set(strand)


class _Key:
    """What asgiref finds a strand by, in place of a ``ThreadSensitiveContext``.

    It holds the strand weakly by it: the strand lives as long as a context that knows the key. It
    is never left, because leaving one of asgiref's own makes thread-sensitive calls of tasks that
    outlive the connection raise.
    """

    __slots__ = ("__weakref__",)

    _exited = False


def strand() -> AbstractAsyncContextManager[None]:
    """An async context manager, to be entered at once, that gives the connection that is served
    inside a strand of its own; nested entries share it.

    Nothing is changed where thread-sensitive code has a place already: under ``async_to_sync`` (the
    caller's thread, so that Django's ``TestCase`` sees its transaction) and inside a
    ``ThreadSensitiveContext`` of somebody else.

    At the end old database connections are closed by the threads that hold them, whatever ended
    the block.
    """
    # Neither is of the abstract class, whose instances have a dictionary each.
    entry: Any = _OwnStrand() if _wants_strand() else _WITHIN
    return cast("AbstractAsyncContextManager[None]", entry)


class _OwnStrand:
    """An entry that has brought a strand."""

    __slots__ = ("_key_token", "_own", "_token")

    async def __aenter__(self) -> None:
        self._own = Strand(_get_pool())
        key: Any = _Key()
        executors: Any = SyncToAsync.context_to_thread_executor
        executors[key] = self._own
        self._key_token = SyncToAsync.thread_sensitive_context.set(key)
        self._token = _current.set(self._own)

    async def __aexit__(self, *exc_info: object) -> None:
        _current.reset(self._token)
        SyncToAsync.thread_sensitive_context.reset(self._key_token)
        await self._own.end()


async def _nothing(*exc_info: object) -> None:
    """What is to be done around a nested entry."""


class _Within:
    """A nested entry. There is one for all, without a bound method for each that is inside: it is
    part of what an idle connection takes."""

    __aenter__ = staticmethod(_nothing)
    __aexit__ = staticmethod(_nothing)


_WITHIN = _Within()


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
    if in_strand():
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
