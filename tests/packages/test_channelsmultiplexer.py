"""channelsmultiplexer: one WebSocket, several consumers behind it.

Its consumer overrides `__call__` and runs the original in a task of its own, replaces
`websocket_connect`, answers the children's events through `get_handler_name`, calls `base_send`.
"""

import asyncio
import threading

import pytest
from channelsmultiplexer import AsyncJsonWebsocketDemultiplexer

from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator

ended: list[tuple[str, int]] = []
# When one child has ended, the package cancels the others, maybe while one is in its thread.
loud_ended = threading.Event()


class Echo(AsyncJsonWebsocketConsumer):
    groups = ["news"]

    async def connect(self):
        await self.accept()
        await self.send_json("ready")

    async def receive_json(self, content, **kwargs):
        await self.send_json({"echo": content})

    async def news_item(self, event):
        await self.send_json({"news": event["title"]})

    async def disconnect(self, code):
        ended.append(("echo", code))


class Loud(JsonWebsocketConsumer):
    def connect(self):
        self.accept()
        self.send_json("ready")

    def receive_json(self, content, **kwargs):
        self.send_json({"loud": content["text"].upper()})

    def disconnect(self, code):
        ended.append(("loud", code))
        loud_ended.set()


class Streams(AsyncJsonWebsocketDemultiplexer):
    applications = {"echo": Echo.as_asgi(), "loud": Loud.as_asgi()}


@pytest.fixture(autouse=True)
def nothing_ended() -> None:
    ended.clear()
    loud_ended.clear()


async def connected() -> WebsocketCommunicator:
    client = WebsocketCommunicator(Streams.as_asgi(), "/")
    assert await client.connect() == (True, None)
    # The first child to accept accepts for all; frames for the other are refused until it did too.
    greetings = [await client.receive_json_from() for _ in Streams.applications]
    streams = sorted(greeting["stream"] for greeting in greetings)
    assert streams == ["echo", "loud"]
    return client


async def test_two_streams_a_group_and_the_end() -> None:
    client = await connected()

    await client.send_json_to({"stream": "echo", "payload": {"a": 1}})
    assert await client.receive_json_from() == {"stream": "echo", "payload": {"echo": {"a": 1}}}
    await client.send_json_to({"stream": "loud", "payload": {"text": "hi"}})
    assert await client.receive_json_from() == {"stream": "loud", "payload": {"loud": "HI"}}

    layer = get_channel_layer()
    await layer.group_send("news", {"type": "news.item", "title": "rain"})
    assert await client.receive_json_from() == {"stream": "echo", "payload": {"news": "rain"}}

    await client.disconnect(4001)
    await asyncio.to_thread(loud_ended.wait, 5)
    assert sorted(ended) == [("echo", 4001), ("loud", 4001)]
    assert layer.groups == {}


async def test_a_frame_for_no_stream_ends_the_connection() -> None:
    client = await connected()
    await client.send_json_to({"stream": "nowhere", "payload": {}})
    with pytest.raises(ValueError, match="stream not mapped"):
        await client.receive_output()
    await asyncio.to_thread(loud_ended.wait, 5)
    assert {name for name, _ in ended} == {"echo", "loud"}
