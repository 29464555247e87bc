"""The in-memory layer with bad weather: now and then its calls fail for a while."""

import time
from collections.abc import Collection
from typing import Any

from channels.layers import InMemoryChannelLayer, Position
from channels.typing import Message

CYCLE = 10.0
STORM = 1.5
"""Of every ten seconds, one and a half are bad."""


class LayerFailsError(ConnectionError):
    """What a layer raises that has lost its broker."""


class FaultyLayer(InMemoryChannelLayer):
    def _weather(self) -> None:
        if time.monotonic() % CYCLE < STORM:
            raise LayerFailsError("the layer has lost its broker (on purpose)")

    async def group_add(self, group: str, channel: str) -> None:
        self._weather()
        await super().group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        self._weather()
        await super().group_discard(group, channel)

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = (), **more: Any
    ) -> Position:
        self._weather()
        return await super().group_send(group, message, exclude=exclude, **more)
