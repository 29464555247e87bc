"""Faults of capacity and expiry."""

from collections.abc import Collection
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer
from channels.testing.faulty.base import FaultyLayer, is_general
from channels.typing import Message


class _OneMore(InMemoryChannelLayer):
    def get_capacity(self, channel: str) -> int:
        return super().get_capacity(channel) + (not is_general(channel))


class HoldsOneMore(FaultyLayer, caught_by=("capacity",)):
    """Refuses a message one too late, on channels of this process."""

    @classmethod
    def make_inner(cls, **options: Any) -> InMemoryChannelLayer:
        return _OneMore(**options)


class CountsTheWholeProcess(FaultyLayer, caught_by=("capacity_per_channel",)):
    """Counts the messages of all channels of this process together."""

    async def send(self, channel: str, message: Message) -> None:
        self.inner._clean_expired()  # pyright: ignore[reportPrivateUsage]
        boxes = self.inner.channels.items()
        together = sum(box.qsize() for name, box in boxes if not is_general(name))
        if not is_general(channel) and together >= self.inner.capacity:
            raise ChannelFull(channel)
        await super().send(channel, message)


class IgnoresChannelCapacity(FaultyLayer, caught_by=("capacity_by_name",)):
    """Takes ``channel_capacity`` and does nothing with it."""

    @classmethod
    def make_inner(cls, **options: Any) -> InMemoryChannelLayer:
        options.pop("channel_capacity", None)
        return super().make_inner(**options)


class TellsTheSenderOfFullMembers(FaultyLayer, caught_by=("group_send_to_a_full_member",)):
    """Raises ``ChannelFull`` when a member of the group is full."""

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        for channel in self.members(group):
            if len(self.waiting(channel)) >= self.inner.get_capacity(channel):
                raise ChannelFull(channel)
        return await super().group_send(group, message, exclude=exclude)


class NeverExpires(FaultyLayer, caught_by=("expiry", "expired_messages_take_no_room")):
    """Keeps messages for ever."""

    @classmethod
    def make_inner(cls, **options: Any) -> InMemoryChannelLayer:
        return super().make_inner(**{**options, "expiry": 1e9})


class CountsExpiredMessages(FaultyLayer, caught_by=("expired_messages_take_no_room",)):
    """Drops expired messages when they are received and not before."""

    async def send(self, channel: str, message: Message) -> None:
        self.require_valid_channel_name(channel)
        if len(self.waiting(channel)) >= self.inner.get_capacity(channel):
            raise ChannelFull(channel)
        await super().send(channel, message)


class ExpiresTooEarly(FaultyLayer, caught_by=("no_early_expiry",)):
    """Keeps messages for a hundredth of ``expiry``."""

    @classmethod
    def make_inner(cls, **options: Any) -> InMemoryChannelLayer:
        return super().make_inner(**{**options, "expiry": options.get("expiry", 60) / 100})
