"""The connection on which announcements come."""

from collections.abc import Callable
from typing import Any

from channels.layers.redis.connection import Open, ReplyError, Wire

MOST_AT_ONCE = 512
"""Channels that one command names, so that the server looks at others in between."""


class Subscriber(Wire):
    """A connection in pub/sub mode that stays subscribed to what it is told, whatever it goes
    through.

    Args:
        on_message: called with the channel and what was published.
        on_subscribed: called whenever a channel's subscription has begun: everything published
            from now on comes; what came before, while the connection was lost, did not.
        sharded: with the commands of sharded pub/sub, as Cluster needs it.
    """

    def __init__(
        self,
        open_connection: Open,
        name: str,
        *,
        on_message: Callable[[bytes, bytes], None],
        on_subscribed: Callable[[bytes], None],
        sharded: bool = False,
    ) -> None:
        super().__init__(open_connection, name)
        self.channels: set[bytes] = set()
        """What it shall be subscribed to."""
        self._on_message = on_message
        self._on_subscribed = on_subscribed
        self._subscribe, self._unsubscribe = (
            (b"SSUBSCRIBE", b"SUNSUBSCRIBE") if sharded else (b"SUBSCRIBE", b"UNSUBSCRIBE")
        )
        # Changes in order, so that a channel left and joined again in one round ends as wanted.
        self._changes: dict[bytes, bool] = {}
        # Confirmations due, by channel: only the last one tells what holds.
        self._due: dict[bytes, int] = {}

    def subscribe(self, channel: bytes) -> None:
        """Subscribe soon; ``on_subscribed`` tells when it is done. Opens the connection."""
        self.channels.add(channel)
        self.want()
        self._change(channel, True)

    def unsubscribe(self, channel: bytes) -> None:
        """Unsubscribe soon; a message that is under way may still come."""
        self.channels.discard(channel)
        self._change(channel, False)

    def _change(self, channel: bytes, join: bool) -> None:
        if not self.up:
            return  # all that is wanted is asked for when the connection is there
        if not self._changes:
            self._loop.call_soon(self._send_changes)
        self._changes.pop(channel, None)
        self._changes[channel] = join

    def _send_changes(self) -> None:
        changes, self._changes = self._changes, {}
        if not self.up:
            return
        for command, join in ((self._unsubscribe, False), (self._subscribe, True)):
            self._ask(command, [channel for channel, wanted in changes.items() if wanted is join])

    def _ask(self, command: bytes, channels: list[bytes]) -> None:
        for channel in channels:
            self._due[channel] = self._due.get(channel, 0) + 1
        for start in range(0, len(channels), MOST_AT_ONCE):
            self.write(command, *channels[start : start + MOST_AT_ONCE])

    def came_up(self) -> None:
        self._changes, self._due = {}, {}
        self._ask(self._subscribe, list(self.channels))

    def take(self, reply: Any) -> None:
        if isinstance(reply, ReplyError):
            self.refused(reply)
            return
        kind = reply[0]
        if kind in (b"message", b"smessage"):
            self._on_message(reply[1], reply[2])
        elif kind in (b"subscribe", b"ssubscribe", b"unsubscribe", b"sunsubscribe"):
            self._confirm(kind, reply[1])

    def _confirm(self, kind: bytes, channel: bytes) -> None:
        left = self._due.get(channel, 0) - 1
        if left > 0:
            self._due[channel] = left
            return
        self._due.pop(channel, None)
        if kind in (b"subscribe", b"ssubscribe"):
            self.accepted()
            if channel in self.channels:
                self._on_subscribed(channel)
        elif channel in self.channels:
            self.evicted(channel)

    def refused(self, error: ReplyError) -> None:
        """The server took no subscription."""
        self.refuse(error)

    def evicted(self, channel: bytes) -> None:
        """The server ended a subscription that is wanted."""
        self._change(channel, True)

    def owes(self) -> bool:
        # Nothing can be told from a connection that is silent because nobody says anything.
        self.write(b"PING")
        return True
