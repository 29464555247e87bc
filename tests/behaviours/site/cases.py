"""Consumers inside Django's test cases; run with Django's own runner."""

from asgiref.sync import async_to_sync
from django.contrib.contenttypes.models import ContentType
from django.test import TestCase, TransactionTestCase

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.testing import WebsocketCommunicator
from tests.behaviours.site.asgi import Count, application


class AsyncCount(AsyncWebsocketConsumer):
    """Counts rows by both ways into the database, and leaves one of its own."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        rows = ContentType.objects.filter(app_label=text_data)
        native = await rows.acount()
        threaded = await database_sync_to_async(rows.count)()
        await ContentType.objects.acreate(app_label=text_data, model=f"made-{native}")
        await self.send(f"{native} {threaded}")


async def counted(app: object, label: str, path: str = "/count/") -> str:
    client = WebsocketCommunicator(app, path)
    connected, _ = await client.connect()
    assert connected
    await client.send_to(text_data=label)
    answer = await client.receive_from(timeout=5)
    await client.disconnect()
    return str(answer)


class Rows:
    """The same tests for both kinds of case."""

    def setUp(self) -> None:
        ContentType.objects.create(app_label="case", model="one")

    async def test_async(self) -> None:
        assert await counted(AsyncCount.as_asgi(), "case") == "1 1"
        assert await ContentType.objects.filter(app_label="case").acount() == 2

    async def test_sync_consumer(self) -> None:
        assert await counted(Count.as_asgi(), "case") == "1"
        assert await counted(application, "case") == "1"

    def test_from_sync_test(self) -> None:
        assert async_to_sync(counted)(AsyncCount.as_asgi(), "case") == "1 1"
        assert async_to_sync(counted)(Count.as_asgi(), "case") == "2"
        assert ContentType.objects.filter(app_label="case").count() == 2

    def test_connection_survives(self) -> None:
        async_to_sync(counted)(Count.as_asgi(), "case")
        assert ContentType.objects.filter(app_label="case").exists()


class InTestCase(Rows, TestCase):
    pass


class InTransactionTestCase(Rows, TransactionTestCase):
    pass
