"""A channel layer as one would explain it: lists and dictionaries, looked through at each step."""

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from channels.layers import Position

CAPACITY = 3
EXPIRY = 4
GROUP_EXPIRY = 10


class Model:
    def __init__(self) -> None:
        self.now = 0
        self.mail: dict[str, list[tuple[int, int]]] = {}
        """channel -> (expires at, number), oldest first."""
        self.waiting: Counter[str] = Counter()
        """channel -> how many receive."""
        self.owned: set[str] = set()
        """Channels of consumers that are there."""
        self.groups: dict[str, dict[str, int]] = {}
        """group -> channel -> last use."""
        self.doubtful: set[tuple[str, str]] = set()
        """Memberships that were used when their time was over already: whether the layer had
        noticed the end is its own affair."""
        self.positions: dict[str, tuple[Position, int]] = {}
        """group -> the last position, and when it was written."""
        self.forgettable: set[str] = set()
        """Groups whose log may have been forgotten since."""
        self.forgotten: set[str] = set()
        """Groups whose log must have been."""

    # Channels.

    def alive(self, channel: str) -> list[int]:
        return [number for at, number in self.mail.get(channel, ()) if at > self.now]

    def has_room(self, channel: str) -> bool:
        return len(self.alive(channel)) < CAPACITY

    def put(self, channel: str, number: int) -> None:
        self.mail.setdefault(channel, []).append((self.now + EXPIRY, number))
        if self.waiting[channel]:
            self.use(channel)

    def take(self, channel: str) -> int | None:
        alive = self.alive(channel)
        self.mail[channel] = [entry for entry in self.mail.get(channel, ()) if entry[0] > self.now]
        if not alive:
            return None
        self.mail[channel].pop(0)
        return alive[0]

    def channels(self) -> set[str]:
        """Those with mail or a reader."""
        with_mail = {channel for channel in self.mail if self.alive(channel)}
        return with_mail | self.owned | set(+self.waiting)

    # Groups.

    def join(self, group: str, channel: str) -> None:
        self.groups.setdefault(group, {})[channel] = self.now
        self.doubtful.discard((group, channel))

    def leave(self, group: str, channel: str) -> None:
        self.groups.get(group, {}).pop(channel, None)
        self.doubtful.discard((group, channel))
        if not self.groups.get(group):
            self.groups.pop(group, None)

    def close(self, channel: str) -> None:
        self.owned.discard(channel)
        self.mail.pop(channel, None)
        for group in list(self.groups):
            self.leave(group, channel)

    def begin_to_read(self, channel: str) -> None:
        for group, members in self.groups.items():
            if channel in members and self.is_over(group, channel):
                self.doubtful.add((group, channel))

    def use(self, channel: str) -> None:
        for members in self.groups.values():
            if channel in members:
                members[channel] = self.now

    def is_over(self, group: str, channel: str) -> bool:
        if channel in self.owned or self.waiting[channel]:
            return False
        return self.groups[group][channel] + GROUP_EXPIRY <= self.now

    def current_groups(self) -> list[str]:
        """Groups with a member of whom there is no doubt."""
        return [
            group
            for group, members in self.groups.items()
            if any(
                not self.is_over(group, channel) and (group, channel) not in self.doubtful
                for channel in members
            )
        ]

    def settle_doubts(self, groups: dict[str, dict[str, float]]) -> None:
        """Take over what the layer made of the doubtful."""
        for group, channel in list(self.doubtful):
            if channel not in groups.get(group, {}):
                self.leave(group, channel)
        self.doubtful.clear()

    def group_send(self, group: str, number: int, exclude: set[str]) -> tuple[int, int]:
        """How many members it reached, and how many were full."""
        reached = full = 0
        for channel in list(self.groups.get(group, ())):
            if channel in exclude:
                continue
            if self.is_over(group, channel):
                self.leave(group, channel)
            elif self.has_room(channel):
                self.put(channel, number)
                reached += 1
            else:
                full += 1
        return reached, full

    def check_position(self, group: str, position: Any) -> None:
        last, _ = self.positions.get(group, (None, 0))
        if last is not None and position.epoch == last.epoch:
            assert position.offset == last.offset + 1
            assert group not in self.forgotten, "the log outlived a flush"
        else:
            assert position.offset == 1
            assert last is None or group in self.forgettable, "the log was forgotten too early"
        self.positions[group] = (position, self.now)
        self.forgettable.discard(group)
        self.forgotten.discard(group)

    def note_logs_that_may_be_forgotten(self) -> None:
        current = self.current_groups()
        for group, (_, written_at) in self.positions.items():
            if written_at + EXPIRY <= self.now and group not in current:
                self.forgettable.add(group)

    # Everything.

    def flush(self) -> None:
        self.mail.clear()
        self.groups.clear()
        self.doubtful.clear()
        self.forgettable |= set(self.positions)
        self.forgotten |= set(self.positions)

    def clean(self) -> None:
        for group, members in list(self.groups.items()):
            for channel in list(members):
                if self.is_over(group, channel):
                    self.leave(group, channel)
