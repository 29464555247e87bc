"""What a hub sends: to groups, to processes' mail, into general channels. Each one script call."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from channels.exceptions import BrokerUnavailableError, ChannelFull
from channels.layers.log import Position
from channels.layers.redis.connection import ReplyError
from channels.layers.redis.scripts import PUBLISH, PUSH, Script
from channels.layers.redis.server import Announce
from channels.layers.redis.shard import Shard

if TYPE_CHECKING:
    from channels.layers.redis.hub import Hub

MAIL_CAPACITY = 10_000
"""Entries that the log of a process's direct mail keeps: it serves all channels of the process."""

CLOCK_SLACK = 1000
"""Milliseconds by which the clocks of a server and of the one that takes its place may differ."""

MOST_EPOCHS = 10_000
"""Logs whose epochs are remembered."""


async def group_send(hub: "Hub", group: str, data: bytes) -> Position | None:
    """Send to a group; its position is ``None`` where nobody follows it and no history is kept."""
    return await publish(hub, "g", group, data, hub.new_id())


async def post(hub: "Hub", process: str, data: bytes) -> Position | None:
    """Send to a channel of another process."""
    return await publish(hub, "p", process, data, hub.new_id())


async def post_here(hub: "Hub", process: str, channel: str, data: bytes) -> Position | None:
    """Send to a channel of this process, by the way that all its mail takes, and learn whether
    there was room.

    Returns:
        its position as long as it is not delivered. (Then nothing can overtake it: nobody else
        follows this mail.)

    Raises:
        ChannelFull: there was none.
    """
    entry_id = hub.new_id()
    answer: asyncio.Future[bool] = hub.loop.create_future()
    position: Position | None = None
    hub.options.sent[entry_id] = partial(_answer, hub, answer)
    deadline = hub.loop.time() + hub.options.send_timeout
    try:
        position = await publish(hub, "p", process, data, entry_id)
        async with asyncio.timeout_at(deadline):
            accepted = await answer
    except TimeoutError:
        return position  # it is in the log, and will be delivered when we hear of it
    finally:
        hub.options.sent.pop(entry_id, None)
    if not accepted:
        raise ChannelFull(channel)
    return None


async def push(hub: "Hub", name: str, payload: bytes) -> None:
    """Put a message into a general channel.

    Raises:
        ChannelFull: it is at its capacity.
    """
    shard, key = hub.shard(name), hub.key("c", name)
    channel = shard.channel(key)
    capacity = hub.options.capacity_of(name)
    args = (hub.new_id(), payload, capacity, hub.keep, channel, shard.server.publish_command)
    if not await _append(hub, PUSH, shard, key, args, lambda _: (channel, b"")):
        raise ChannelFull(name)


async def publish(
    hub: "Hub", kind: str, name: str, data: bytes, entry_id: bytes
) -> Position | None:
    """Append to a log and announce it, once, whatever becomes of the connection meanwhile.

    Raises:
        BrokerUnavailableError: not within ``send_timeout``; it may have been appended.
    """
    options, shard, key = hub.options, hub.shard(name), hub.key(kind, name)
    channel, mail = shard.channel(key), kind == "p"
    args = (
        entry_id,
        data,
        MAIL_CAPACITY if mail else options.capacity,
        hub.keep,
        channel,
        shard.server.publish_command,
        1 if mail or options.history else 0,
        shard.epochs.get(key, b""),
    )
    announced = partial(_announced, channel, entry_id, data)
    position = await _append(hub, PUBLISH, shard, key, args, announced)
    if not position:
        return None
    epoch, _, offset = position.partition(b"-")
    if len(shard.epochs) >= MOST_EPOCHS:
        shard.epochs.clear()
    shard.epochs[key] = epoch
    return Position(epoch.decode(), int(offset))


async def _append(  # noqa: PLR0917 - all of it differs by script
    hub: "Hub", script: Script, shard: Shard, key: bytes, args: tuple[Any, ...], announce: Announce
) -> bytes:
    options = hub.options
    try:
        position, now = await shard.server.run(
            script,
            key,
            *args,
            b"",
            again=(*args, max(0, shard.follows.server_time - CLOCK_SLACK)),
            deadline=hub.loop.time() + options.send_timeout,
            patient=options.patient,
            announce=announce,
        )
    except ReplyError as error:
        raise BrokerUnavailableError(f"{shard.server.name} refused the message: {error}") from error
    shard.follows.server_time = max(shard.follows.server_time, now)
    return bytes(position)


def _announced(channel: bytes, entry_id: bytes, data: bytes, reply: Any) -> tuple[bytes, bytes]:
    """What publish.lua announced."""
    return channel, b"%s-%s %s" % (reply[0], entry_id, data)


def _answer(hub: "Hub", answer: "asyncio.Future[bool]", accepted: bool) -> None:
    def set_result() -> None:
        if not answer.done():
            answer.set_result(accepted)

    hub.on_loop(set_result)
