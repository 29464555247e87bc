"""Who is in which group, in this process. Pure: no clock, no locks, no waiting."""

from collections.abc import Iterable


class Memberships:
    """A relation between groups and channels that is quick from both sides.

    Joining and leaving cost the same however much else is held.
    """

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, float]] = {}
        """group -> channel -> when the membership was last used. A group without members is not
        there."""
        self._of_channel: dict[str, set[str]] = {}

    def join(self, group: str, channel: str, now: float) -> None:
        """Make ``channel`` a member, or mark its membership as used."""
        self.groups.setdefault(group, {})[channel] = now
        self._of_channel.setdefault(channel, set()).add(group)

    def leave(self, group: str, channel: str) -> None:
        """End one membership; silent where there is none."""
        members = self.groups.get(group)
        if members is not None:
            members.pop(channel, None)
            if not members:
                del self.groups[group]
        own = self._of_channel.get(channel)
        if own is not None:
            own.discard(group)
            if not own:
                del self._of_channel[channel]

    def groups_of(self, channel: str) -> list[str]:
        """The groups that ``channel`` is a member of."""
        return list(self._of_channel.get(channel, ()))

    def touch(self, channel: str, now: float) -> None:
        """Mark every membership of ``channel`` as used."""
        for group in self._of_channel.get(channel, ()):
            self.groups[group][channel] = now

    def members(self, group: str) -> Iterable[str]:
        return self.groups.get(group, ())

    def last_used(self, group: str, channel: str) -> float | None:
        """When the membership was last used, or ``None`` where there is none."""
        return self.groups.get(group, {}).get(channel)

    def clear(self) -> None:
        self.groups.clear()
        self._of_channel.clear()
