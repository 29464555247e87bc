"""The connection on which one node of a Cluster announces what happens in its slots."""

from collections import deque
from collections.abc import Callable
from typing import Any

from channels.layers.redis.connection import Open, ReplyError, Wire, logger


class ShardSubscriber(Wire):
    """Sharded pub/sub with one node: announcements of channels whose slots it has.

    A node that gives a slot away ends the subscriptions in it, and then refuses them with the name
    of the new owner: so a subscription that was ended is asked for once more.

    Args:
        on_message: called with the channel and what was published.
        on_subscribed: called whenever a subscription has begun: everything published from now on
            comes, as long as the slot stays.
        on_refused: called with a channel whose slot is not here, and what the node said. It is
            forgotten here.
    """

    def __init__(
        self,
        open_connection: Open,
        name: str,
        *,
        on_message: Callable[[bytes, bytes], None],
        on_subscribed: Callable[[bytes], None],
        on_refused: Callable[[bytes, str], None],
    ) -> None:
        super().__init__(open_connection, name)
        self.channels: set[bytes] = set()
        """What it shall be subscribed to."""
        self._on_message = on_message
        self._on_subscribed = on_subscribed
        self._on_refused = on_refused
        # Commands whose answer is due, in order: the channel, and whether it is to begin.
        self._due: deque[tuple[bytes, bool]] = deque()

    @property
    def missing(self) -> bool:
        """Whether it is wanted and not there."""
        return self._connecting is not None

    def join(self, channel: bytes) -> None:
        """Subscribe soon. Opens the connection."""
        if channel not in self.channels:
            self.channels.add(channel)
            self.want()
            self._ask(channel, True)

    def leave(self, channel: bytes) -> None:
        """Unsubscribe soon; a message that is under way may still come."""
        if channel in self.channels:
            self.channels.discard(channel)
            self._ask(channel, False)

    def _ask(self, channel: bytes, begin: bool) -> None:
        # Where there is no connection, all that is wanted is asked for once there is one.
        if self.up:
            # One command for each: a command may only name channels of one slot.
            self._due.append((channel, begin))
            self.write(b"SSUBSCRIBE" if begin else b"SUNSUBSCRIBE", channel)

    def came_up(self) -> None:
        self._due.clear()
        for channel in self.channels:
            self._ask(channel, True)

    def take(self, reply: Any) -> None:
        if isinstance(reply, ReplyError):
            self._refused(str(reply))
            return
        kind = reply[0]
        if kind == b"smessage":
            self._on_message(reply[1], reply[2])
        elif kind == b"ssubscribe":
            self._answered(reply[1], True)
            if reply[1] in self.channels:
                self._on_subscribed(reply[1])
        elif kind == b"sunsubscribe":
            ours = self._answered(reply[1], False)
            if not ours and reply[1] in self.channels:
                self._ask(reply[1], True)  # the slot has left

    def _answered(self, channel: bytes, begin: bool) -> bool:
        """Whether this is the answer to the oldest command without one; it has one then."""
        if self._due and self._due[0] == (channel, begin):
            self._due.popleft()
            return True
        return False

    def _refused(self, error: str) -> None:
        if not self._due:
            logger.error("%s says on a connection for announcements: %s", self.name, error)
            self.drop()
            return
        channel, begin = self._due.popleft()
        if begin and channel in self.channels:
            self.channels.discard(channel)
            self._on_refused(channel, error)

    def owes(self) -> bool:
        # Nothing can be told from a connection that is silent because nobody says anything.
        self.write(b"PING")
        return True
