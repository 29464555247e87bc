"""The site that is deployed: its consumers say what they were told."""

import asyncio
import os
import threading

import django
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django_application = get_asgi_application()

from channels.consumer import AsyncConsumer  # noqa: E402
from channels.generic.http import AsyncHttpConsumer  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer  # noqa: E402
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter  # noqa: E402

assert django.VERSION


def say(*words):
    # One write, so that lines of several processes do not mix.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Async(AsyncWebsocketConsumer):
    groups = ["everybody"]

    async def connect(self):
        await self.accept()
        await self.send(f"pid {os.getpid()}")

    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "work":
            say("working")
            await asyncio.sleep(float(os.environ.get("SITE_WORK", "0.5")))
            await self.send("done")
        elif text_data == "hang":
            say("hanging")
            await asyncio.Event().wait()
        else:
            await self.send(text_data)

    async def disconnect(self, code):
        say("disconnect", code)


class Sync(WebsocketConsumer):
    groups = ["everybody"]

    def connect(self):
        self.accept()
        self.send(f"pid {os.getpid()}")

    def receive(self, text_data=None, bytes_data=None):
        if text_data == "block":
            say("blocking")
            threading.Event().wait(60)
        self.send(text_data)

    def disconnect(self, code):
        say("disconnect", code)


class Events(AsyncHttpConsumer):
    async def handle(self, body):
        await self.send_headers(headers=[(b"Content-Type", b"text/event-stream")])
        await self.send_body(b"data: 1\n\n", more_body=True)
        await asyncio.Event().wait()

    async def disconnect(self):
        say("disconnect events")


class Jobs(AsyncConsumer):
    async def job(self, message):
        say("begins", message["n"])
        await asyncio.sleep(float(os.environ.get("SITE_WORK", "0.5")))
        say("ends", message["n"])


async def django_events(request):
    async def events():
        try:
            yield b"data: 1\n\n"
            await asyncio.Event().wait()
        finally:
            say("end of django's events")

    return StreamingHttpResponse(events(), content_type="text/event-stream")


async def slow(request):
    say("slow request")
    await asyncio.sleep(float(os.environ.get("SITE_WORK", "0.5")))
    return HttpResponse("slow answer")


urlpatterns = [path("django-events/", django_events), path("slow/", slow)]

application = ProtocolTypeRouter(
    {
        "http": URLRouter([path("events/", Events.as_asgi()), re_path("", django_application)]),
        "channel": ChannelNameRouter({"jobs": Jobs.as_asgi()}),
        "websocket": URLRouter([path("async/", Async.as_asgi()), path("sync/", Sync.as_asgi())]),
    }
)
