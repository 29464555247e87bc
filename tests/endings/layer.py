"""A layer of somebody else's whose connection to its broker breaks."""

import asyncio
import itertools
from collections import defaultdict
from typing import Any

from channels.layers import BaseChannelLayer


class FailingLayer(BaseChannelLayer):
    """Fails to receive once something was sent."""

    extensions = ["groups"]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.groups: dict[str, set[str]] = defaultdict(set)
        self._sent: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._numbers = itertools.count()

    async def new_channel(self) -> str:
        return f"specific.failing!{next(self._numbers)}"

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        self._sent[channel].set()

    async def receive(self, channel: str) -> dict[str, Any]:
        await self._sent[channel].wait()
        raise ConnectionError("The broker has gone.")

    async def group_add(self, group: str, channel: str) -> None:
        self.groups[group].add(channel)

    async def group_discard(self, group: str, channel: str) -> None:
        self.groups[group].discard(channel)
        if not self.groups[group]:
            del self.groups[group]
