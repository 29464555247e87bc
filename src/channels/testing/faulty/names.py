"""Faults of the checks of names."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from channels.testing.faulty.base import FaultyLayer
from channels.typing import Message


def _valid(require: Callable[[str], bool], name: str) -> bool:
    with suppress(TypeError):
        return require(name)
    return False


class AcceptsAnyChannelName(FaultyLayer, caught_by=("channel_names",)):
    """Drops a message to what is not a channel name without a word."""

    async def send(self, channel: str, message: Message) -> None:
        if _valid(self.require_valid_channel_name, channel):
            await super().send(channel, message)


class WaitsOnAnyName(FaultyLayer, caught_by=("receive_names",)):
    """Waits for ever for a message on what is not a channel name."""

    async def receive(self, channel: str) -> Message:
        if not _valid(self.require_valid_channel_name, channel):
            await asyncio.Event().wait()
        return await super().receive(channel)


class AcceptsAnyGroupName(FaultyLayer, caught_by=("group_names",)):
    """Does nothing for what is not a group name, without a word."""

    async def group_add(self, group: str, channel: str) -> None:
        if _valid(self.require_valid_group_name, group):
            await super().group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        if _valid(self.require_valid_group_name, group):
            await super().group_discard(group, channel)

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        if _valid(self.require_valid_group_name, group):
            return await super().group_send(group, message, exclude=exclude)
        return None


class AcceptsAnyMember(FaultyLayer, caught_by=("member_names",)):
    """Does nothing when what is not a channel name is added to a group, without a word."""

    async def group_add(self, group: str, channel: str) -> None:
        if _valid(self.require_valid_channel_name, channel):
            await super().group_add(group, channel)
