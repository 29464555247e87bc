"""A delivery with a short form of sending and receiving."""

import asyncio
from typing import Any

from channels.layers.delivery import Delivery
from channels.layers.drops import Drops
from channels.layers.snapshot import Snapshot
from tests.layers.tools import Clock, turns

EXPIRY = 60


def numbered_snapshot(number: int) -> Snapshot:
    return Snapshot({"type": "x", "n": number})


class Post(Delivery):
    def __init__(self, clock: Clock, capacity: int = 100) -> None:
        self.drops = Drops("TheLayer", clock)
        super().__init__(lambda channel: capacity, EXPIRY, clock, self.drops)

    def send(self, *numbers: int, to: str = "a") -> list[bool]:
        return [self.put(to, numbered_snapshot(number)) for number in numbers]

    async def get(self, channel: str = "a") -> int:
        return int((await self.receive(channel)).message()["n"])

    def empty(self) -> bool:
        """Whether nothing at all is left in any table."""
        return not self.boxes and not len(self._unread)


async def waiting(post: Post, *channels: str) -> list["asyncio.Task[int]"]:
    tasks = [asyncio.ensure_future(post.get(channel)) for channel in channels]
    await turns()
    assert not any(task.done() for task in tasks)
    return tasks


async def cancel(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
