"""One of a layer's hosts, as one hub uses it: the server, and what is heard from there."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from channels.layers.redis.cluster import ClusterServer
from channels.layers.redis.follows import Follows
from channels.layers.redis.server import Listener, Server

AnyServer: TypeAlias = Server | ClusterServer

MakeServer: TypeAlias = Callable[[Listener], tuple[AnyServer, int]]
"""Makes what reaches a host, for the running loop, without connecting; with the number of the
database, because channels of pub/sub, other than keys, are common to all databases."""


class Hearer(Protocol):
    """Somebody who wants to hear of one channel of pub/sub, and no positions."""

    channel: bytes

    def heard(self) -> None:
        """Something was published, or may have been."""

    def up(self) -> None:
        """Commands are taken again."""


class Shard:
    """A server with its followed logs."""

    def __init__(self, make_server: MakeServer, keep: int, *, history: bool) -> None:
        self.server: AnyServer
        self.server, self._database = make_server(
            Listener(self._on_message, self._on_subscribed, self._on_up)
        )
        self.follows: Follows = Follows(self.server, keep, refresh_busy=not history)
        self.epochs: dict[bytes, bytes] = self.follows.epochs
        self.hearers: dict[bytes, Hearer] = {}

    def channel(self, key: bytes) -> bytes:
        """Where a key's news are announced: in the key's slot of a Cluster."""
        return key if not self._database else b"%s@%d" % (key, self._database)

    def listen(self, hearer: Hearer) -> None:
        self.hearers[hearer.channel] = hearer
        self.server.subscribe(hearer.channel)

    def ignore(self, hearer: Hearer) -> None:
        if self.hearers.get(hearer.channel) is hearer:
            del self.hearers[hearer.channel]
            self.server.unsubscribe(hearer.channel)

    def close(self) -> None:
        self.follows.close()
        self.server.close()

    def _on_message(self, channel: bytes, data: bytes) -> None:
        hearer = self.hearers.get(channel) if self.hearers else None
        if hearer is None:
            self.follows.heard(channel, data)
        else:
            hearer.heard()

    def _on_subscribed(self, channel: bytes) -> None:
        hearer = self.hearers.get(channel)
        if hearer is None:
            self.follows.subscribed(channel)
        else:
            hearer.heard()

    def _on_up(self) -> None:
        self.follows.read_on()
        for hearer in list(self.hearers.values()):
            hearer.up()
