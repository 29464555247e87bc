"""The layer of one process: no broker, no setup, gone with the process."""

import time
from collections.abc import Callable, Collection, Mapping
from random import choices
from secrets import token_hex
from string import ascii_letters
from typing import Any, ClassVar

from channels.exceptions import ChannelFull
from channels.layers.base import BaseChannelLayer, Inbox, Pattern
from channels.layers.deadlines import Deadlines
from channels.layers.delivery import Box, Delivery
from channels.layers.drops import Drops
from channels.layers.groups import Memberships
from channels.layers.log import GroupLog, Position
from channels.layers.snapshot import Snapshot
from channels.typing import Message


class InMemoryChannelLayer(BaseChannelLayer):
    """Carries messages between the consumers and threads of one process.

    Messages go between any two event loops and threads. A send costs what the group has members,
    whatever else the layer holds. Two instances are two separate worlds.

    Args:
        expiry: seconds that a message may wait, and that a group's log keeps it.
        group_expiry: seconds after its last use that a membership without a consumer ends; the
            membership of a connected consumer lasts as long as the consumer.
        capacity: how many messages a channel holds, and how many entries a group's log keeps.
        channel_capacity: capacities by channel name.
        clock: where the time comes from, in seconds. For tests.

    A subclass that overrides ``send`` is asked for every delivery of a group message too, and one
    that overrides ``receive`` for every message that a consumer gets: test suites record that way.
    """

    extensions: ClassVar[list[str]] = ["groups", "flush", "positions", "exclude"]

    def __init__(
        self,
        expiry: float = 60,
        group_expiry: float = 86400,
        capacity: int = 100,
        channel_capacity: Mapping[Pattern, int] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            expiry=expiry, capacity=capacity, channel_capacity=channel_capacity, **kwargs
        )
        self.channel_capacity = self.compile_capacities(channel_capacity or {})
        self.group_expiry = group_expiry
        self.drops = Drops(type(self).__name__)
        self._clock = clock
        self._delivery = Delivery(self.get_capacity, expiry, clock, self.drops)
        self._memberships = Memberships()
        self._leases: Deadlines[tuple[str, str]] = Deadlines(group_expiry)
        self._logs: dict[str, GroupLog[Snapshot]] = {}
        self._ends_of_logs: Deadlines[str] = Deadlines(expiry)

    @property
    def channels(self) -> dict[str, Box]:
        """Mailboxes by name; a channel is there while it has mail or a reader."""
        return self._delivery.boxes

    @property
    def groups(self) -> dict[str, dict[str, float]]:
        """Members by group, with the time of their last use; a group is there while it has any."""
        return self._memberships.groups

    async def send(self, channel: str, message: Message) -> None:
        self.require_valid_message(message)
        self.require_valid_channel_name(channel)
        if not self._delivery.put(channel, Snapshot(message)):
            raise ChannelFull(channel)

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel)
        snapshot = await self._delivery.receive(channel)
        with self._delivery.lock:
            self._memberships.touch(channel, self._clock())
        return snapshot.message()

    async def new_channel(self, prefix: str = "specific.") -> str:
        return f"{prefix.rstrip('.')}.inmemory!{''.join(choices(ascii_letters, k=12))}"  # noqa: S311

    def attach(self, channel: str, wake: Callable[[], None]) -> Inbox | None:
        if _is_replaced(self, "receive"):
            return None
        return _Inbox(self, channel, self._delivery.listen(channel, wake))

    async def group_add(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        now = self._clock()
        with self._delivery.lock:
            self._memberships.join(group, channel, now)
            if not self._delivery.listened_to(channel):
                self._leases.watch((group, channel), now)
            self._sweep(now)

    async def group_discard(self, group: str, channel: str) -> None:
        self.require_valid_channel_name(channel)
        self.require_valid_group_name(group)
        with self._delivery.lock:
            self._leave(group, channel)

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Position:
        """Append the message to the group's log and put it into every member's mailbox.

        Members see a group's messages in the order of their positions. A member that is at its
        capacity does not get the message; that is counted in :attr:`drops` and logged.
        """
        self.require_valid_message(message, "Message is not a dict")
        self.require_valid_group_name(group)
        snapshot = Snapshot(message)
        now = self._clock()
        with self._delivery.lock:
            self._sweep(now)
            position = self._log(group, now).append(snapshot, now)
            members = [
                channel for channel in self._memberships.members(group) if channel not in exclude
            ]
            if not _is_replaced(self, "send"):
                full = self._delivery.fan_out(members, snapshot)
        if _is_replaced(self, "send"):
            full = await self._send_one_by_one(members, message)
        if full:
            self.drops.note("full", f"group {group!r}", len(full), now)
        return position

    async def flush(self) -> None:
        with self._delivery.lock:
            self._delivery.clear()
            self._memberships.clear()
            self._leases.clear()
            self._logs.clear()
            self._ends_of_logs.clear()

    async def close(self) -> None:
        """Nothing is held open; here because every layer has it."""

    def _clean_expired(self) -> None:
        """Drop everything whose time has come, now. Sends and receives do it by and by."""
        now = self._clock()
        with self._delivery.lock:
            self._delivery.drop_expired()
            self._sweep(now, most=len(self._leases) + len(self._ends_of_logs))

    def _remove_from_groups(self, channel: str) -> None:
        """End every membership of a channel."""
        with self._delivery.lock:
            for group in self._memberships.groups_of(channel):
                self._leave(group, channel)

    def _leave(self, group: str, channel: str) -> None:
        self._memberships.leave(group, channel)
        self._leases.forget((group, channel))

    async def _send_one_by_one(self, members: list[str], message: Message) -> list[str]:
        full = []
        for channel in members:
            try:
                await self.send(channel, message)
            except ChannelFull:
                full.append(channel)
        return full

    def _log(self, group: str, now: float) -> GroupLog[Snapshot]:
        log = self._logs.get(group)
        if log is None:
            log = self._logs[group] = GroupLog(token_hex(4), self.capacity, self.expiry)
            self._ends_of_logs.watch(group, now)
        return log

    def _sweep(self, now: float, most: int = 2) -> None:
        """Look at a few things whose time may have come: more than a call can add, so that tables
        stay bounded and no call pays for what it does not touch."""
        for _ in range(most):
            lease = self._leases.pop_due(now)
            if lease is not None:
                self._review_membership(*lease, now)
            group = self._ends_of_logs.pop_due(now)
            if group is not None:
                self._review_log(group, now)

    def _review_membership(self, group: str, channel: str, now: float) -> None:
        """End a membership that nobody used for ``group_expiry`` seconds."""
        last_used = self._memberships.last_used(group, channel)
        if last_used is None or self._delivery.listened_to(channel):
            return
        if last_used + self.group_expiry <= now and not self._delivery.in_use(channel):
            self._memberships.leave(group, channel)
        else:
            self._leases.watch((group, channel), now)

    def _review_log(self, group: str, now: float) -> None:
        """Forget a log that is empty and whose group has no members."""
        if self._logs[group].empty_at <= now and group not in self._memberships.groups:
            del self._logs[group]
        else:
            self._ends_of_logs.watch(group, now)


class _Inbox:
    """A consumer's hold on its mailbox."""

    __slots__ = ("_box", "_channel", "_layer")

    def __init__(self, layer: InMemoryChannelLayer, channel: str, box: Box) -> None:
        self._layer = layer
        self._channel = channel
        self._box = box

    def take(self) -> Snapshot | None:
        return self._layer._delivery.take(self._channel, self._box)

    def count_drop(self, reason: str) -> None:
        self._layer.drops.counts[reason] += 1

    def close(self) -> None:
        self._layer._remove_from_groups(self._channel)
        self._layer._delivery.ignore(self._channel, self._box)


_OWN = {"send": InMemoryChannelLayer.send, "receive": InMemoryChannelLayer.receive}


def _is_replaced(layer: InMemoryChannelLayer, method: str) -> bool:
    """Whether a subclass, a patch of the class or one of the instance stands in for a method."""
    return getattr(getattr(layer, method), "__func__", None) is not _OWN[method]
