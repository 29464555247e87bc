"""From a log to mailboxes: what a group's and a process's entries do here."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from channels.layers.ordering import Arrival, Place
from channels.layers.redis.envelope import ADD, DIRECT, DONE, GROUP, REMOVE, Envelope, unseal
from channels.layers.snapshot import Snapshot

if TYPE_CHECKING:
    from channels.layers.following import Entry
    from channels.layers.ordering import Log
    from channels.layers.redis.follows import Stored
    from channels.layers.redis.hub import Hub
    from channels.layers.redis.in_order import Deliver

GAP = "group.gap"
"""The type of the message that tells members of a gap."""


class GroupReader:
    """Puts a group's messages into its local members' mailboxes: decoded once, whatever their
    number."""

    def __init__(self, hub: "Hub", group: str, log: "Log[Deliver]") -> None:
        self._hub = hub
        self._group = group
        self._log = log

    def deliver(self, entry: "Entry[Stored]") -> None:
        envelope, log, in_order = unseal(entry.item.data), self._log, self._hub.in_order
        after = envelope.after
        if envelope.kind != GROUP:
            in_order.passed(log, entry.epoch, entry.offset)
        elif in_order.is_next(log, after):
            log.stand(entry.epoch, entry.offset)
            self._put(envelope)
        else:
            in_order.bring(log, arrival(entry, "", after, partial(self._put, envelope)))

    def _put(self, envelope: Envelope) -> None:
        hub, group = self._hub, self._group
        snapshot = hub.decoded(envelope.payload, f"group {group!r}")
        if snapshot is None:
            hub.options.drops.report()
            return
        with hub.delivery.lock:
            members = hub.memberships.members(group)
            if envelope.words:
                excluded = frozenset(envelope.words)
                members = [channel for channel in members if channel not in excluded]
            full, awake = hub.delivery.fill(members, snapshot)
        hub.delivery.wake(awake)
        if full:
            hub.options.drops.count("full", len(full), f"group {group!r}")
        hub.options.drops.report()

    def expired(self, count: int) -> None:
        self._hub.options.drops.count("expired", count, f"group {self._group!r}")
        self._hub.options.drops.report()

    def missed(self, count: int | None) -> None:
        log, tell = self._log, partial(self._tell_of_gap, count)
        if log.busy:
            self._hub.in_order.bring(log, Arrival(log.epoch, log.offset, "", (), 0, tell))
        else:
            tell()

    def asks(self) -> None:
        self._hub.in_order.asks(self._log)

    def read(self, epoch: int, offset: int, *, to_end: bool) -> None:
        self._hub.in_order.read(self._log, epoch, offset, to_end=to_end)

    def _tell_of_gap(self, count: int | None) -> None:
        hub, group = self._hub, self._group
        hub.options.drops.count("gap", count or 1, f"group {group!r}")
        notice = Snapshot({"type": GAP, "group": group, "missed": count})
        with hub.delivery.lock:
            # Only consumers: whoever calls receive() expects what was sent.
            listening = filter(hub.delivery.listened_to, list(hub.memberships.members(group)))
            _, awake = hub.delivery.fill(listening, notice)
        hub.delivery.wake(awake)
        hub.options.drops.report()


class MailReader:
    """Puts a process's direct mail into mailboxes, and does what other processes ask for."""

    def __init__(self, hub: "Hub", log: "Log[Deliver]") -> None:
        self._hub = hub
        self._log = log

    def deliver(self, entry: "Entry[Stored]") -> None:
        envelope, log, hub = unseal(entry.item.data), self._log, self._hub
        if envelope.kind == DIRECT and len(envelope.words) == 1:
            (channel,), after = envelope.words, envelope.after
            if hub.in_order.is_next(log, after):
                log.stand(entry.epoch, entry.offset)
                self._put(entry.id, channel, envelope.payload)
            else:
                put = partial(self._put, entry.id, channel, envelope.payload)
                hub.in_order.bring(log, arrival(entry, channel, after, put))
            return
        # Never held: whoever asked waits for the answer, and who waits sends nothing after it.
        if envelope.kind in (ADD, REMOVE):
            hub.requests.do(envelope.kind, envelope.words)
        elif envelope.kind == DONE:
            hub.requests.answered(envelope.words)
        hub.in_order.passed(log, entry.epoch, entry.offset)

    def _put(self, entry_id: bytes, channel: str, payload: bytes) -> None:
        hub = self._hub
        tell = hub.options.sent.pop(entry_id, None)
        snapshot = hub.decoded(payload, f"channel {channel!r}")
        accepted = snapshot is not None and hub.delivery.put(channel, snapshot)
        if tell is not None:
            tell(accepted or snapshot is None)
        elif not accepted and snapshot is not None:
            hub.options.drops.count("full", 1, f"channel {channel!r}")
        hub.options.drops.report()

    def expired(self, count: int) -> None:
        self._hub.options.drops.count("expired", count, "direct mail")
        self._hub.options.drops.report()

    def missed(self, count: int | None) -> None:
        self._hub.options.drops.count("gap", count or 1, "direct mail of this process")
        self._hub.options.drops.report()
        # What senders of this process wait to hear of may be what is gone.
        for tell in list(self._hub.options.sent.values()):
            tell(True)

    def asks(self) -> None:
        self._hub.in_order.asks(self._log)

    def read(self, epoch: int, offset: int, *, to_end: bool) -> None:
        self._hub.in_order.read(self._log, epoch, offset, to_end=to_end)


def arrival(
    entry: "Entry[Stored]", lane: str, after: Sequence[Place], deliver: "Deliver"
) -> "Arrival[Deliver]":
    return Arrival(entry.epoch, entry.offset, lane, after, len(entry.item.data), deliver)
