"""Holds messages of one hub until what their senders sent before is delivered.

What is held, and for how long, is decided in :mod:`channels.layers.ordering`. Here are the clock,
and what is done for those that wait: the logs that they wait for are read, in case an announcement
was lost.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from channels.layers.ordering import Arrival, Log, Order, Place

if TYPE_CHECKING:
    import asyncio

    from channels.layers.redis.hub import Hub

Deliver: TypeAlias = Callable[[], None]
"""Puts one message into mailboxes."""

LOOK = 0.5
"""Seconds between looks at those that wait, at most."""


class InOrder:
    """What a hub's readers pass their messages to, where it matters. Used on the hub's loop."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        patience = hub.options.send_timeout
        self._order: Order[Deliver] = Order(patience, self._concerns)
        self._rest = min(LOOK, patience / 4)
        self._timer: asyncio.TimerHandle | None = None
        self._settling = False

    def follow(self, name: str) -> Log[Deliver]:
        return self._order.follow(name)

    def is_next(self, log: Log[Deliver], after: Sequence[Place]) -> bool:
        """Whether the next message of a log may be delivered without :meth:`bring`; the log stands
        there then."""
        return self._order.is_next(log, after)

    def bring(self, log: Log[Deliver], arrival: Arrival[Deliver]) -> None:
        """The next message of a log: deliver it, now or when its turn has come."""
        order, loop = self._order, self._hub.loop
        self._deliver(order.bring(log, arrival, loop.time()))
        if len(order) and self._timer is None:
            self._timer = loop.call_later(self._rest, self._look)

    def passed(self, log: Log[Deliver], epoch: int, offset: int) -> None:
        """All that a log has up to there was brought, or was nobody's message."""
        self._deliver(self._order.passed(log, epoch, offset))

    def asks(self, log: Log[Deliver]) -> None:
        """A log is about to be read."""
        self._order.asks(log)

    def read(self, log: Log[Deliver], epoch: int, offset: int, *, to_end: bool) -> None:
        """It was read, and its new messages were brought."""
        order = self._order
        self._deliver((order.read if to_end else order.passed)(log, epoch, offset))

    def unfollow(self, log: Log[Deliver]) -> None:
        """Nobody waits for this log, and nobody wants what is held of it."""
        if self._order.unfollow(log):
            self._settle_soon()

    def left(self, log: Log[Deliver], channel: str) -> None:
        """A channel has left a group whose messages its mail may wait for."""
        if self._order.left(log, channel):
            self._settle_soon()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _settle_soon(self) -> None:
        # Not now: whoever leaves may hold the delivery's lock.
        if not self._settling:
            self._settling = True
            self._hub.loop.call_soon(self._settle)

    def _settle(self) -> None:
        self._settling = False
        self._deliver(self._order.settle())

    def _look(self) -> None:
        """See to those that have waited for a while."""
        order, hub = self._order, self._hub
        self._timer = None
        self._deliver(order.overdue(hub.loop.time()))
        for name in order.awaited():
            hub.look_at(name)
        if len(order):
            self._timer = hub.loop.call_later(self._rest, self._look)

    def _concerns(self, log: str, channel: str) -> bool:
        return channel in self._hub.memberships.members(log.removeprefix("g:"))

    def _deliver(self, ready: Iterable[Deliver]) -> None:
        for deliver in ready:
            deliver()
        if given_up := self._order.given_up:
            drops = self._hub.options.drops
            drops.count("overtaken", len(given_up), f"the log {given_up[-1]!r}")
            given_up.clear()
            drops.report()
