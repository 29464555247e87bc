"""One of a layer's hosts, as one hub uses it: the server, and what is followed there."""

from collections.abc import Callable
from typing import TypeAlias

from channels.layers.redis.follows import Follows
from channels.layers.redis.server import Listener, Server

MakeServer: TypeAlias = Callable[[Listener], "tuple[Server, int]"]
"""Makes what reaches a host, for the running loop, without connecting; with the number of the
database, because channels of pub/sub, other than keys, are common to all databases."""


class Shard:
    """A server with its followed logs."""

    def __init__(self, make_server: MakeServer, keep: int, *, history: bool) -> None:
        self.server, self._database = make_server(
            Listener(self._on_message, self._on_subscribed, self._on_up)
        )
        self.follows: Follows = Follows(self.server, keep, refresh_busy=not history)

    def channel(self, key: bytes) -> bytes:
        """Where a key's news are announced: in the key's slot of a Cluster."""
        return key if not self._database else b"%s@%d" % (key, self._database)

    def _on_message(self, channel: bytes, data: bytes) -> None:
        self.follows.heard(channel, data)

    def _on_subscribed(self, channel: bytes) -> None:
        self.follows.subscribed(channel)

    def _on_up(self) -> None:
        self.follows.read_on()

    def close(self) -> None:
        self.follows.close()
        self.server.close()
