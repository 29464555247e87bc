"""Which event loop uses which link to the broker.

A link lives on one loop. A loop that has mailboxes owns one, because messages arrive there; and so
does one loop that only sends but lasts, because each call through another thread costs a tenth of a
millisecond. Everybody else, sync code and loops that come and go, shares the link of the background
loop. So a process that only sends has at most two.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeAlias, TypeVar
from weakref import ref

from asgiref.sync import AsyncToSync

from channels.layers.background import background, running_loop
from channels.layers.forks import forget_after_fork, keep_inherited
from channels.layers.loop_end import Watch, at_loop_end

L = TypeVar("L")
P = ParamSpec("P")
T = TypeVar("T")

Loop: TypeAlias = asyncio.AbstractEventLoop

CALLS_THAT_LAST = 16
"""A loop that makes more calls than this in succession is not one that was made for a call."""


class _Owned(NamedTuple, Generic[L]):
    link: L
    end: Watch


class Links(Generic[L]):
    """The links of one layer, at most one for each loop.

    Args:
        make: returns a link for the running loop. Must not wait; the link connects when it is used.
        close: ends a link; called on the link's own loop, when that loop ends or in :meth:`close`.
    """

    def __init__(self, make: Callable[[], L], close: Callable[[L], Awaitable[object]]) -> None:
        self._make = make
        self._close = close
        self._begin()
        forget_after_fork(self)

    def claim(self) -> L:
        """The link of the running loop, which has one of its own from now on.

        Raises:
            RuntimeError: no loop runs.
        """
        loop = asyncio.get_running_loop()
        owned = self._owned.get(loop)
        if owned is not None:
            return owned.link
        with self._lock:
            # Loops that were closed without a word to anybody.
            for other in [other for other in self._owned if other.is_closed()]:
                del self._owned[other]
            link = self._make()
            self._owned[loop] = _Owned(link, at_loop_end(partial(self._drop, loop)))
        return link

    async def call(
        self,
        function: Callable[Concatenate[L, P], Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """``await function(link, …)`` with the link that is right for the caller, on that link's
        loop. Blocks the thread where no loop runs; see
        :meth:`~channels.layers.background.Background.call`, also for cancellation.
        """
        here = running_loop()
        if here is not None:
            owned = self._owned.get(here)
            if owned is not None:
                return await function(owned.link, *args, **kwargs)
            if background.runs(here) or self._lasts(here):
                return await function(self.claim(), *args, **kwargs)

        async def call_there() -> T:
            return await function(self.claim(), *args, **kwargs)

        return await background.call(call_there)

    def links(self) -> list[L]:
        """Every link there is, whatever its loop."""
        return [owned.link for owned in list(self._owned.values())]

    async def close(self) -> None:
        """End every link; a later call makes new ones.

        This waits for the running loop's and the background loop's. Those of others, which may
        stand still, end when their loops come to it.
        """
        here = asyncio.get_running_loop()
        for loop, owned in list(self._owned.items()):
            if loop is here:
                await owned.end.aclose()
            elif background.runs(loop):
                await background.call(_close, owned.end)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(self._close_soon, owned.end)

    def forget_inherited(self) -> None:
        keep_inherited(self._owned)
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._owned: dict[Loop, _Owned[L]] = {}
        self._lasting: ref[Loop] | None = None
        self._caller: ref[Loop] | None = None
        self._calls = 0
        self._closing: set[asyncio.Task[None]] = set()

    def _close_soon(self, end: Watch) -> None:
        closing = asyncio.ensure_future(_close(end))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _lasts(self, loop: Loop) -> bool:
        """Whether ``loop`` is to have a link though it only sends; asked at each call of one that
        has none."""
        if loop in AsyncToSync.loop_thread_executors:
            return False  # made by async_to_sync, for as long as its caller waits
        with self._lock:
            if self._caller is None or self._caller() is not loop:
                self._caller, self._calls = ref(loop), 0
            self._calls += 1
            if self._calls <= CALLS_THAT_LAST:
                return False
            lasting = None if self._lasting is None else self._lasting()
            if lasting is not None and lasting in self._owned and not lasting.is_closed():
                return False
            self._lasting = self._caller
            return True

    async def _drop(self, loop: Loop) -> None:
        owned = self._owned.pop(loop, None)
        if owned is not None:
            await self._close(owned.link)


async def _close(end: Watch) -> None:
    await end.aclose()
