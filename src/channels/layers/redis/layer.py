"""The channel layer over Redis and Valkey."""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import partial
from secrets import token_hex
from typing import Any, ClassVar, TypeAlias

from asgiref.sync import AsyncToSync

from channels.exceptions import BrokerUnavailableError, TooManyGroupsError
from channels.layers.background import running_loop
from channels.layers.base import BaseChannelLayer, Inbox, Pattern
from channels.layers.drops import Drops
from channels.layers.forks import forget_after_fork, keep_inherited
from channels.layers.inbox import MailboxInbox
from channels.layers.links import Links
from channels.layers.log import Position
from channels.layers.redis.cluster import ClusterServer
from channels.layers.redis.entries import parse_hosts
from channels.layers.redis.envelope import DIRECT, GROUP, seal
from channels.layers.redis.hosts import Host
from channels.layers.redis.hub import Hub, Options, process_of
from channels.layers.redis.options import check_values, warn_without_meaning
from channels.layers.redis.sending import group_send, post, post_here, push
from channels.layers.redis.sentinel import SentinelServer
from channels.layers.redis.server import Listener, Server
from channels.layers.redis.shard import AnyServer, MakeServer
from channels.layers.redis.slots import Address
from channels.layers.rules import DROP_NEWEST, checked_policy, note_refusal
from channels.layers.senders import sender
from channels.layers.serializers import make_serializer
from channels.layers.sync import runs_without_loop
from channels.typing import Message

Change: TypeAlias = Callable[[Hub, str, str], Coroutine[Any, Any, None]]

Write: TypeAlias = Callable[..., Coroutine[Any, Any, Position | None]]
"""Called with the hub and, as ``data``, the entry."""


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
        send_timeout: seconds that a call tries to reach its broker, and that a message waits for
            what its sender sent before it.
        on_outage: what a call does while the broker is away: ``"wait"`` until the timeout, or
            ``"raise"`` at once.
        on_full: what becomes of a message to a channel that holds ``capacity`` messages:
            ``"drop_newest"``: it is lost, and ``send`` raises ChannelFull; ``"drop_oldest"``: the
            oldest one is; ``"close"``: it is, and the consumer is closed with 1013. A consumer's
            own limits go before.

    The other options are those of channels_redis, and mean nothing here.
    """

    extensions: ClassVar[list[str]] = ["groups", "flush", "positions", "exclude", "processes"]

    def __init__(  # noqa: PLR0917 - the order that channels_redis has
        self,
        hosts: Any = None,
        prefix: str = "asgi",
        expiry: float = 60,
        group_expiry: float = 86400,
        capacity: int = 100,
        channel_capacity: Mapping[Pattern, int] | None = None,
        symmetric_encryption_keys: Any = None,
        random_prefix_length: int = 12,
        serializer_format: str = "msgpack",
        *,
        on_disconnect: Any = None,
        on_reconnect: Any = None,
        history: bool = True,
        send_timeout: float = 10,
        on_outage: str = "wait",
        on_full: str = DROP_NEWEST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(expiry=expiry, capacity=capacity, channel_capacity=channel_capacity)
        check_values(
            prefix=prefix,
            expiry=expiry,
            capacity=capacity,
            send_timeout=send_timeout,
            on_outage=on_outage,
        )
        warn_without_meaning(
            {
                "group_expiry": group_expiry,
                "random_prefix_length": random_prefix_length,
                "serializer_format": serializer_format,
                "on_disconnect": on_disconnect,
                "on_reconnect": on_reconnect,
            }
        )
        self._hosts = parse_hosts(hosts)
        self._scope = f"{prefix} {' '.join(host.name for host in self._hosts)}"
        self.channel_capacity: Any = self.compile_capacities(channel_capacity or {})
        self.prefix = prefix
        self.on_full: str = checked_policy(on_full)
        self.group_expiry = group_expiry
        self.drops: Drops = Drops(type(self).__name__, clock)
        self._serializer = make_serializer(symmetric_encryption_keys)
        self._hubs: dict[str, Hub] = {}
        self._options = Options(
            prefix=prefix,
            expiry=expiry,
            capacity=capacity,
            capacity_of=self.get_capacity,
            on_full=self.on_full,
            history=history,
            send_timeout=send_timeout,
            patient=on_outage == "wait",
            clock=clock,
            drops=self.drops,
            deserialize=self.deserialize,
            servers=[self._maker(host) for host in self._hosts],
            sent={},
        )
        self._links: Links[Hub] = Links(self._open_hub, self._close_hub)
        forget_after_fork(self)

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
        process = process_of(channel)
        owner = self._hubs.get(process)
        if "!" not in channel:
            await self._links.call(push, channel, payload)
        elif owner is None:
            write = partial(post, process=process)
            await self._write(f"p:{process}", write, DIRECT, [channel], payload)
        else:
            owner.on_loop(owner.open_mail)
            write = partial(post_here, process=process, channel=channel)
            await self._write(f"p:{process}", write, DIRECT, [channel], payload)
        self.drops.report()

    async def receive(self, channel: str) -> Message:
        # The path of every message to a caller of receive(). Whether a name is one, is asked below.
        hub = self._hubs.get(process_of(channel)) if hasattr(channel, "partition") else None
        if hub is not None and (snapshot := hub.delivery.take_early(channel)) is not None:
            return snapshot.message()
        self.require_valid_channel_name(channel)
        if "!" in channel:
            hub = self._owner(channel)
            if not hub.takes_mail:
                hub.on_loop(hub.open_mail)
            snapshot = await hub.delivery.receive(channel)
        else:
            if asyncio.get_running_loop() not in AsyncToSync.loop_thread_executors:
                self._links.claim()
            snapshot = await self._links.call(Hub.receive_general, channel)
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
        if "!" not in channel:
            return None  # its messages are another's as long as nobody waits for them here
        hub = self._owner(channel)
        hub.on_loop(hub.open_mail)
        box = hub.delivery.listen(channel, wake)
        return MailboxInbox(hub.delivery, channel, box, hub.leave_all)

    # Groups.

    @runs_without_loop
    async def group_add(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        try:
            await self._change(Hub.join, Hub.ask_to_join, group, channel)
        except TooManyGroupsError as error:
            note_refusal(error)
            raise

    @runs_without_loop
    async def group_discard(self, group: str, channel: str) -> None:
        self.require_valid_channel_name(channel)
        self.require_valid_group_name(group)
        await self._change(Hub.leave, Hub.ask_to_leave, group, channel)

    @runs_without_loop
    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Position | None:
        self.require_valid_exclude(exclude)
        self.require_valid_message(message, "Message is not a dict")
        self.require_valid_group_name(group)
        payload = self.serialize(message)
        return await self._write(
            f"g:{group}", partial(group_send, group=group), GROUP, exclude, payload
        )

    # The layer itself.

    async def flush(self) -> None:
        await self._links.call(Hub.delete_keys)
        for hub in self._links.links():
            await self._links.call(_on_loop_of, hub, Hub.forget_all)

    async def close(self) -> None:
        """Close the connections of the running loop, and those that loops without one share.
        A later call opens them anew."""
        await self._links.close()

    async def _write(
        self, log: str, write: Write, kind: bytes, words: Collection[str], payload: bytes
    ) -> Position | None:
        """Write to a log, after what the caller was told that it wrote to others."""
        scope, clock = self._scope, self._options.clock
        # Of the caller's context: the link may be on another loop.
        caller = sender()
        # Who reads a process's mail follows groups, and no other process's mail.
        matter = "g:" if kind == DIRECT else ""
        after = caller.after(scope, log, clock(), kind=matter)
        data = seal(kind, words, payload, after=after)
        position = await self._links.call(write, data=data)
        if position is not None:
            until = clock() + self._options.expiry
            caller.wrote(scope, log, position.epoch, position.offset, until)
        return position

    async def _change(self, here: Change, elsewhere: Change, group: str, channel: str) -> None:
        """Change a membership, where the channel's owner is."""
        if "!" not in channel:
            raise ValueError(
                f"{channel!r} is a general channel, which belongs to no process and cannot be in a "
                "group of this layer. Send to it directly, or add a channel of new_channel()."
            )
        owner = self._hubs.get(process_of(channel))
        if owner is None:
            await self._links.call(elsewhere, group, channel)
        elif owner.loop is running_loop():
            await here(owner, group, channel)
        else:
            await self._links.call(_on_loop_of, owner, here, group, channel)

    async def close_pools(self) -> None:
        """:meth:`close`, by the name that it has in channels_redis."""
        await self.close()

    async def wait_received(self) -> None:
        """Returns at once. Here because projects' tests call it on the layer of channels_redis."""

    def __str__(self) -> str:
        hosts = ", ".join(host.name for host in self._hosts)
        return f"{type(self).__name__}(hosts=[{hosts}])"

    __repr__ = __str__

    def forget_inherited(self) -> None:
        """Nothing that a forked child's parent has is the child's."""
        keep_inherited(dict(self._hubs))
        self._hubs.clear()
        self._options.sent.clear()

    def _open_hub(self) -> Hub:
        hub = Hub(self._options)
        self._hubs[hub.id] = hub
        return hub

    async def _close_hub(self, hub: Hub) -> None:
        self._hubs.pop(hub.id, None)
        await hub.close()

    def _owner(self, channel: str) -> Hub:
        """The hub of this process that owns a channel, ready for its mail."""
        hub = self._hubs.get(process_of(channel))
        if hub is None:
            raise ValueError(f"The channel {channel!r} belongs to another process.")
        return hub

    def _maker(self, host: Host) -> MakeServer:
        def make(listener: Listener) -> tuple[AnyServer, int]:
            if host.cluster:
                seeds = [Address(*seed) for seed in host.seeds if not isinstance(seed, str)]
                return ClusterServer(host.connect, seeds, host.name, listener), 0
            if host.master_name:
                return SentinelServer(host, listener), host.db
            return Server(host.connect, host.name, listener), host.db

        return make


async def _id(hub: Hub) -> str:
    return hub.id


async def _on_loop_of(
    here: Hub, hub: Hub, function: Callable[..., Coroutine[Any, Any, None]], *args: Any
) -> None:
    """Run a hub's method on that hub's loop, which may stand still or have ended."""
    if hub is here:
        await function(hub, *args)
        return
    coroutine = function(hub, *args)
    timeout = hub.options.send_timeout
    try:
        future = asyncio.run_coroutine_threadsafe(coroutine, hub.loop)
    except RuntimeError as error:
        coroutine.close()
        raise BrokerUnavailableError("The event loop that owns the channel has ended.") from error
    try:
        async with asyncio.timeout(timeout):
            await asyncio.wrap_future(future)
    except TimeoutError as error:
        raise BrokerUnavailableError(
            f"The event loop that owns the channel did nothing for {timeout} s."
        ) from error
