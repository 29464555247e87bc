"""Who is in which group, in this process. No locks, no waiting."""

import math
import time
from collections.abc import Iterable


class Memberships:
    """A relation between groups and channels that is quick from both sides.

    Joining, leaving and use cost the same however much else is held.
    """

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, float]] = {}
        """group -> channel -> the wall clock's time of joining. A group without members is not
        there. Test suites look into it and clear it, so what it no longer has is no membership,
        whatever the other tables say."""
        self._joined: dict[str, dict[str, float]] = {}
        """channel -> group -> when it joined, by the owner's clock."""
        self._used: dict[str, float] = {}
        """channel -> when it was last used. Only for members that were."""

    def join(self, group: str, channel: str, now: float) -> None:
        """Make ``channel`` a member, or mark its membership as used."""
        self.groups.setdefault(group, {})[channel] = time.time()
        self._joined.setdefault(channel, {})[group] = now

    def leave(self, group: str, channel: str) -> None:
        """End one membership; silent where there is none."""
        members = self.groups.get(group)
        if members is not None:
            members.pop(channel, None)
            if not members:
                del self.groups[group]
        joined = self._joined.get(channel)
        if joined is not None:
            joined.pop(group, None)
            if not joined:
                del self._joined[channel]
                self._used.pop(channel, None)

    def groups_of(self, channel: str) -> list[str]:
        """The groups that ``channel`` is a member of."""
        return list(self._joined.get(channel, ()))

    def count(self, channel: str, but: str) -> int:
        """In how many groups ``channel`` is, not counting the group ``but``."""
        joined = self._joined.get(channel, ())
        return len(joined) - (but in joined)

    def touch(self, channel: str, now: float) -> None:
        """Mark every membership of ``channel`` as used."""
        if channel in self._joined:
            self._used[channel] = now

    def members(self, group: str) -> Iterable[str]:
        return self.groups.get(group, ())

    def last_used(self, group: str, channel: str) -> float | None:
        """When the membership was last used, or ``None`` where there is none."""
        if channel not in self.groups.get(group, ()):
            return None
        # What a test suite wrote into the mapping by hand stays.
        joined = self._joined.get(channel, {}).get(group, math.inf)
        return max(joined, self._used.get(channel, joined))

    def clear(self) -> None:
        self.groups.clear()
        self._joined.clear()
        self._used.clear()
