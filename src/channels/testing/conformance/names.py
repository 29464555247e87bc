"""Checks of the names of channels and groups."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from channels.testing.conformance.bench import Bench, expect
from channels.testing.conformance.check import check

BAD: list[Any] = ["", " ", "a b", "a/b", "ä", "a\n", "٣", "x" * 100, None, 5, b"bytes"]


@check()
async def channel_names(bench: Bench) -> None:
    """A channel name is a string of 1 to 99 ASCII letters, digits, ``-``, ``_``, ``.``, with one
    ``!`` at most; ``send`` refuses others with ``TypeError``."""

    async def send(name: Any) -> None:
        await bench.layer.send(name, {"type": "conformance.message"})

    for name in (bench.name("Az09-_."), bench.name("conformance.a!b"), longest(bench)):
        await send(name)
    await _refuses(send, [*BAD, "a!b!c", "!a", "a!é"])


@check()
async def receive_names(bench: Bench) -> None:
    """``receive`` refuses what is not a channel name with ``TypeError``."""
    await _refuses(bench.layer.receive, [None, "a b", "x" * 100], patience=bench.patience)


@check("groups")
async def group_names(bench: Bench) -> None:
    """A group name is a string of 1 to 99 ASCII letters, digits, ``-``, ``_`` and ``.``;
    ``group_add``, ``group_send`` and ``group_discard`` refuse others with ``TypeError``."""
    layer = bench.layer
    channel = await layer.new_channel()
    for name in (bench.name("Az09-_."), longest(bench)):
        await layer.group_add(name, channel)
        await layer.group_discard(name, channel)
    await _refuses(lambda name: layer.group_add(name, channel), [*BAD, "a!b"])
    await _refuses(lambda name: layer.group_discard(name, channel), [*BAD, "a!b"])
    await _refuses(lambda name: layer.group_send(name, {"type": "x"}), [*BAD, "a!b"])


@check("groups")
async def member_names(bench: Bench) -> None:
    """``group_add`` refuses what is not a channel name with ``TypeError``."""
    group = bench.name("group")
    await _refuses(lambda name: bench.layer.group_add(group, name), [None, "a b", "x" * 100])


def longest(bench: Bench) -> str:
    """A fresh name of the greatest length."""
    return bench.name("conformance").ljust(99, "x")


async def _refuses(
    call: Callable[[Any], Awaitable[Any]], names: list[Any], patience: float | None = None
) -> None:
    accepted = []
    for name in names:
        try:
            async with asyncio.timeout(patience):
                await call(name)
        except TypeError:
            continue
        except TimeoutError:
            pass
        accepted.append(name)
    expect(not accepted, f"these names were not refused with TypeError: {accepted!r}")
