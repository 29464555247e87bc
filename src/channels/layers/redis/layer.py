"""The channel layer over Redis and Valkey."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from secrets import token_hex
from typing import Any, ClassVar

from asgiref.sync import AsyncToSync

from channels.layers.base import BaseChannelLayer, Inbox, Pattern
from channels.layers.drops import Drops
from channels.layers.links import Links
from channels.layers.log import Position
from channels.layers.redis.entries import parse_hosts
from channels.layers.redis.envelope import GROUP, seal
from channels.layers.redis.hosts import Host
from channels.layers.redis.hub import Hub, Options
from channels.layers.redis.inbox import HubInbox
from channels.layers.redis.server import Listener, Server
from channels.layers.redis.shard import MakeServer
from channels.layers.serializers import make_serializer
from channels.layers.sync import runs_without_loop
from channels.typing import Message


class RedisChannelLayer(BaseChannelLayer):
    """Carries messages between processes, by Redis or Valkey.

    Args:
        hosts: where the servers are; several share the names among them.
        prefix: what the layer's keys begin with.
        expiry: seconds that a message may wait, and that a group's log is kept after its last use.
        capacity: how many messages a channel holds, and how many entries a group's log keeps at
            least.
        channel_capacity: capacities by channel name.
        symmetric_encryption_keys: secrets; the first one encrypts, each may decrypt.
        history: whether a group's log is kept, for ``expiry`` seconds, when nobody follows it.
        send_timeout: seconds that a call tries to reach its broker.
        on_outage: what a call does while the broker is away: ``"wait"`` until the timeout, or
            ``"raise"`` at once.
    """

    extensions: ClassVar[list[str]] = ["groups", "flush", "positions", "exclude"]

    def __init__(  # noqa: PLR0917 - the order that channels_redis has
        self,
        hosts: Any = None,
        prefix: str = "asgi",
        expiry: float = 60,
        group_expiry: float = 86400,
        capacity: int = 100,
        channel_capacity: Mapping[Pattern, int] | None = None,
        symmetric_encryption_keys: Any = None,
        *,
        history: bool = True,
        send_timeout: float = 10,
        on_outage: str = "wait",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(expiry=expiry, capacity=capacity, channel_capacity=channel_capacity)
        if on_outage not in ("wait", "raise"):
            raise ValueError(f"on_outage is {on_outage!r}; it must be 'wait' or 'raise'.")
        self.channel_capacity: Any = self.compile_capacities(channel_capacity or {})
        self.prefix = prefix
        self.group_expiry = group_expiry
        self.drops: Drops = Drops(type(self).__name__, clock)
        self._serializer = make_serializer(symmetric_encryption_keys)
        self._hubs: dict[str, Hub] = {}
        self._options = Options(
            prefix=prefix,
            expiry=expiry,
            capacity=capacity,
            capacity_of=self.get_capacity,
            history=history,
            send_timeout=send_timeout,
            patient=on_outage == "wait",
            clock=clock,
            drops=self.drops,
            deserialize=self.deserialize,
            servers=[self._maker(host) for host in parse_hosts(hosts)],
            sent={},
        )
        self._links: Links[Hub] = Links(self._open_hub, self._close_hub)

    def serialize(self, message: Message) -> bytes:
        """A message as bytes. May be overridden, together with :meth:`deserialize`."""
        return self._serializer.dumps(message)

    def deserialize(self, data: bytes) -> Message:
        """The message that :meth:`serialize` made these bytes of. Whatever it raises, the message
        is dropped and counted."""
        return self._serializer.loads(data)

    # Channels.

    @runs_without_loop
    async def send(self, channel: str, message: Message) -> None:
        self.require_valid_message(message)
        self.require_valid_channel_name(channel)
        payload = self.serialize(message)
        process = _process(channel)
        if process in self._hubs:
            await self._links.call(Hub.post_here, process, channel, payload)
        else:
            await self._links.call(Hub.post, process, channel, payload)
        self.drops.report()

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel)
        hub = self._owner(channel)
        snapshot = await hub.delivery.receive(channel)
        self.drops.report()
        return snapshot.message()

    async def new_channel(self, prefix: str = "specific") -> str:
        if asyncio.get_running_loop() in AsyncToSync.loop_thread_executors:
            # A loop that ends with this call: what it owned would be nobody's.
            process = await self._links.call(_id)
        else:
            process = self._links.claim().id
        return f"{prefix.rstrip('.')}.{process}!{token_hex(8)}"

    def attach(self, channel: str, wake: Callable[[], None]) -> Inbox | None:
        hub = self._owner(channel)
        return HubInbox(hub, channel, hub.delivery.listen(channel, wake))

    # Groups.

    @runs_without_loop
    async def group_add(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        await self._links.call(_join, self._owner(channel), group, channel)

    @runs_without_loop
    async def group_discard(self, group: str, channel: str) -> None:
        self.require_valid_channel_name(channel)
        self.require_valid_group_name(group)
        await self._links.call(_leave, self._owner(channel), group, channel)

    @runs_without_loop
    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Position | None:
        self.require_valid_exclude(exclude)
        self.require_valid_message(message, "Message is not a dict")
        self.require_valid_group_name(group)
        data = seal(GROUP, exclude, self.serialize(message))
        return await self._links.call(Hub.group_send, group, data)

    # The layer itself.

    async def flush(self) -> None:
        await self._links.call(Hub.delete_keys)
        for hub in self._links.links():
            await _on_its_loop(hub, hub.forget_all)

    async def close(self) -> None:
        """Close the connections of the running loop, and those that loops without one share.
        A later call opens them anew."""
        await self._links.close()

    def _open_hub(self) -> Hub:
        hub = Hub(self._options)
        self._hubs[hub.id] = hub
        return hub

    async def _close_hub(self, hub: Hub) -> None:
        self._hubs.pop(hub.id, None)
        await hub.close()

    def _owner(self, channel: str) -> Hub:
        """The hub of this process that owns a channel, ready for its mail."""
        hub = self._hubs.get(_process(channel))
        if hub is None:
            raise ValueError(f"The channel {channel!r} belongs to another process.")
        hub.open_mail()
        return hub

    def _maker(self, host: Host) -> MakeServer:
        def make(listener: Listener) -> tuple[Server, int]:
            return Server(host.connect, host.name, listener), getattr(host, "db", 0)

        return make


def _process(channel: str) -> str:
    """The hub that a channel's name says it belongs to."""
    return channel.partition("!")[0].rpartition(".")[2]


async def _id(hub: Hub) -> str:
    return hub.id


async def _join(here: Hub, owner: Hub, group: str, channel: str) -> None:
    await _on_its_loop(owner, owner.join, group, channel)


async def _leave(here: Hub, owner: Hub, group: str, channel: str) -> None:
    await _on_its_loop(owner, owner.leave, group, channel)


async def _on_its_loop(hub: Hub, function: Callable[..., Any], *args: Any) -> None:
    if asyncio.get_running_loop() is hub.loop:
        await function(*args)
    else:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(function(*args), hub.loop))
