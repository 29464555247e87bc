"""Async tests inside pytest-django's transaction: one world for fixtures, test and consumers."""

from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.testing import WebsocketCommunicator

pytest_plugins = ["channels.testing.fixtures"]


class SyncCount(WebsocketConsumer):
    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        ContentType.objects.create(app_label="shared", model="by consumer")
        self.send(str(ContentType.objects.filter(app_label="shared").count()))


class AsyncCount(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await ContentType.objects.acreate(app_label="shared", model="by consumer")
        await self.send(str(await ContentType.objects.filter(app_label="shared").acount()))


async def count_by(consumer: Any) -> str:
    async with WebsocketCommunicator(consumer.as_asgi(), "/") as communicator:
        await communicator.connect()
        await communicator.send_to(text_data="count")
        return str(await communicator.receive_from())


@pytest.fixture
def row(channels_db: None) -> ContentType:
    return ContentType.objects.create(app_label="shared", model="by fixture")


# Twice each: what the first test wrote is gone when the second begins.
@pytest.mark.parametrize("again", [1, 2])
@pytest.mark.parametrize("consumer", [SyncCount, AsyncCount])
async def test_fixture_test_and_consumer_see_each_others_rows(
    row: ContentType, consumer: Any, again: int
) -> None:
    await ContentType.objects.acreate(app_label="shared", model="by test")
    assert await count_by(consumer) == "3"
    assert await ContentType.objects.filter(model="by consumer").acount() == 1


@pytest.mark.django_db
def test_everything_was_rolled_back_and_the_connection_is_the_threads_own_again() -> None:
    assert not ContentType.objects.filter(app_label="shared").exists()
    assert not connection.allow_thread_sharing
