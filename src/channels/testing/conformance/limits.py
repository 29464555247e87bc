"""Checks of capacity and expiry."""

import re

from channels.exceptions import ChannelFull
from channels.testing.conformance.bench import Bench, Layer, expect, numbered, numbers
from channels.testing.conformance.check import check


@check()
async def capacity(bench: Bench) -> None:
    """A channel holds ``capacity`` messages; one more is refused with ``ChannelFull``, until one
    was received."""
    layer = bench.another(capacity=3)
    channel = await layer.new_channel()
    await fill(layer, channel, 3)
    expect(not await _accepts(layer, channel), "the fourth message was accepted at capacity 3")
    expect(
        set(numbers(await bench.receive_many(layer, channel, 3))) == {0, 1, 2},
        "the messages that were accepted did not arrive",
    )
    expect(await _accepts(layer, channel), "a channel that was emptied accepts nothing")


@check()
async def capacity_per_channel(bench: Bench) -> None:
    """Each channel has its own capacity: a full one takes nothing from another of its process."""
    layer = bench.another(capacity=3)
    full, other = await layer.new_channel(), await layer.new_channel()
    # A layer without a capacity has nothing to share; that is the check above.
    for message in numbered(3):
        await layer.send(full, message)
    for count in range(3):
        expect(
            await _accepts(layer, other),
            f"with three messages in one channel and {count} in another, the other was full",
        )


@check()
async def capacity_by_name(bench: Bench) -> None:
    """``channel_capacity`` sets capacities by glob or compiled pattern; the first match decides."""
    special, by_pattern, rest = bench.name("short.a"), bench.name("exact"), bench.name("short.b")
    layer = bench.another(
        capacity=5,
        channel_capacity={f"{special[:9]}*": 1, re.compile("exact"): 2, "short.*": 3},
    )
    for name, expected in ((special, 1), (by_pattern, 2), (rest, 3), (bench.name("other"), 5)):
        accepted = 0
        while accepted < 8 and await _accepts(layer, name):
            accepted += 1
        expect(accepted == expected, f"{name!r} took {accepted} messages instead of {expected}")


@check("groups")
async def group_send_to_a_full_member(bench: Bench) -> None:
    """``group_send`` never raises ``ChannelFull``: a full member misses the message, the others get
    it."""
    layer = bench.another(capacity=3)
    group = bench.name("group")
    full, other = await layer.new_channel(), await layer.new_channel()
    for channel in (full, other):
        await layer.group_add(group, channel)
    await fill(layer, full, 3)
    try:
        await layer.group_send(group, {"type": "conformance.message", "number": 9})
    except ChannelFull as error:
        raise AssertionError("group_send() raised ChannelFull") from error
    came = numbers([await bench.receive(layer, other)])
    expect(came == [9], f"the member that was not full got {came}")


@check()
async def expiry(bench: Bench) -> None:
    """A message that waited longer than ``expiry`` seconds is not received any more."""
    layer = bench.another(expiry=bench.expiry)
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "conformance.message", "number": 1})
    await bench.outlive_expiry()
    came = numbers(await bench.receive_all(layer, channel))
    expect(came == [], f"after {2.5 * bench.expiry} s with expiry {bench.expiry} came {came}")


@check()
async def expired_messages_take_no_room(bench: Bench) -> None:
    """Messages that have expired do not count towards the capacity."""
    layer = bench.another(expiry=bench.expiry, capacity=2)
    channel = await layer.new_channel()
    for message in numbered(2):
        await layer.send(channel, message)
    await bench.outlive_expiry()
    expect(await _accepts(layer, channel), "a channel full of expired messages accepts nothing")


@check()
async def no_early_expiry(bench: Bench) -> None:
    """A message that waited less than ``expiry`` seconds is received."""
    layer = bench.another(expiry=60)
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "conformance.message"})
    await bench.outlive_expiry()
    await bench.receive(layer, channel)


async def fill(layer: Layer, channel: str, count: int) -> None:
    """Put numbered messages into a channel."""
    for message in numbered(count):
        await layer.send(channel, message)


async def _accepts(layer: Layer, channel: str) -> bool:
    try:
        await layer.send(channel, {"type": "conformance.message", "number": 100})
    except ChannelFull:
        return False
    return True
