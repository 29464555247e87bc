"""Say goodbye to everybody: new WebSockets are denied, those that are open are closed by and by."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from channels.conf import channels_setting
from channels.connection import Connection
from channels.draining.plan import Limits, moments, spread_over
from channels.live import Ends, Live, live_here

logger: logging.Logger = logging.getLogger("django.channels.drain")

SERVICE_RESTART = 1012
REASON = "The server is restarting."

LOOK_EVERY = 0.02
"""Seconds between two looks at what is left."""


@dataclass(frozen=True)
class Drained:
    """What came of a drain."""

    told: int
    """WebSockets and event streams that were closed by the drain."""
    late: int
    """Those of them that had not ended when it gave up waiting."""


class Drain:
    """One drain of the running loop.

    Args:
        seconds: over how long the closes are spread.
        deadline: seconds in which all has to be over; ``inf`` for no bound.
        clock, sleep, shuffle, rand: the world; tests have one of their own.
    """

    def __init__(
        self,
        seconds: float,
        deadline: float,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        shuffle: Callable[[list[Connection | Ends]], None] = random.shuffle,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self.limits: Limits = Limits.of(seconds, deadline)
        self._clock = clock or asyncio.get_running_loop().time
        self._sleep = sleep
        self._shuffle = shuffle
        self._rand = rand
        self._live: Live = live_here()
        self._began = self._clock()
        self._told: set[Connection | Ends] = set()

    async def run(self) -> Drained:
        """Deny what comes, close what is open, wait until it has ended.

        Requests that are not event streams are neither ended nor waited for: see
        :meth:`cut_requests`.
        """
        self._live.ending = True
        open_now = self._untold()
        self._shuffle(open_now)
        if open_now:
            logger.info(
                "Closing %d connection(s) over %.1f s.",
                len(open_now),
                spread_over(len(open_now), self.limits.spread),
            )
        for moment, one in zip(
            moments(len(open_now), self.limits.spread, self._rand), open_now, strict=True
        ):
            await self._sleep_until(moment)
            if one in self._live.connections or one in self._live.requests:
                self._tell(one)
        while True:
            # Whoever was in the middle of its handshake, and streams that have begun meanwhile.
            for one in self._untold():
                self._tell(one)
            if not self._left() or self._now() >= self.limits.hand_over:
                break
            await self._sleep(LOOK_EVERY)
        return self._report()

    async def cut_requests(self) -> None:
        """Wait until it is time, then end the requests that are in progress still."""
        if self.limits.cut < math.inf:
            await self._sleep_until(self.limits.cut)
            for request in self._live.requests.copy():
                request.end_soon()

    def seconds_left(self) -> float:
        """How long the process may go on."""
        return max(0.0, self.limits.end - self._now())

    def _now(self) -> float:
        return self._clock() - self._began

    async def _sleep_until(self, moment: float) -> None:
        # Where the loop is behind, what is due is told without a turn of the loop between.
        if (left := moment - self._now()) > 0:
            await self._sleep(left)

    def _tell(self, one: Connection | Ends) -> None:
        self._told.add(one)
        if isinstance(one, Connection):
            grace = max(0.0, self.limits.cut - self._now())
            one.close_soon(SERVICE_RESTART, REASON, grace=None if grace == math.inf else grace)
        else:
            one.end_soon()

    def _in_scope(self) -> list[Connection | Ends]:
        """What a drain closes. HTTP consumers are ended as the requests that they serve."""
        sockets = [c for c in self._live.connections if c.scope.get("type") == "websocket"]
        return [*sockets, *(r for r in self._live.requests if r.is_event_stream)]

    def _untold(self) -> list[Connection | Ends]:
        return [one for one in self._in_scope() if one not in self._told]

    def _left(self) -> int:
        return len(self._in_scope())

    def _report(self) -> Drained:
        late = self._left()
        if late:
            logger.warning(
                "%d connection(s) had not ended %.1f s after the drain began.", late, self._now()
            )
        if self._told:
            logger.info("Closed %d connection(s) in %.1f s.", len(self._told), self._now())
        return Drained(told=len(self._told), late=late)


async def drain(*, seconds: float | None = None, deadline: float | None = None) -> Drained:
    """Close every WebSocket and event stream that the running loop serves, and take no new ones.

    New WebSockets are denied with a 503 from now on. Every open one gets close code 1012 and a
    reason, at a random moment within ``seconds``, after the handler in hand; its consumer's
    ``disconnect`` runs with 1012. Returns when all of them have ended.

    Behind a server that runs the application's lifespan this happens at SIGTERM by itself; call it
    where there is none. Requests other than event streams are left to the server.

    Args:
        seconds: over how long the closes are spread; ``CHANNELS["DRAIN_SECONDS"]`` without it.
        deadline: how many seconds it may take in all; handlers in hand are cancelled shortly before
            (``CHANNELS["DRAIN_DEADLINE_SECONDS"]`` without it; ``math.inf`` for no bound).
    """
    return await Drain(
        drain_seconds() if seconds is None else seconds,
        drain_deadline() if deadline is None else deadline,
    ).run()


def drain_seconds() -> float:
    """``CHANNELS["DRAIN_SECONDS"]``."""
    return float(channels_setting("DRAIN_SECONDS"))


def drain_deadline() -> float:
    """``CHANNELS["DRAIN_DEADLINE_SECONDS"]``; ``inf`` where it is None."""
    value = channels_setting("DRAIN_DEADLINE_SECONDS")
    return math.inf if value is None else float(value)
