"""Checks of what passes between processes, with two layers of one configuration."""

import asyncio
from collections import Counter
from typing import Any

from channels.testing.conformance.bench import (
    Bench,
    Lacking,
    Layer,
    expect,
    first_line,
    numbered,
    numbers,
)
from channels.testing.conformance.check import PEERS, check
from channels.testing.conformance.groups import check_mixed_order, members_of


@check(PEERS)
async def send_from_a_peer(bench: Bench) -> None:
    """A message that another process sends to a channel of this one arrives."""
    channel = await bench.layer.new_channel()
    await bench.another().send(channel, {"type": "conformance.message"})
    await bench.receive(bench.layer, channel)


@check(PEERS, "groups")
async def group_send_from_a_peer(bench: Bench) -> None:
    """A message that another process sends to a group reaches the members in every process, once
    each."""
    group, layers = bench.name("group"), (bench.layer, bench.another())
    members = [
        (layer, channel) for layer in layers for channel in await members_of(bench, layer, group, 2)
    ]
    for message in numbered(3):
        await layers[1].group_send(group, message)
    for layer, channel in members:
        received = numbers(await bench.receive_many(layer, channel, 3))
        expect(received == [0, 1, 2], f"a member got {received}")


@check(PEERS, "groups")
async def mixed_order_from_a_peer(bench: Bench) -> None:
    """Messages of one sender in another process arrive in the order in which they were sent: those
    to the groups of a channel, and those to the channel itself."""
    await check_mixed_order(bench, bench.another())


@check(PEERS)
async def one_receiver_among_peers(bench: Bench) -> None:
    """A message to a general channel reaches one receiver, in whichever process."""
    channel = bench.name("shared")
    received: list[dict[str, Any]] = []

    async def work(layer: Layer) -> None:
        while (message := await layer.receive(channel))["type"] != "conformance.stop":
            received.append(message)

    workers = [bench.task(work(layer)) for layer in (bench.layer, bench.another())]
    await bench.let_others_run()
    for message in numbered(20):
        await bench.layer.send(channel, message)
    for _ in workers:
        await bench.layer.send(channel, {"type": "conformance.stop"})
    _, waiting = await asyncio.wait(workers, timeout=bench.patience)
    expect(not waiting, "a receiver never got the last message")
    for worker in workers:
        await worker
    counts = Counter(numbers(received))
    wrong = {n: counts[n] for n in range(20) if counts[n] != 1}
    expect(not wrong, f"receivers by message that did not reach exactly one: {wrong}")


@check(PEERS, "groups")
async def group_add_from_a_peer(bench: Bench) -> None:
    """A process may add a channel of another process to a group, and discard it again."""
    group, peer = bench.name("group"), bench.another()
    channel = await bench.layer.new_channel()
    # A channel is known to other processes at the latest when somebody reads it.
    receiver = bench.task(bench.receive(bench.layer, channel))
    await members_of(bench, bench.layer, group, 1)
    await bench.let_others_run()
    try:
        await peer.group_add(group, channel)
    except RuntimeError as error:
        raise Lacking(f"it refuses: {first_line(error)}") from error
    await bench.layer.group_send(group, {"type": "conformance.message", "number": 1})
    expect(numbers([await receiver]) == [1], "the channel did not get the group's message")
    await peer.group_discard(group, channel)
    await bench.layer.group_send(group, {"type": "conformance.message", "number": 2})
    came = numbers(await bench.receive_all(bench.layer, channel))
    expect(not came, f"the channel that had left got {came}")


@check(PEERS)
async def peers_make_different_names(bench: Bench) -> None:
    """Two processes never make the same channel name."""
    layers = (bench.layer, bench.another())
    names = [await layer.new_channel() for layer in layers for _ in range(50)]
    expect(len(set(names)) == 100, "two processes made the same name")
