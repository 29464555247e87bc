"""The smallest consumer of each family: it answers a ping, and stops when told."""

from channels.consumer import AsyncConsumer, SyncConsumer
from channels.exceptions import StopConsumer
from tests.behaviours.tools import Message


class AsyncPlain(AsyncConsumer):
    async def test_ping(self, message: Message) -> None:
        await self.send({"type": "test.pong", "said": message.get("said")})

    async def test_stop(self, message: Message) -> None:
        raise StopConsumer


class SyncPlain(SyncConsumer):
    def test_ping(self, message: Message) -> None:
        self.send({"type": "test.pong", "said": message.get("said")})

    def test_stop(self, message: Message) -> None:
        raise StopConsumer
