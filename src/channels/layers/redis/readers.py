"""From a log to mailboxes: what a group's and a process's entries do here."""

from typing import TYPE_CHECKING

from channels.layers.redis.envelope import ADD, DIRECT, DONE, GROUP, REMOVE, unseal
from channels.layers.snapshot import Snapshot

if TYPE_CHECKING:
    from channels.layers.redis.hub import Hub

GAP = "group.gap"
"""The type of the message that tells members of a gap."""


class GroupReader:
    """Puts a group's messages into its local members' mailboxes: decoded once, whatever their
    number."""

    def __init__(self, hub: "Hub", group: str) -> None:
        self._hub = hub
        self._group = group

    def deliver(self, entry_id: bytes, data: bytes) -> None:
        envelope = unseal(data)
        if envelope.kind != GROUP:
            return
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

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub

    def deliver(self, entry_id: bytes, data: bytes) -> None:
        envelope = unseal(data)
        if envelope.kind == DIRECT and len(envelope.words) == 1:
            self._put(entry_id, envelope.words[0], envelope.payload)
        elif envelope.kind in (ADD, REMOVE):
            self._hub.requests.do(envelope.kind, envelope.words)
        elif envelope.kind == DONE:
            self._hub.requests.answered(envelope.words)
        self._hub.options.drops.report()

    def _put(self, entry_id: bytes, channel: str, payload: bytes) -> None:
        hub = self._hub
        tell = hub.options.sent.pop(entry_id, None)
        snapshot = hub.decoded(payload, f"channel {channel!r}")
        accepted = snapshot is not None and hub.delivery.put(channel, snapshot)
        if tell is not None:
            tell(accepted or snapshot is None)
        elif not accepted and snapshot is not None:
            hub.options.drops.count("full", 1, f"channel {channel!r}")

    def expired(self, count: int) -> None:
        self._hub.options.drops.count("expired", count, "direct mail")
        self._hub.options.drops.report()

    def missed(self, count: int | None) -> None:
        self._hub.options.drops.count("gap", count or 1, "direct mail of this process")
        self._hub.options.drops.report()
        # What senders of this process wait to hear of may be what is gone.
        for tell in list(self._hub.options.sent.values()):
            tell(True)
