"""Checks of groups: membership, fan-out, and what some layers add."""

import asyncio
from collections import Counter

from channels.testing.conformance.bench import (
    Bench,
    BrokenPromiseError,
    Lacking,
    Layer,
    expect,
    first_line,
    numbered,
    numbers,
)
from channels.testing.conformance.check import check

MESSAGE = {"type": "conformance.message", "number": 1}


async def members_of(bench: Bench, layer: Layer, group: str, count: int) -> list[str]:
    """Fresh channels that were added to a group."""
    channels = [await layer.new_channel() for _ in range(count)]
    for channel in channels:
        await layer.group_add(group, channel)
    return channels


@check("groups")
async def group_members(bench: Bench) -> None:
    """Every member of a group gets a message that is sent to the group."""
    group = bench.name("group")
    members = await members_of(bench, bench.layer, group, 5)
    await bench.layer.group_send(group, dict(MESSAGE))
    for channel in members:
        await bench.receive(bench.layer, channel)


@check("groups")
async def group_message_once(bench: Bench) -> None:
    """A member gets a group message once, also when it was added twice."""
    group = bench.name("group")
    (channel,) = await members_of(bench, bench.layer, group, 1)
    await bench.layer.group_add(group, channel)
    for message in numbered(3):
        await bench.layer.group_send(group, message)
    # A group message, too, marks the end: it takes the way that the others took.
    await bench.layer.group_send(group, {"type": "conformance.message", "number": "last"})
    counts: Counter[object] = Counter()
    while not counts["last"]:
        counts.update(numbers([await bench.receive(bench.layer, channel)]))
    repeated = [number for number, count in counts.items() if count > 1]
    expect(not repeated, f"these came more than once: {repeated}")


@check("groups")
async def group_add_is_in_effect(bench: Bench) -> None:
    """When ``group_add`` has returned, the next message to the group arrives, however busy the
    layer is."""
    layer = bench.layer

    async def join_and_send(number: int) -> None:
        group = bench.name(f"{number}-group")
        channel = await layer.new_channel()
        await layer.group_add(group, channel)
        await layer.group_send(group, {"type": "conformance.message", "number": number})
        came = numbers([await bench.receive(layer, channel)])
        expect(came == [number], f"member {number} got {came}")

    await asyncio.gather(*(bench.task(join_and_send(number)) for number in range(20)))


@check("groups")
async def group_discard(bench: Bench) -> None:
    """When ``group_discard`` has returned, the channel gets nothing more of the group; the other
    members do."""
    group = bench.name("group")
    stays, leaves = await members_of(bench, bench.layer, group, 2)
    await bench.layer.group_discard(group, leaves)
    await bench.layer.group_send(group, dict(MESSAGE))
    await bench.receive(bench.layer, stays)
    came = numbers(await bench.receive_all(bench.layer, leaves))
    expect(not came, f"the channel that had left got {came}")


@check("groups")
async def group_discard_of_a_stranger(bench: Bench) -> None:
    """``group_discard`` of a channel that is no member, and of a group that nobody is in, is
    silent."""
    group = bench.name("group")
    await members_of(bench, bench.layer, group, 1)
    stranger = await bench.layer.new_channel()
    await bench.layer.group_discard(group, stranger)
    await bench.layer.group_discard(bench.name("nobody"), stranger)


@check("groups")
async def group_without_members(bench: Bench) -> None:
    """A message to a group without members is dropped in silence."""
    await bench.layer.group_send(bench.name("nobody"), dict(MESSAGE))


@check("groups")
async def groups_are_separate(bench: Bench) -> None:
    """A member gets the messages of its groups and of no other group."""
    one, two = bench.name("separate-one"), bench.name("separate-two")
    (in_one,) = await members_of(bench, bench.layer, one, 1)
    (in_both,) = await members_of(bench, bench.layer, two, 1)
    await bench.layer.group_add(one, in_both)
    await bench.layer.group_send(two, {"type": "conformance.message", "number": 2})
    await bench.layer.group_send(one, {"type": "conformance.message", "number": 1})
    came = numbers([await bench.receive(bench.layer, in_one)])
    expect(came == [1], f"a member of the first group alone got {came}")
    came = sorted(numbers(await bench.receive_many(bench.layer, in_both, 2)))
    expect(came == [1, 2], f"a member of both groups got {came}")


@check("groups")
async def group_order(bench: Bench) -> None:
    """Members get one sender's group messages in the order in which they were sent."""
    group = bench.name("group")
    members = await members_of(bench, bench.layer, group, 3)
    for message in numbered(20):
        await bench.layer.group_send(group, message)
    for channel in members:
        received = numbers(await bench.receive_many(bench.layer, channel, 20))
        expect(received == sorted(received), f"they came in this order: {received}")


@check("groups")
async def mixed_order(bench: Bench) -> None:
    """Messages of one sender arrive in the order in which they were sent: those to the groups of a
    channel, and those to the channel itself."""
    await check_mixed_order(bench, bench.layer)


async def check_mixed_order(bench: Bench, sender: Layer) -> None:
    """Send to two groups of a channel and to the channel in turn, each after each of the others."""
    one, two = bench.name("mixed-one"), bench.name("mixed-two")
    (channel,) = await members_of(bench, bench.layer, one, 1)
    await bench.layer.group_add(two, channel)
    ways = (None, one, two, None, two, one)
    for message in numbered(24):
        group = ways[message["number"] % len(ways)]
        if group is None:
            await sender.send(channel, message)
        else:
            await sender.group_send(group, message)
    received = numbers(await bench.receive_many(bench.layer, channel, 24))
    by_way = [[n for n in received if ways[n % len(ways)] == way] for way in (None, one, two)]
    # Where one of them is out of order by itself, its own check says so.
    if all(came == sorted(came) for came in by_way):
        expect(received == sorted(received), f"they came in this order: {received}")


@check("groups")
async def own_copy_for_each_member(bench: Bench) -> None:
    """Each member gets a dictionary of its own: what one changes in it, no other sees."""
    group = bench.name("group")
    members = await members_of(bench, bench.layer, group, 3)
    await bench.layer.group_send(group, {"type": "conformance.message", "deep": {"list": []}})
    for channel in members:
        message = await bench.receive(bench.layer, channel)
        expect(message["deep"] == {"list": []}, f"it got what another member changed: {message!r}")
        message["deep"]["list"].append(channel)


@check("groups")
async def group_only_dicts(bench: Bench) -> None:
    """``group_send`` refuses a message that is not a dictionary, with ``TypeError`` or
    ``AssertionError``."""
    group = bench.name("group")
    await members_of(bench, bench.layer, group, 1)
    for value in (None, "text", ["type", "x"]):
        try:
            await bench.layer.group_send(group, value)
        except (TypeError, AssertionError):
            continue
        expect(False, f"group_send() accepted {value!r}")


@check("groups")
async def general_member(bench: Bench) -> None:
    """A general channel that is a member of a group gets its messages, each for one receiver; a
    layer that cannot do this refuses in ``group_add``."""
    group, channel = bench.name("group"), bench.name("general")
    try:
        await bench.layer.group_add(group, channel)
    except (TypeError, ValueError, RuntimeError) as error:
        if "general-members" in getattr(bench.layer, "extensions", ()):
            raise BrokenPromiseError(
                f"its extensions name 'general-members', and group_add() raised {first_line(error)}"
            ) from error
        raise Lacking(f"it refuses general channels as members: {first_line(error)}") from error
    await bench.layer.group_send(group, dict(MESSAGE))
    try:
        await bench.receive(bench.layer, channel)
    except BrokenPromiseError as error:
        raise BrokenPromiseError("group_add() took a channel that then got nothing") from error


@check("groups", "exclude")
async def exclude(bench: Bench) -> None:
    """``group_send(…, exclude=[…])`` leaves out the channels that are named, and nobody else."""
    group = bench.name("group")
    first, second, third = await members_of(bench, bench.layer, group, 3)
    await bench.layer.group_send(group, dict(MESSAGE), exclude=[first, third])
    expect(
        numbers([await bench.receive(bench.layer, second)]) == [1],
        "a member that was not excluded got another message",
    )
    for channel in (first, third):
        came = numbers(await bench.receive_all(bench.layer, channel))
        expect(not came, f"a channel that was excluded got {came}")


@check("groups", "positions")
async def positions(bench: Bench) -> None:
    """``group_send`` returns the position that it wrote: in one epoch, offsets go up by one for
    each message of the group and of no other."""
    one, two = bench.name("one"), bench.name("two")
    for group in (one, two):
        await members_of(bench, bench.layer, group, 1)
    written = []
    for message in numbered(3):
        written.append(await bench.layer.group_send(one, message))
        await bench.layer.group_send(two, message)
    expect(all(written), f"it returned {written!r}")
    expect(len({p.epoch for p in written}) == 1, f"the epochs differ: {written!r}")
    first = written[0].offset
    expect(
        [p.offset for p in written] == [first, first + 1, first + 2],
        f"the offsets do not go up by one: {written!r}",
    )
