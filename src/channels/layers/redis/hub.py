"""What one event loop has of a layer: mailboxes, memberships, followed logs and connections.

All of it is touched on that loop only, but for the mailboxes, which have a lock and may be read on
any. A process has one hub for each loop with consumers, seldom more than one, and perhaps one on
the background loop. To the broker each is a process of its own.
"""

import asyncio
import itertools
import zlib
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from typing import Any

from channels.exceptions import BrokerUnavailableError, ChannelFull
from channels.layers.background import running_loop
from channels.layers.delivery import Delivery
from channels.layers.drops import Drops
from channels.layers.groups import Memberships
from channels.layers.log import Position
from channels.layers.redis.connection import ReplyError
from channels.layers.redis.envelope import ADD, DIRECT, REMOVE, seal
from channels.layers.redis.follows import Follow
from channels.layers.redis.general import GeneralChannel
from channels.layers.redis.readers import GroupReader, MailReader
from channels.layers.redis.requests import Requests
from channels.layers.redis.scripts import PUBLISH, PUSH, Script
from channels.layers.redis.server import Announce
from channels.layers.redis.shard import MakeServer, Shard
from channels.layers.snapshot import Snapshot
from channels.typing import Message

MAIL_CAPACITY = 10_000
"""Entries that the log of a process's direct mail keeps: it serves all channels of the process."""

CLOCK_SLACK = 1000
"""Milliseconds by which the clocks of a server and of the one that takes its place may differ."""


@dataclass(frozen=True)
class Options:
    """What a layer tells its hubs."""

    prefix: str
    expiry: float
    capacity: int
    capacity_of: Callable[[str], int]
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


class Hub:
    """One loop's part in a layer. Makes no connection before it needs one."""

    def __init__(self, options: Options) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.id: str = token_hex(6)
        """The part of channel names that tells whose they are."""
        self.options: Options = options
        self.delivery: Delivery = Delivery(
            options.capacity_of, options.expiry, options.clock, options.drops
        )
        self.memberships: Memberships = Memberships()
        self.keep: int = max(1, int(options.expiry * 1000))
        self.closed: bool = False
        self._shards: list[Shard | None] = [None] * len(options.servers)
        self.requests: Requests = Requests(self)
        self._groups: dict[str, Follow] = {}
        self._joining: dict[str, int] = {}
        self._mail: Follow | None = None
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()

    # Sending.

    async def publish(self, kind: str, name: str, data: bytes, entry_id: bytes) -> Position | None:
        """Append to a log and announce it, once, whatever becomes of the connection meanwhile.

        Raises:
            BrokerUnavailableError: not within ``send_timeout``; it may have been appended.
        """
        options, shard, key = self.options, self.shard(name), self.key(kind, name)
        mail = kind == "p"
        args = (
            entry_id,
            data,
            MAIL_CAPACITY if mail else options.capacity,
            self.keep,
            shard.channel(key),
            shard.server.publish_command,
            1 if mail or options.history else 0,
        )
        announced = partial(_announcement, args[4], entry_id, data)
        return await self._append(PUBLISH, shard, key, args, announced)

    async def _append(
        self, script: Script, shard: Shard, key: bytes, args: tuple[Any, ...], announce: Announce
    ) -> Position | None:
        options = self.options
        try:
            epoch, offset, now = await shard.server.run(
                script,
                key,
                *args,
                b"",
                again=(*args, max(0, shard.follows.server_time - CLOCK_SLACK)),
                deadline=self.loop.time() + options.send_timeout,
                patient=options.patient,
                announce=announce,
            )
        except ReplyError as error:
            raise BrokerUnavailableError(
                f"{shard.server.name} refused the message: {error}"
            ) from error
        shard.follows.server_time = max(shard.follows.server_time, now)
        return Position(str(epoch), offset) if offset else None

    async def group_send(self, group: str, data: bytes) -> Position | None:
        return await self.publish("g", group, data, self.new_id())

    async def post(self, process: str, channel: str, payload: bytes) -> None:
        """Send to a channel of another process."""
        await self.publish("p", process, seal(DIRECT, [channel], payload), self.new_id())

    async def post_here(self, process: str, channel: str, payload: bytes) -> None:
        """Send to a channel of this process, by the way that all its mail takes, and learn whether
        there was room.

        Raises:
            ChannelFull: there was none.
        """
        entry_id = self.new_id()
        answer: asyncio.Future[bool] = self.loop.create_future()
        self.options.sent[entry_id] = partial(self._answer, answer)
        deadline = self.loop.time() + self.options.send_timeout
        try:
            await self.publish("p", process, seal(DIRECT, [channel], payload), entry_id)
            async with asyncio.timeout_at(deadline):
                accepted = await answer
        except TimeoutError:
            return  # it is in the log, and will be delivered when we hear of it
        finally:
            self.options.sent.pop(entry_id, None)
        if not accepted:
            raise ChannelFull(channel)

    async def push(self, name: str, payload: bytes) -> None:
        """Put a message into a general channel.

        Raises:
            ChannelFull: it is at its capacity.
        """
        shard, key = self.shard(name), self.key("c", name)
        args = (
            self.new_id(),
            payload,
            self.options.capacity_of(name),
            self.keep,
            shard.channel(key),
            shard.server.publish_command,
        )
        position = await self._append(
            PUSH, shard, key, args, lambda reply: (shard.channel(key), b"")
        )
        if position is not None and position.offset < 0:
            raise ChannelFull(name)

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

    def _answer(self, answer: "asyncio.Future[bool]", accepted: bool) -> None:
        def set_result() -> None:
            if not answer.done():
                answer.set_result(accepted)

        self.on_loop(set_result)

    # Groups.

    async def join(self, group: str, channel: str) -> None:
        """Make a channel of this hub a member.

        Raises:
            BrokerUnavailableError: the broker did not confirm in time that messages will come.
        """
        self._joining[group] = self._joining.get(group, 0) + 1
        try:
            follow = self._groups.get(group)
            if follow is None:
                follow = self._groups[group] = self._follow(
                    "g", group, GroupReader(self, group), from_start=False
                )
            if not follow.live:
                await self.wait_until_live(follow)
            with self.delivery.lock:
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
        self._settle(group)

    def leave_all(self, channel: str) -> None:
        """End every membership of a channel. From any thread."""
        with self.delivery.lock:
            groups = self.memberships.groups_of(channel)
            for group in groups:
                self.memberships.leave(group, channel)
        if groups:
            self.on_loop(lambda: list(map(self._settle, groups)))

    def _settle(self, group: str) -> None:
        """Follow a group no longer than somebody is, or wants to be, a member."""
        follow = self._groups.get(group)
        if follow is None or group in self._joining or group in self.memberships.groups:
            return
        del self._groups[group]
        self.shard(group).follows.unfollow(follow)

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

    def open_mail(self) -> Follow:
        """Begin to take direct mail, unless that has been done."""
        if self._mail is None:
            self._mail = self._follow("p", self.id, MailReader(self), from_start=True)
        return self._mail

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
            self.shard(self.id).follows.unfollow(self._mail)
            self._mail = None
            self.open_mail()

    async def delete_keys(self) -> None:
        """Delete every key of the layer."""
        prefix = "".join(f"\\{c}" if c in "*?[]\\" else c for c in self.options.prefix)
        for index in range(len(self._shards)):
            await self._shard(index).server.delete_keys(f"{prefix}:{{?:*".encode())

    async def close(self) -> None:
        """Close the connections, and end what runs beside."""
        self.closed = True
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


def _announcement(channel: bytes, entry_id: bytes, data: bytes, reply: Any) -> tuple[bytes, bytes]:
    """What publish.lua announced."""
    return channel, b"%d-%d-%s %s" % (reply[0], reply[1], entry_id, data)


def process_of(channel: str) -> str:
    """The hub that a channel's name says it belongs to."""
    return channel.partition("!")[0].rpartition(".")[2]
