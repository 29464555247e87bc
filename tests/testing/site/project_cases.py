"""Tests as a project has them, sync and async, in several classes: `--parallel` spreads classes."""

from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import SimpleTestCase, TestCase, TransactionTestCase

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import channel_layers, get_channel_layer
from channels.testing import HttpCommunicator, WebsocketCommunicator
from tests.testing.site.asgi import application


class Room(AsyncJsonWebsocketConsumer):
    groups = ["room"]

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.channel_layer.group_send("room", {"type": "room.line", "text": content["text"]})

    async def room_line(self, event: dict[str, Any]) -> None:
        await self.send_json({"text": event["text"]})


async def say(path: str, text: str) -> str:
    async with WebsocketCommunicator(application, path) as client:
        connected, _ = await client.connect(timeout=5)
        assert connected
        await client.send_to(text_data=text)
        return str(await client.receive_from(timeout=5))


class WithoutDatabase(SimpleTestCase):
    def tearDown(self) -> None:
        # Every group was left, whichever way the test ran the consumers.
        assert channel_layers["default"].groups == {}

    async def test_two_members_of_a_group(self) -> None:
        ann = WebsocketCommunicator(Room.as_asgi(), "/")
        bob = WebsocketCommunicator(Room.as_asgi(), "/")
        async with ann, bob:
            await ann.connect()
            await bob.connect()
            await ann.send_json_to({"text": "hello"})
            for client in (ann, bob):
                assert await client.receive_json_from() == {"text": "hello"}
            await get_channel_layer().group_send("room", {"type": "room.line", "text": "all"})
            for client in (ann, bob):
                assert await client.receive_json_from() == {"text": "all"}

    def test_from_a_sync_test(self) -> None:
        async_to_sync(self.test_two_members_of_a_group)()


class InTransactions(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        User.objects.create(username="ann")

    async def test_async_consumer(self) -> None:
        assert await say("/async/", "bob") == "ann,bob"
        assert await User.objects.acount() == 2

    def test_sync_consumer_from_a_sync_test(self) -> None:
        assert async_to_sync(say)("/sync/", "bob") == "ann,bob"
        assert User.objects.count() == 2

    async def test_views(self) -> None:
        for path in ("/names/", "/anames/"):
            response = await HttpCommunicator(application, "GET", path).get_response(timeout=5)
            assert (response["status"], response["body"]) == (200, b"ann")

    async def test_the_asynchronous_client(self) -> None:
        response = await self.async_client.get("/anames/")
        assert response.content == b"ann"


class WithCommits(TransactionTestCase):
    async def test_sync_consumer(self) -> None:
        assert await say("/sync/", "ann") == "ann"

    def test_async_consumer_from_a_sync_test(self) -> None:
        assert async_to_sync(say)("/async/", "ann") == "ann"
        assert User.objects.count() == 1
