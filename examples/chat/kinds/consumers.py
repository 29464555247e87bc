"""The other kinds of consumer, each as small as it gets."""

import asyncio
import json
from datetime import datetime

from django.utils import timezone

from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

ANNOUNCEMENTS = "kinds.announcements"


class SyncEchoConsumer(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data, bytes_data=bytes_data)


class AsyncEchoConsumer(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data, bytes_data=bytes_data)


class BinaryEchoConsumer(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        if bytes_data is None:
            await self.close(code=1003, reason="Send bytes, not text.")
        else:
            await self.send(bytes_data=bytes_data)


class ClockConsumer(AsyncHttpConsumer):
    """Server-sent events: a response that never ends, until the client leaves."""

    async def handle(self, body):
        await self.send_headers(
            headers=[
                (b"Cache-Control", b"no-cache"),
                (b"Content-Type", b"text/event-stream"),
            ]
        )
        while True:
            now = datetime.now(tz=timezone.get_current_timezone())
            payload = f"data: {now.isoformat(timespec='milliseconds')}\n\n"
            await self.send_body(payload.encode("utf-8"), more_body=True)
            await asyncio.sleep(1)


class LongPollConsumer(AsyncHttpConsumer):
    """A response that waits for one message of a group and ends with it."""

    async def handle(self, body):
        await self.channel_layer.group_add(ANNOUNCEMENTS, self.channel_name)
        await self.send_headers(headers=[(b"Content-Type", b"application/json")])
        # Opens the response; the browser has the headers while it waits for the rest.
        await self.send_body(b"", more_body=True)

    async def announcement(self, event):
        await self.send_body(json.dumps({"text": event["text"]}).encode("utf-8"))

    async def disconnect(self):
        await self.channel_layer.group_discard(ANNOUNCEMENTS, self.channel_name)
