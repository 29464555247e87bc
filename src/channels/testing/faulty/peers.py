"""Faults between processes, each of which is a layer that shares its inner one with others."""

from collections.abc import Collection
from typing import Any

from channels.testing.faulty.base import FaultyLayer, is_general
from channels.typing import Message


class SendsWithinTheProcess(FaultyLayer, caught_by=("send_from_a_peer", "mixed_order_from_a_peer")):
    """Loses messages to channels that another process made."""

    async def send(self, channel: str, message: Message) -> None:
        foreign = str(channel).startswith("specific.")
        if not foreign or channel in self.own:
            await super().send(channel, message)


class GroupsWithinTheProcess(
    FaultyLayer, caught_by=("group_send_from_a_peer", "mixed_order_from_a_peer")
):
    """A group message reaches the members of the sender's process."""

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        foreign = [c for c in self.members(group) if not is_general(c) and c not in self.own]
        return await super().group_send(group, message, exclude=[*exclude, *foreign])


class OrdersItsOwn(FaultyLayer, caught_by=("mixed_order_from_a_peer",)):
    """A direct message to a channel of another process overtakes a group message that was sent just
    before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.group_came_last: bool = False

    async def send(self, channel: str, message: Message) -> None:
        await super().send(channel, message)
        if self.group_came_last and channel not in self.own and not is_general(channel):
            self.swap_last_two(channel)
        self.group_came_last = False

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        position = await super().group_send(group, message, exclude=exclude)
        self.group_came_last = True
        return position


class TellsEveryProcess(FaultyLayer, caught_by=("one_receiver_among_peers",)):
    """Gives a message on a general channel to one receiver in each process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.peers: list[TellsEveryProcess] = self.inner.__dict__.setdefault("peers", [])
        self.peers.append(self)

    def _here(self, channel: str) -> str:
        """The name under which this process keeps a general channel."""
        number = self.peers.index(self)
        return f"{channel}.{number}" if number and is_general(channel) else channel

    async def send(self, channel: str, message: Message) -> None:
        self.require_valid_channel_name(channel)
        for name in {peer._here(channel) for peer in self.peers}:
            await super().send(name, message)

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel)
        return await super().receive(self._here(channel))


class AddsItsOwnChannels(FaultyLayer, caught_by=("group_add_from_a_peer",)):
    """Does nothing when a channel of another process is added to a group, without a word."""

    async def group_add(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        if is_general(channel) or channel in self.own:
            await super().group_add(group, channel)


class CountsItsNames(FaultyLayer, caught_by=("peers_make_different_names",)):
    """Numbers its channels from the eleventh on, so that two processes use the same names."""

    async def new_channel(self) -> str:
        name = await super().new_channel()
        if len(self.own) > 30:
            name = f"specific.inmemory!{len(self.own)}"
        return name
