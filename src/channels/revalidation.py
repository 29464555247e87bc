"""Looking again, from time to time, whether those who are connected are still signed in.

``CHANNELS["REVALIDATE_SECONDS"]`` turns it on. A connection whose session has ended, or whose user
is gone, inactive or has another password, is closed with 4401.

However many are connected there is one timer for each event loop, and at most four connections are
looked at at the same time: each look is a query or two.
"""

import asyncio
import functools
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

from django.core.signals import setting_changed

from channels.alarms import Alarms
from channels.closing import SIGNED_OUT, SIGNED_OUT_REASON
from channels.conf import channels_setting
from channels.limits.presence import Presence
from channels.limits.rejections import Rejections
from channels.threads import strand

AT_ONCE = 4

failures: Rejections = Rejections()
"""Looks that failed. They close nothing: a database that is away for a minute must not send all
clients away."""


class Rounds:
    """The connections of one event loop that are due, and the looks under way."""

    def __init__(self) -> None:
        self._due: deque[Presence] = deque()
        self._under_way = 0

    def add(self, presence: Presence) -> None:
        """Look at a connection as soon as there is room."""
        self._due.append(presence)
        self._look()

    def _look(self) -> None:
        while self._due and self._under_way < AT_ONCE:
            presence = self._due.popleft()
            if presence.ended:
                continue
            self._under_way += 1
            look = presence.connection.start(functools.partial(_look_at, presence))
            look.add_done_callback(functools.partial(self._looked, presence))

    def _looked(self, presence: Presence, _: "asyncio.Task[None]") -> None:
        self._under_way -= 1
        watch(presence)
        self._look()


async def _look_at(presence: Presence) -> None:
    from channels.auth import is_still_signed_in  # which imports what closes connections

    user, scope = presence.user, presence.connection.scope
    if user is None:
        return
    try:
        async with strand():
            good = await is_still_signed_in(scope)
    except Exception as error:
        text = f"Nobody could see whether a user is still signed in, {type(error).__name__}"
        failures.note("revalidation", text, lambda: f"user {user!r}")
        return
    if not good and presence.user == user:
        connection = presence.connection
        connection.close_soon(SIGNED_OUT, SIGNED_OUT_REASON, grace=connection.grace())


def _ring(presence: Presence) -> None:
    loop = asyncio.get_running_loop()
    rounds = _rounds.get(loop)
    if rounds is None:
        rounds = _rounds[loop] = Rounds()
    rounds.add(presence)


_rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, Rounds] = WeakKeyDictionary()
_alarms: Alarms[Presence] = Alarms(_ring)


def watch(presence: Presence) -> None:
    """Look at a connection after each interval from now on, where the setting says so."""
    interval = _interval()
    if interval is not None and not presence.ended:
        _alarms.here(interval).watch(presence)


def forget(presence: Presence) -> None:
    """The connection has ended."""
    interval = _interval()
    if interval is not None:
        _alarms.here(interval).forget(presence)


@functools.cache
def _interval() -> float | None:
    interval: float | None = channels_setting("REVALIDATE_SECONDS")
    return interval


def _forget_interval(*, setting: str, **_: Any) -> None:
    if setting == "CHANNELS":
        _interval.cache_clear()


setting_changed.connect(_forget_interval)
