"""Checks of ``flush``, ``close`` and of the push side that a layer may have."""

import asyncio
from typing import Any

from channels.testing.conformance.bench import (
    Bench,
    Lacking,
    close_layer,
    expect,
    numbered,
    numbers,
)
from channels.testing.conformance.check import INBOX, check
from channels.testing.conformance.groups import members_of

WAITED_FOR = "its attach() returns None: messages are waited for with receive()"


@check("flush")
async def flush(bench: Bench) -> None:
    """After ``flush`` no message waits any more, and the layer works."""
    layer = bench.layer
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "conformance.message", "number": 1})
    await layer.flush()
    came = numbers(await bench.receive_all(layer, channel))
    expect(not came, f"after the flush came {came}")


@check("flush", "groups")
async def flush_ends_memberships(bench: Bench) -> None:
    """After ``flush`` no channel is a member of a group any more."""
    layer, group = bench.layer, bench.name("group")
    (channel,) = await members_of(bench, layer, group, 1)
    await layer.flush()
    await members_of(bench, layer, group, 1)
    await layer.group_send(group, {"type": "conformance.message", "number": 1})
    came = numbers(await bench.receive_all(layer, channel))
    expect(not came, f"a member of before the flush got {came}")


@check()
async def close(bench: Bench) -> None:
    """A layer can be closed after use, twice, and leaves no task behind."""
    before = asyncio.all_tasks()
    layer = bench.another()
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "conformance.message"})
    await bench.receive(layer, channel)
    if not hasattr(layer, "close"):
        raise Lacking("it has no close()")
    await close_layer(layer)
    await close_layer(layer)
    await bench.let_others_run()
    left = asyncio.all_tasks() - before
    expect(not left, f"these tasks are left: {left!r}")


@check(INBOX)
async def inbox(bench: Bench) -> None:
    """``attach`` calls ``wake`` when a message arrives; the inbox gives messages in order, each
    once."""
    channel = await bench.layer.new_channel()
    woken = asyncio.Event()
    attached = _attach(bench, channel, woken)
    try:
        for message in numbered(5):
            await bench.layer.send(channel, message)
        received: list[Any] = []
        while len(received) < 5:
            await _wait_for(bench, woken)
            received += _take_all(attached)
        expect(numbers(received) == [0, 1, 2, 3, 4], f"they came as {numbers(received)}")
        await bench.layer.send(channel, {"type": "conformance.message", "number": 5})
        await _wait_for(bench, woken)
        expect(numbers(_take_all(attached)) == [5], "a later message did not come")
    finally:
        attached.close()


@check(INBOX)
async def inbox_tells_of_each(bench: Bench) -> None:
    """``wake`` is called for each message: who takes one at each call has them all."""
    channel = await bench.layer.new_channel()
    received: list[Any] = []
    all_there = asyncio.Event()

    def take_one() -> None:
        snapshot = attached.take()
        if snapshot is not None:
            received.append(snapshot.message())
        if len(received) == 5:
            all_there.set()

    attached = bench.layer.attach(channel, take_one)
    if attached is None:
        raise Lacking(WAITED_FOR)
    try:
        for message in numbered(5):
            await bench.layer.send(channel, message)
        try:
            async with asyncio.timeout(bench.patience):
                await all_there.wait()
        except TimeoutError:
            expect(False, f"of five messages only {numbers(received)} were told of")
        expect(numbers(received) == [0, 1, 2, 3, 4], f"they came as {numbers(received)}")
    finally:
        attached.close()


@check(INBOX, "groups")
async def inbox_leaves_its_groups(bench: Bench) -> None:
    """An inbox that is closed has left every group."""
    group = bench.name("group")
    channel, _ = await members_of(bench, bench.layer, group, 2)
    attached = _attach(bench, channel, asyncio.Event())
    attached.close()
    attached.close()
    await bench.let_others_run()
    await bench.layer.group_send(group, {"type": "conformance.message", "number": 1})
    came = numbers(await bench.receive_all(bench.layer, channel))
    expect(not came, f"after the close came {came}")


def _attach(bench: Bench, channel: str, woken: asyncio.Event) -> Any:
    attached = bench.layer.attach(channel, woken.set)
    if attached is None:
        raise Lacking(WAITED_FOR)
    return attached


def _take_all(attached: Any) -> list[Any]:
    return [snapshot.message() for snapshot in iter(attached.take, None)]


async def _wait_for(bench: Bench, woken: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(bench.patience):
            await woken.wait()
    except TimeoutError:
        expect(False, f"wake was not called within {bench.patience} s")
    woken.clear()
