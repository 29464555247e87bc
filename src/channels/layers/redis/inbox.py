"""A consumer's hold on its mailbox."""

from typing import TYPE_CHECKING

from channels.layers.delivery import Box
from channels.layers.snapshot import Snapshot

if TYPE_CHECKING:
    from channels.layers.redis.hub import Hub


class HubInbox:
    """The :class:`~channels.layers.base.Inbox` of a hub's channel."""

    __slots__ = ("_box", "_channel", "_clock", "_hub", "_items", "_listener", "_lock")

    def __init__(self, hub: "Hub", channel: str, box: Box) -> None:
        self._hub = hub
        self._channel = channel
        self._box = box
        self._items = box.items
        self._listener = box.listener
        self._lock = hub.delivery.lock
        self._clock = hub.options.clock

    def take(self, kind: str | None = None) -> Snapshot | None:
        items = self._items
        # The path of every message to a consumer: nothing is asked twice.
        if not items:
            return None
        with self._lock:
            if not items:
                return None  # another thread dropped them meanwhile
            expires_at, snapshot = items[0]
            if expires_at > self._clock():
                if kind is not None and snapshot.type != kind:
                    return None
                items.popleft()
                return snapshot
            self._box.drop_expired(self._clock())
            self._hub.options.drops.count(
                "expired", self._box.expired, f"channel {self._channel!r}"
            )
            self._box.expired = 0
        self._hub.options.drops.report()
        return self.take(kind)

    def empty(self) -> bool:
        return not self._items

    def count_drop(self, reason: str) -> None:
        self._hub.options.drops.count(reason)

    def close(self) -> None:
        with self._lock:
            if self._box.listener is not self._listener:
                return
            self._hub.leave_all(self._channel)
            self._hub.delivery.ignore(self._channel, self._box)
