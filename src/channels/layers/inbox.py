"""A consumer's hold on its mailbox, whatever layer fills it."""

from collections.abc import Callable

from channels.layers.delivery import Box, Delivery
from channels.layers.rules import Rules
from channels.layers.snapshot import Snapshot


class MailboxInbox:
    """The :class:`~channels.layers.base.Inbox` of a channel that :meth:`Delivery.listen` has opened
    for this consumer.

    Args:
        leave_groups: ends every membership of a channel; called with the delivery's lock.
    """

    # Every connection has one: what the layer's inboxes share is reached through the delivery.
    __slots__ = ("_box", "_channel", "_delivery", "_items", "_leave_groups", "_listener")

    def __init__(
        self, delivery: Delivery, channel: str, box: Box, leave_groups: Callable[[str], None]
    ) -> None:
        self._box = box
        self._channel = channel
        self._delivery = delivery
        self._items = box.items
        self._leave_groups = leave_groups
        self._listener = box.listener

    def take(self) -> Snapshot | None:
        # The path of every message to a consumer. It needs no lock: what is taken is taken in one
        # step, and nobody but the owner, who is here, and receive() takes from this end. What comes
        # at the moment in which the mailbox is found empty is announced after it.
        items = self._items
        if not items:
            return None
        try:
            item = items.pop(0)
        except IndexError:  # another thread dropped them meanwhile
            return None
        expires_at, snapshot = item
        if expires_at <= self._delivery.clock():
            return self._take_after_expired(item)
        return snapshot

    def empty(self) -> bool:
        return not self._items

    def limit(self, rules: Rules) -> None:
        """Set what the mailbox may hold, from now on."""
        self._box.rules = rules

    def count_drop(self, reason: str) -> None:
        self._delivery.drops.count(reason)

    def close(self) -> None:
        # One step: a membership that another thread made in between would have no lease.
        with self._delivery.lock:
            if self._box.listener is self._listener:
                self._leave_groups(self._channel)
                self._delivery.ignore(self._channel, self._box)

    def _take_after_expired(self, item: tuple[float, Snapshot]) -> Snapshot | None:
        drops, box = self._delivery.drops, self._box
        with self._delivery.lock:
            self._items.insert(0, item)
            box.drop_expired(self._delivery.clock())
            drops.count("expired", box.expired, f"channel {self._channel!r}")
            box.expired = 0
        drops.report()  # without the lock: a log handler may send to this layer
        return self.take()
