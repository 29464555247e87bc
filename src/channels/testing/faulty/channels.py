"""Faults of ``send``, ``receive`` and ``new_channel``."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from channels.exceptions import ChannelFull
from channels.testing.faulty.base import FaultyLayer, is_general
from channels.typing import Message


class LeavesItsKey(FaultyLayer, caught_by=("send_then_receive",)):
    """Leaves the key in a message that it finds the channel by."""

    async def receive(self, channel: str) -> Message:
        return {**await super().receive(channel), "__asgi_channel__": channel}


class LetsReceiversSleep(
    FaultyLayer,
    caught_by=(
        "receive_then_send",
        "one_receiver",
        "many_tasks",
        "another_event_loop",
        "one_receiver_among_peers",
        "group_add_from_a_peer",
    ),
):
    """Looks for a message when ``receive`` is called and never again."""

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel)
        if not self.waiting(channel):
            await asyncio.Event().wait()
        return await super().receive(channel)


class ForgetsGeneralChannels(
    FaultyLayer,
    caught_by=("general_channel", "one_receiver", "general_member", "one_receiver_among_peers"),
):
    """Receives from a general channel under another name than it sends to."""

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel)
        return await super().receive(f"{channel}.in" if is_general(channel) else channel)


class LetsMessagesOvertake(FaultyLayer, caught_by=("order",)):
    """Every fifteenth message of a channel overtakes the one before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sent: Counter[str] = Counter()

    async def send(self, channel: str, message: Message) -> None:
        await super().send(channel, message)
        self.sent[channel] += 1
        if self.sent[channel] % 15 == 0:
            self.swap_last_two(channel)


class DeliversAgain(FaultyLayer, caught_by=("received_once",)):
    """Every fifth ``receive`` of a channel of this process returns the message before again."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.given: dict[str, list[Message]] = defaultdict(list)

    async def receive(self, channel: str) -> Message:
        given = self.given[channel]
        if is_general(channel) or len(given) % 5 != 4:
            given.append(await super().receive(channel))
        else:
            given.append(given[-1])
        return given[-1]


class TellsEveryReceiver(FaultyLayer, caught_by=("one_receiver", "one_receiver_among_peers")):
    """Gives a message on a general channel to everybody who waits for one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Kept where peers find them.
        self.waiters: dict[str, list[asyncio.Future[Message]]]
        self.waiters = self.inner.__dict__.setdefault("waiters", defaultdict(list))

    async def send(self, channel: str, message: Message) -> None:
        waiters = [future for future in self.waiters.pop(channel, ()) if not future.done()]
        for future in waiters:
            future.set_result(dict(message))
        if not waiters:
            await super().send(channel, message)

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel)
        if not is_general(channel) or self.waiting(channel):
            return await super().receive(channel)
        future = asyncio.get_running_loop().create_future()
        self.waiters[channel].append(future)
        message: Message = await future
        return message


class MixesUpChannels(FaultyLayer, caught_by=("channels_are_separate",)):
    """Gives a message also to the channel that was sent to before, if that was not read yet."""

    previous: str = ""

    async def send(self, channel: str, message: Message) -> None:
        previous, self.previous = self.previous, channel
        await super().send(channel, message)
        both = not is_general(channel) and not is_general(previous or "-")
        if both and previous != channel and self.waiting(previous):
            with suppress(ChannelFull):
                await super().send(previous, message)


class LosesOnCancel(FaultyLayer, caught_by=("cancelled_receive",)):
    """Takes the message and returns it a moment later; a cancellation between loses it."""

    async def receive(self, channel: str) -> Message:
        message = await super().receive(channel)
        await asyncio.sleep(0)
        return message


class PutsBackAtTheEnd(FaultyLayer, caught_by=("order_after_cancel",)):
    """When it is cancelled, puts the message that it holds behind those that wait."""

    async def receive(self, channel: str) -> Message:
        message = await super().receive(channel)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            await super().send(channel, message)
            raise
        return message


class SharesItsBuffer(FaultyLayer, caught_by=("many_tasks",)):
    """Keeps the message in one place while it waits, so that concurrent sends mix theirs."""

    buffer: Message

    async def send(self, channel: str, message: Message) -> None:
        self.buffer = message
        await asyncio.sleep(0)
        await super().send(channel, self.buffer)


class WakesItsOwnLoopOnly(FaultyLayer, caught_by=("another_event_loop",)):
    """Wakes receivers that wait in the event loop of the sender, and forgets those of others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.arrived: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Event]
        self.arrived = self.inner.__dict__.setdefault("arrived", defaultdict(asyncio.Event))

    async def send(self, channel: str, message: Message) -> None:
        await super().send(channel, message)
        self.arrived[asyncio.get_running_loop(), channel].set()

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        position = await super().group_send(group, message, exclude=exclude)
        for channel in self.members(group):
            self.arrived[asyncio.get_running_loop(), channel].set()
        return position

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel)
        arrived = self.arrived[asyncio.get_running_loop(), channel]
        while not self.waiting(channel):
            arrived.clear()
            await arrived.wait()
        return await super().receive(channel)


class RepeatsNames(FaultyLayer, caught_by=("new_channel_names",)):
    """Every hundredth name is the one before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.names: list[str] = []

    async def new_channel(self) -> str:
        if len(self.names) % 100 == 99:
            self.names.append(self.names[-1])
        else:
            self.names.append(await super().new_channel())
        return self.names[-1]
