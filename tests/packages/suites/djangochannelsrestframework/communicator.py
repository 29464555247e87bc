"""In place of the module of this name that the source distribution left out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from channels.testing import WebsocketCommunicator


class Communicator(WebsocketCommunicator):
    """Can receive all that comes."""

    async def receive_many_json_from(self) -> list[Any]:
        """What comes until nothing comes for a moment."""
        received: list[Any] = []
        while not await self.receive_nothing():
            received.append(await self.receive_json_from())
        return received


@asynccontextmanager
async def connected_communicator(
    consumer: Any, path: str = "/testws/"
) -> AsyncIterator[Communicator]:
    """A client that is connected meanwhile."""
    communicator = Communicator(consumer, path)
    connected, _ = await communicator.connect()
    assert connected
    yield communicator
    await communicator.disconnect()
