"""Faults of groups."""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Any

from channels.layers import Position
from channels.testing.faulty.base import FaultyLayer, is_general
from channels.typing import Message


class MissesTheFifthMember(FaultyLayer, caught_by=("group_members",)):
    """A group message reaches four members, whatever their number."""

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        left_out = [*exclude, *self.members(group)[4:]]
        return await super().group_send(group, message, exclude=left_out)


class CountsJoins(FaultyLayer, caught_by=("group_message_once",)):
    """Who was added to a group twice gets its messages twice."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.joins: Counter[tuple[str, str]] = Counter()

    async def group_add(self, group: str, channel: str) -> None:
        await super().group_add(group, channel)
        self.joins[group, channel] += 1

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        position = await super().group_send(group, message, exclude=exclude)
        for channel in self.members(group):
            if self.joins[group, channel] > 1:
                await self.send(channel, message)
        return position


class JoinsLater(FaultyLayer, caught_by=("group_add_is_in_effect",)):
    """Returns from ``group_add`` before it has taken effect, if it is busy with another one."""

    busy: bool = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.tasks: set[asyncio.Task[None]] = set()

    async def group_add(self, group: str, channel: str) -> None:
        if self.busy:
            self.tasks.add(asyncio.create_task(self._join(group, channel)))
            return
        self.busy = True
        await self._join(group, channel)
        self.busy = False

    async def _join(self, group: str, channel: str) -> None:
        try:
            for _ in range(20):
                await asyncio.sleep(0)
            await super().group_add(group, channel)
        finally:
            self.busy = False


class KeepsMembers(FaultyLayer, caught_by=("group_discard", "group_add_from_a_peer")):
    """Checks what ``group_discard`` is given and does nothing with it."""

    async def group_discard(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)


class KnowsItsMembers(FaultyLayer, caught_by=("group_discard_of_a_stranger",)):
    """Raises ``KeyError`` when a channel that is no member is discarded."""

    async def group_discard(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        if channel not in self.members(group):
            raise KeyError(channel)
        await super().group_discard(group, channel)


class WantsMembers(FaultyLayer, caught_by=("group_without_members",)):
    """Raises ``KeyError`` when a message is sent to a group without members."""

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        self.require_valid_group_name(group)
        self.require_valid_message(message)
        if not self.members(group):
            raise KeyError(group)
        return await super().group_send(group, message, exclude=exclude)


class CutsGroupNames(FaultyLayer, caught_by=("groups_are_separate",)):
    """Looks at the first nine characters of a group's name."""

    async def group_add(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        await super().group_add(group[:9], channel)

    async def group_discard(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        await super().group_discard(group[:9], channel)

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        self.require_valid_group_name(group)
        return await super().group_send(group[:9], message, exclude=exclude)


class LetsGroupMessagesOvertake(FaultyLayer, caught_by=("group_order",)):
    """Every tenth message of a group overtakes the one before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sent: Counter[str] = Counter()

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        position = await super().group_send(group, message, exclude=exclude)
        self.sent[group] += 1
        if self.sent[group] % 10 == 0:
            for channel in self.members(group):
                self.swap_last_two(channel)
        return position


MIXED = ("mixed_order", "mixed_order_from_a_peer")


class LetsDirectMessagesOvertake(FaultyLayer, caught_by=MIXED):
    """A direct message overtakes a group message that was sent just before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.group_came_last: set[str] = set()

    async def send(self, channel: str, message: Message) -> None:
        await super().send(channel, message)
        if channel in self.group_came_last:
            self.swap_last_two(channel)
            self.group_came_last.discard(channel)

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        position = await super().group_send(group, message, exclude=exclude)
        self.group_came_last.update(self.members(group))
        return position


class LetsDirectMessagesBeOvertaken(FaultyLayer, caught_by=MIXED):
    """A group message overtakes a direct message that was sent just before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.direct_came_last: set[str] = set()

    async def send(self, channel: str, message: Message) -> None:
        await super().send(channel, message)
        self.direct_came_last.add(channel)

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        position = await super().group_send(group, message, exclude=exclude)
        for channel in self.direct_came_last.intersection(self.members(group)):
            self.swap_last_two(channel)
        self.direct_came_last.clear()
        return position


class LetsGroupsOvertakeOneAnother(FaultyLayer, caught_by=MIXED):
    """A group message overtakes one of another group that was sent just before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.last_group: str = ""

    async def send(self, channel: str, message: Message) -> None:
        await super().send(channel, message)
        self.last_group = ""

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        position = await super().group_send(group, message, exclude=exclude)
        if self.last_group not in ("", group):
            for channel in set(self.members(group)).intersection(self.members(self.last_group)):
                self.swap_last_two(channel)
        self.last_group = group
        return position


class _Shared(dict[str, Any]):
    """A dictionary that a copy does not copy."""

    def __deepcopy__(self, memo: object) -> "_Shared":
        return self


class SharesMessages(FaultyLayer, caught_by=("own_copy_for_each_member",)):
    """Members of a group share what is inside a message."""

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        if isinstance(message, dict):
            message = {
                key: _Shared(value) if isinstance(value, dict) else value
                for key, value in message.items()
            }
        return await super().group_send(group, message, exclude=exclude)


class AcceptsAnyGroupMessage(FaultyLayer, caught_by=("group_only_dicts",)):
    """Drops what is not a dictionary without a word."""

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        if isinstance(message, dict):
            return await super().group_send(group, message, exclude=exclude)
        return None


class ForgetsGeneralMembers(FaultyLayer, caught_by=("general_member",)):
    """Takes general channels as members and sends them nothing."""

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        general = [channel for channel in self.members(group) if is_general(channel)]
        return await super().group_send(group, message, exclude=[*exclude, *general])


class RefusesGeneralMembers(FaultyLayer, caught_by=("general_member",)):
    """Says that general channels may be in groups, and refuses them."""

    async def group_add(self, group: str, channel: str) -> None:
        if self.require_valid_channel_name(channel) and is_general(channel):
            raise ValueError("A general channel cannot be in a group.")
        await super().group_add(group, channel)


class IgnoresExclude(FaultyLayer, caught_by=("exclude",)):
    """Takes ``exclude`` and does nothing with it."""

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        return await super().group_send(group, message)


class CountsAllGroupsTogether(FaultyLayer, caught_by=("positions",)):
    """Returns offsets that go up with the messages of every group."""

    sent: int = 0

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        position = await super().group_send(group, message, exclude=exclude)
        self.sent += 1
        return Position(position.epoch, self.sent)
