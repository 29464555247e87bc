"""Timers for many at the price of one: everything that is to be looked at after the same period."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from channels.layers.deadlines import Deadlines

K = TypeVar("K")


class Alarm(Generic[K]):
    """Calls ``ring`` with each key one period after it was put under watch, on one event loop.

    However many are watched there is one timer, and none while nobody is. Use it on one loop.
    """

    def __init__(self, period: float, ring: Callable[[K], None]) -> None:
        # The loop is not kept: the table below would then keep every loop alive.
        self._period = period
        self._ring = ring
        self._deadlines: Deadlines[K] = Deadlines(period)
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, key: K) -> None:
        """Ring for ``key`` one period from now, unless it is under watch already."""
        loop = asyncio.get_running_loop()
        self._deadlines.watch(key, loop.time())
        if self._timer is None:
            # In a context of its own: it is nobody's in particular of those that are watched.
            self._timer = loop.call_later(self._period, self._go_off, context=Context())

    def forget(self, key: K) -> None:
        """Do not ring for ``key``; silent where it is not under watch."""
        self._deadlines.forget(key)
        if self._timer is not None and not self._deadlines:
            self._timer.cancel()
            self._timer = None

    def _go_off(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        # Loops call up to the resolution of their clock too early; uvloop's counts milliseconds.
        now = loop.time() + 0.001
        due: list[K] = []
        while (key := self._deadlines.pop_due(now)) is not None:
            due.append(key)
        following = self._deadlines.next_due()
        if following is not None:
            self._timer = loop.call_at(following, self._go_off, context=Context())
        for key in due:
            self._ring(key)


class Alarms(Generic[K]):
    """An alarm for each loop and period, made when it is first needed."""

    def __init__(self, ring: Callable[[K], None]) -> None:
        self._ring = ring
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, Alarm[K]]] = (
            WeakKeyDictionary()
        )

    def here(self, period: float) -> Alarm[K]:
        """That of the running loop for this period, in seconds."""
        loop = asyncio.get_running_loop()
        alarms = self._by_loop.setdefault(loop, {})
        alarm = alarms.get(period)
        if alarm is None:
            alarm = alarms[period] = Alarm(period, self._ring)
        return alarm
