"""The master that Sentinels watch over: followed at once when it is another one.

After a failover the old master may go on answering for ten seconds and more, as if nothing had
happened, until a Sentinel tells it that it is a replica. What is written to it meanwhile is lost.
So nobody waits for it to say so: a connection to one of the Sentinels is told.
"""

from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from channels.layers.redis.connection import logger
from channels.layers.redis.hosts import Address, Host
from channels.layers.redis.server import Listener, Server
from channels.layers.redis.subscriber import Subscriber

if TYPE_CHECKING:
    import asyncio

    from redis.asyncio.connection import AbstractConnection

SWITCH = b"+switch-master"
"""Where a Sentinel says: master name, old host, old port, new host, new port."""


class SentinelServer(Server):
    """Whichever server is the master. Beside its two connections it has one to a Sentinel, which
    is opened with the first of them."""

    def __init__(self, host: Host, listener: Listener) -> None:
        super().__init__(self._connect, host.name, listener)
        self._host = host
        self._master: Address | None = None
        self._sentinel = Subscriber(
            host.connect_to_sentinel,
            f"a Sentinel of {host.name}",
            on_message=self._heard,
            on_subscribed=self._listening,
        )
        self._comparing: asyncio.Task[None] | None = None

    async def _connect(self) -> "AbstractConnection":
        if not self._sentinel.channels:
            self._sentinel.subscribe(SWITCH)
        master = await self._host.address()
        connection = await self._host.connect(master)
        self._master = master
        return connection

    def _heard(self, channel: bytes, said: bytes) -> None:
        name, *_, host, port = said.decode().split(" ")
        if name == self._host.master_name:
            self._go_to((host, int(port)))

    def _listening(self, channel: bytes) -> None:
        # What was said before was not heard.
        if self._comparing is None:
            self._comparing = self._loop.create_task(self._compare())

    async def _compare(self) -> None:
        try:
            self._go_to(await self._host.address())
        except (RedisError, OSError):
            pass  # nobody knows better
        finally:
            self._comparing = None

    def _go_to(self, master: Address) -> None:
        if self._master is None or master == self._master:
            return
        logger.warning("%s: the master is now %s.", self.name, "{}:{}".format(*master))
        self._master = None
        self.commands.drop()
        self.subscriber.drop()

    def close(self) -> None:
        super().close()
        self._sentinel.close()
        if self._comparing is not None:
            self._comparing.cancel()
