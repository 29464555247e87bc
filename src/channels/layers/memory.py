"""The layer of one process: no broker, no setup, gone with the process."""

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from secrets import token_hex
from typing import Any, ClassVar

from channels.exceptions import ChannelFull, TooManyGroupsError
from channels.layers.base import BaseChannelLayer, Inbox, Pattern
from channels.layers.deadlines import Deadlines
from channels.layers.delivery import Box, Delivery
from channels.layers.drops import Drops
from channels.layers.forks import forget_after_fork, keep_inherited
from channels.layers.groups import Memberships
from channels.layers.inbox import MailboxInbox
from channels.layers.log import GroupLog, Position
from channels.layers.rules import DROP_NEWEST, checked_policy, note_refusal
from channels.layers.serializers import make_serializer
from channels.layers.snapshot import Snapshot
from channels.layers.sync import runs_without_loop
from channels.typing import Message


class InMemoryChannelLayer(BaseChannelLayer):
    """Carries messages between the consumers and threads of one process.

    Messages go between any two event loops and threads. A send costs what the group has members,
    whatever else the layer holds. Two instances are two separate worlds, and so are a process and
    the children that it forks.

    Args:
        expiry: seconds that a message may wait, and that a group's log keeps it.
        group_expiry: seconds after its last use that a membership without a consumer ends; the
            membership of a connected consumer lasts as long as the consumer.
        capacity: how many messages a channel holds, and how many entries a group's log keeps.
        channel_capacity: capacities by channel name.
        on_full: what becomes of a message to a channel that holds ``capacity`` messages:
            ``"drop_newest"``: it is lost, and ``send`` raises ChannelFull; ``"drop_oldest"``: the
            oldest one is; ``"close"``: it is, and the consumer is closed with 1013. A consumer's
            own limits go before.
        round_trip: write and read each message as the Redis layer does, so that tests see what it
            would refuse (``TypeError``) and change (a tuple into a list).
        clock: where the time comes from, in seconds. For tests.

    A subclass that overrides ``send`` is asked for every delivery of a group message too, and one
    that overrides ``receive`` for every message that a consumer gets: test suites record that way.
    """

    extensions: ClassVar[list[str]] = ["groups", "flush", "positions", "exclude", "general-members"]

    def __init__(
        self,
        expiry: float = 60,
        group_expiry: float = 86400,
        capacity: int = 100,
        channel_capacity: Mapping[Pattern, int] | None = None,
        *,
        on_full: str = DROP_NEWEST,
        round_trip: bool = False,
        clock: Callable[[], float] = time.monotonic,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            expiry=expiry, capacity=capacity, channel_capacity=channel_capacity, **kwargs
        )
        self.channel_capacity: Any = self.compile_capacities(channel_capacity or {})
        self.group_expiry = group_expiry
        self.on_full: str = checked_policy(on_full)
        self.drops: Drops = Drops(type(self).__name__, clock)
        self._clock = clock
        self._serializer = make_serializer() if round_trip else None
        self._begin()
        forget_after_fork(self)

    def _begin(self) -> None:
        self._delivery = Delivery(
            self.get_capacity, self.expiry, self._clock, self.drops, self.on_full
        )
        self._memberships = Memberships()
        self._leases: Deadlines[tuple[str, str]] = Deadlines(self.group_expiry)
        self._logs: dict[str, GroupLog[Snapshot]] = {}
        self._ends_of_logs: Deadlines[str] = Deadlines(self.expiry)

    def forget_inherited(self) -> None:
        """In a forked child: begin anew. The receivers are the parent's, and its threads may have
        held the locks."""
        keep_inherited(self._delivery)
        self._begin()

    @property
    def channels(self) -> dict[str, Box]:
        """Mailboxes by name; a channel is there while it has mail or a reader."""
        return self._delivery.boxes

    @property
    def groups(self) -> dict[str, dict[str, float]]:
        """Members by group, with the time of joining; a group is there while it has any."""
        return self._memberships.groups

    @runs_without_loop
    async def send(self, channel: str, message: Message) -> None:
        self.require_valid_message(message)
        self.require_valid_channel_name(channel)
        if self._serializer is not None:
            message = self._serializer.loads(self._serializer.dumps(message))
        accepted = self._delivery.put(channel, Snapshot(message))
        self.drops.report()
        if not accepted:
            raise ChannelFull(channel)

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel)
        try:
            snapshot = await self._delivery.receive(channel)
        finally:
            # A caller that gave up waiting has used its memberships too.
            with self._delivery.lock:
                self._memberships.touch(channel, self._clock())
        self.drops.report()
        return snapshot.message()

    async def new_channel(self, prefix: str = "specific.") -> str:
        # Not by `random`, whose state test tools reset: two consumers would get the same name.
        return f"{prefix.rstrip('.')}.inmemory!{token_hex(8)}"

    def attach(self, channel: str, wake: Callable[[], None]) -> Inbox | None:
        if _is_replaced(self, "receive"):
            return None
        box = self._delivery.listen(channel, wake)
        return MailboxInbox(self._delivery, channel, box, self._remove_from_groups)

    @runs_without_loop
    async def group_add(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        try:
            self._join(group, channel, self._clock())
        except TooManyGroupsError as error:
            note_refusal(error)
            raise

    @runs_without_loop
    async def group_discard(self, group: str, channel: str) -> None:
        self.require_valid_channel_name(channel)
        self.require_valid_group_name(group)
        with self._delivery.lock:
            self._leave(group, channel)

    @runs_without_loop
    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Position:
        """Append the message to the group's log and put it into every member's mailbox.

        Members see a group's messages in the order of their positions. A member that is at its
        capacity does not get the message; that is counted in :attr:`drops` and logged.
        """
        self.require_valid_exclude(exclude)
        self.require_valid_message(message, "Message is not a dict")
        self.require_valid_group_name(group)
        if self._serializer is not None:
            message = self._serializer.loads(self._serializer.dumps(message))
        snapshot = Snapshot(message)
        excluded = frozenset(exclude)
        recorded = _is_replaced(self, "send")
        full: list[str] = []
        now = self._clock()
        is_over = partial(self._end_if_over, group, now=now)
        with self._delivery.lock:
            self._end_leases(now)
            self._end_logs(now)
            position = self._log(group, now).append(snapshot, now)
            members = list(self._memberships.members(group))
            if excluded:
                members = [channel for channel in members if channel not in excluded]
            if recorded:
                members = [channel for channel in members if not is_over(channel)]
            else:
                full, awake = self._delivery.fill(members, snapshot, leave_out=is_over)
        if recorded:
            await self._send_one_by_one(group, members, message)
        else:
            self._delivery.wake(awake)  # pyright: ignore[reportPossiblyUnboundVariable]
            self._count_full(group, full)
        self.drops.report()
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
            for group, members in list(self._memberships.groups.items()):
                for channel in list(members):
                    self._end_if_over(group, channel, now)
            self._end_logs(now, most=len(self._ends_of_logs))
        self.drops.report()

    def _remove_from_groups(self, channel: str) -> None:
        """End every membership of a channel."""
        with self._delivery.lock:
            for group in self._memberships.groups_of(channel):
                self._leave(group, channel)

    def _join(self, group: str, channel: str, now: float) -> None:
        with self._delivery.lock:
            self._delivery.check_groups(group, channel, self._memberships)
            self._memberships.join(group, channel, now)
            if not self._delivery.listened_to(channel):
                self._leases.watch((group, channel), now)
            self._end_leases(now)

    def _leave(self, group: str, channel: str) -> None:
        self._memberships.leave(group, channel)
        self._leases.forget((group, channel))

    async def _send_one_by_one(self, group: str, members: list[str], message: Message) -> None:
        """Have the ``send`` of a subclass deliver. What it raises for one member keeps nothing from
        the others."""
        full: list[str] = []
        failure: Exception | None = None
        for channel in members:
            try:
                await self.send(channel, message)
            except ChannelFull:
                full.append(channel)
            except Exception as error:
                failure = failure or error
        self._count_full(group, full)
        if failure is not None:
            raise failure

    def _count_full(self, group: str, channels: list[str]) -> None:
        if channels:
            self.drops.count("full", len(channels), f"group {group!r}")

    def _log(self, group: str, now: float) -> GroupLog[Snapshot]:
        log = self._logs.get(group)
        if log is None:
            log = self._logs[group] = GroupLog(token_hex(4), self.capacity, self.expiry)
            self._ends_of_logs.watch(group, now)
        return log

    # A call looks at up to two things whose time may have come: more than it can add, so that the
    # tables stay bounded and no call pays for what it does not touch.

    def _end_leases(self, now: float, most: int = 2) -> None:
        for _ in range(most):
            lease = self._leases.pop_due(now)
            if lease is None:
                return
            self._review_membership(*lease, now)

    def _end_logs(self, now: float, most: int = 2) -> None:
        for _ in range(most):
            group = self._ends_of_logs.pop_due(now)
            if group is None:
                return
            self._review_log(group, now)

    def _review_membership(self, group: str, channel: str, now: float) -> None:
        if not self._end_if_over(group, channel, now) and not self._delivery.listened_to(channel):
            self._leases.watch((group, channel), now)

    def _end_if_over(self, group: str, channel: str, now: float) -> bool:
        """End a membership that nobody used for ``group_expiry`` seconds."""
        last_used = self._memberships.last_used(group, channel)
        if last_used is not None:
            last_used = max(last_used, self._delivery.last_read(channel, now))
            if last_used + self.group_expiry > now:
                return False
        self._leave(group, channel)
        return True

    def _review_log(self, group: str, now: float) -> None:
        """Forget a log that is empty and whose group has no members."""
        log = self._logs[group]
        log.trim(now)
        if log.empty_at <= now and group not in self._memberships.groups:
            del self._logs[group]
        else:
            self._ends_of_logs.watch(group, now)


_OWN = {"send": InMemoryChannelLayer.send, "receive": InMemoryChannelLayer.receive}


def _is_replaced(layer: InMemoryChannelLayer, method: str) -> bool:
    """Whether a subclass, a patch of the class or one of the instance stands in for a method."""
    return getattr(getattr(layer, method), "__func__", None) is not _OWN[method]
