"""What one event loop has of a layer: mailboxes, memberships, followed logs and connections.

All of it is touched on that loop only, but for the mailboxes, which have a lock and may be read on
any. A process has one hub for each loop with consumers, seldom more than one, and perhaps one on
the background loop. To the broker each is a process of its own.
"""

import asyncio
import itertools
import zlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, NamedTuple

from channels.exceptions import BrokerUnavailableError
from channels.layers.background import running_loop
from channels.layers.delivery import Delivery
from channels.layers.drops import Drops
from channels.layers.groups import Memberships
from channels.layers.ordering import Log
from channels.layers.redis.envelope import ADD, REMOVE
from channels.layers.redis.follows import Follow
from channels.layers.redis.general import GeneralChannel
from channels.layers.redis.in_order import Deliver, InOrder
from channels.layers.redis.readers import GroupReader, MailReader
from channels.layers.redis.requests import Requests
from channels.layers.redis.shard import MakeServer, Shard
from channels.layers.snapshot import Snapshot
from channels.typing import Message


@dataclass(frozen=True)
class Options:
    """What a layer tells its hubs."""

    prefix: str
    expiry: float
    capacity: int
    capacity_of: Callable[[str], int]
    on_full: str
    history: bool
    send_timeout: float
    patient: bool
    """Whether a call waits for a lost connection."""
    clock: Callable[[], float]
    drops: Drops
    deserialize: Callable[[bytes], Message]
    servers: Sequence[MakeServer]
    sent: "dict[bytes, Callable[[bool], None]]"
    """By entry: whom to tell whether direct mail of this process to itself was accepted."""


class _Followed(NamedTuple):
    """A log that is followed, and how far it was delivered."""

    follow: Follow
    log: Log[Deliver]


class Hub:
    """One loop's part in a layer. Makes no connection before it needs one."""

    def __init__(self, options: Options) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.id: str = token_hex(6)
        """The part of channel names that tells whose they are."""
        self.options: Options = options
        self.delivery: Delivery = Delivery(
            options.capacity_of, options.expiry, options.clock, options.drops, options.on_full
        )
        self.memberships: Memberships = Memberships()
        self.keep: int = max(1, int(options.expiry * 1000))
        self.closed: bool = False
        self._shards: list[Shard | None] = [None] * len(options.servers)
        self.requests: Requests = Requests(self)
        self.in_order: InOrder = InOrder(self)
        self._groups: dict[str, _Followed] = {}
        self._joining: dict[str, int] = {}
        self._mail: _Followed | None = None
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()

    # General channels.

    async def receive_general(self, name: str) -> Snapshot:
        """Wait for a message of a general channel."""
        shard, key = self.shard(name), self.key("c", name)
        while True:
            queue = shard.hearers.get(shard.channel(key))
            if queue is None:
                queue = GeneralChannel(
                    shard, key, name, reader=self.id, keep=self.keep, drops=self.options.drops
                )
            assert isinstance(queue, GeneralChannel), "the key says what it is"
            snapshot = self.decoded(await queue.receive(), f"channel {name!r}")
            if snapshot is not None:
                return snapshot
            self.options.drops.report()

    # Groups.

    async def join(self, group: str, channel: str) -> None:
        """Make a channel of this hub a member.

        Raises:
            BrokerUnavailableError: the broker did not confirm in time that messages will come.
        """
        self.delivery.check_groups(group, channel, self.memberships)
        self._joining[group] = self._joining.get(group, 0) + 1
        try:
            followed = self._groups.get(group)
            if followed is None:
                log = self.in_order.follow(f"g:{group}")
                reader = GroupReader(self, group, log)
                follow = self._follow("g", group, reader, from_start=False)
                self._groups[group] = _Followed(follow, log)
            else:
                follow = followed.follow
            # Mail too: what a member is sent directly comes in order with what its groups are sent.
            mail = self.open_mail()
            if not follow.live:
                await self.wait_until_live(follow)
            if not mail.live:
                await mail.wait_until_live(self.loop.time() + self.options.send_timeout)
            with self.delivery.lock:
                # Once more: other groups may have been joined meanwhile.
                self.delivery.check_groups(group, channel, self.memberships)
                self.memberships.join(group, channel, self.options.clock())
        finally:
            self._joining[group] -= 1
            if not self._joining[group]:
                del self._joining[group]
                self._settle(group)

    async def leave(self, group: str, channel: str) -> None:
        """End a membership; silent where there is none."""
        with self.delivery.lock:
            self.memberships.leave(group, channel)
        self._left(channel, [group])

    def leave_all(self, channel: str) -> None:
        """End every membership of a channel. From any thread."""
        with self.delivery.lock:
            groups = self.memberships.groups_of(channel)
            for group in groups:
                self.memberships.leave(group, channel)
        if groups:
            self.on_loop(lambda: self._left(channel, groups))

    def _left(self, channel: str, groups: Iterable[str]) -> None:
        """After memberships of a channel ended."""
        if self._mail is not None:
            self.in_order.left(self._mail.log, channel)
        for group in groups:
            self._settle(group)

    def _settle(self, group: str) -> None:
        """Follow a group no longer than somebody is, or wants to be, a member."""
        followed = self._groups.get(group)
        if followed is None or group in self._joining or group in self.memberships.groups:
            return
        del self._groups[group]
        shard = self.shard(group)
        shard.follows.unfollow(followed.follow)
        self.in_order.unfollow(followed.log)
        shard.epochs.pop(followed.follow.key, None)

    async def ask_to_join(self, group: str, channel: str) -> None:
        """Have another process make one of its channels a member."""
        await self.requests.ask(ADD, process_of(channel), group, channel)

    async def ask_to_leave(self, group: str, channel: str) -> None:
        await self.requests.ask(REMOVE, process_of(channel), group, channel)

    async def wait_until_live(self, follow: Follow) -> None:
        """
        Raises:
            BrokerUnavailableError: it took too long.
        """
        timeout = self.options.send_timeout
        if not await follow.wait_until_live(self.loop.time() + timeout):
            raise BrokerUnavailableError(
                f"The log {follow.key!r} could not be followed within {timeout} s."
            )

    # Mail.

    @property
    def takes_mail(self) -> bool:
        return self._mail is not None

    def open_mail(self) -> Follow:
        """Begin to take direct mail, unless that has been done."""
        if self._mail is None:
            log = self.in_order.follow(f"p:{self.id}")
            follow = self._follow("p", self.id, MailReader(self, log), from_start=True)
            self._mail = _Followed(follow, log)
        return self._mail.follow

    # The rest.

    def on_loop(self, function: Callable[[], object]) -> None:
        """Call a function on this hub's loop: now, or soon if this is another thread. Not at all
        if the loop has ended."""
        if running_loop() is self.loop:
            function()
        else:
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(function)

    async def forget_all(self) -> None:
        """Drop what waits and end every membership, when the broker was emptied."""
        with self.delivery.lock:
            self.delivery.clear()
            groups = list(self.memberships.groups)
            self.memberships.clear()
        for group in groups:
            self._settle(group)
        if self._mail is not None:
            self.shard(self.id).follows.unfollow(self._mail.follow)
            self.in_order.unfollow(self._mail.log)
            self._mail = None
            await self.wait_until_live(self.open_mail())

    async def delete_keys(self) -> None:
        """Delete every key of the layer."""
        prefix = "".join(f"\\{c}" if c in "*?[]\\" else c for c in self.options.prefix)
        for index in range(len(self._shards)):
            await self._shard(index).server.delete_keys(f"{prefix}:{{?:*".encode())

    async def close(self) -> None:
        """Close the connections, and end what runs beside."""
        self.closed = True
        self.in_order.close()
        for task in self._tasks:
            task.cancel()
        for shard in filter(None, self._shards):
            for hearer in list(shard.hearers.values()):
                if isinstance(hearer, GeneralChannel):
                    await hearer.close()
            shard.close()
        # What closing schedules: sockets are closed in the loop's next rounds.
        for _ in range(3):
            await asyncio.sleep(0)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something short beside."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def new_id(self) -> bytes:
        """An id that no entry of anybody has had."""
        return b"%s%x" % (self.id.encode(), next(self._numbers))

    def key(self, kind: str, name: str) -> bytes:
        """The one key that holds everything of a group (``g``), a process's mail (``p``) or a
        general channel (``c``); its hash tag spreads them over a Cluster."""
        return f"{self.options.prefix}:{{{kind}:{name}}}".encode()

    def shard(self, name: str) -> Shard:
        """The shard of a group, process or general channel: the same for every process that has
        the same hosts."""
        shards = self._shards
        return self._shard(zlib.crc32(name.encode()) % len(shards) if len(shards) > 1 else 0)

    def _shard(self, index: int) -> Shard:
        shard = self._shards[index]
        if shard is None:
            shard = self._shards[index] = Shard(
                self.options.servers[index], self.keep, history=self.options.history
            )
        return shard

    def _follow(self, kind: str, name: str, reader: Any, *, from_start: bool) -> Follow:
        shard, key = self.shard(name), self.key(kind, name)
        return shard.follows.follow(key, shard.channel(key), reader, from_start=from_start)

    def look_at(self, log: str) -> None:
        """Find out whether a followed log has gone on, in case nobody told."""
        kind, _, name = log.partition(":")
        followed = self._mail if kind == "p" else self._groups.get(name)
        if followed is not None:
            self.shard(name).follows.look(followed.follow)

    def decoded(self, payload: bytes, where: str) -> Snapshot | None:
        """The message, or ``None`` for one that cannot be read: dropped, and counted."""
        try:
            message = self.options.deserialize(payload)
            if isinstance(message, dict):
                return Snapshot(message)
        except Exception:  # noqa: S110 - counted below; deserialize may be the project's own
            pass
        self.options.drops.count("unreadable", 1, where)
        return None


def process_of(channel: str) -> str:
    """The hub that a channel's name says it belongs to."""
    return channel.partition("!")[0].rpartition(".")[2]
