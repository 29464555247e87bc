"""A site with users: its sockets say what they were told."""

import asyncio
import os

from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django_application = get_asgi_application()

from django.contrib.auth import get_user_model, login, logout  # noqa: E402

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.closing import aclose_user, close_channel, close_user  # noqa: E402
from channels.exceptions import ChannelFull  # noqa: E402
from channels.generic.websocket import (  # noqa: E402
    AsyncWebsocketConsumer,
    WebsocketConsumer,
)
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

FRAME = 200 * 1024


def say(*words):
    # One write, so that lines of several processes do not mix.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Async(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.send(self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "hang":
            await asyncio.Event().wait()
        await self.send(text_data=text_data, bytes_data=bytes_data)

    async def disconnect(self, code):
        say("disconnect", code)


class Sync(WebsocketConsumer):
    def connect(self):
        self.accept()
        self.send(self.channel_name)

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data, bytes_data=bytes_data)

    def disconnect(self, code):
        say("disconnect", code)


class Feed(AsyncWebsocketConsumer):
    connection_limits = {
        "waiting_bytes": 8 * 1024 * 1024,
        "on_full": os.environ.get("SITE_ON_FULL"),
    }
    groups = ["feed"]

    async def connect(self):
        await self.accept()
        say("channel", self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        for _ in range(int(text_data)):
            await self.send(bytes_data=os.urandom(FRAME))
        say("sent everything")

    async def disconnect(self, code):
        say("disconnect", code)


class Slow(AsyncWebsocketConsumer):
    async def connect(self):
        await asyncio.Event().wait()

    async def disconnect(self, code):
        say("disconnect", code)


def sign_in(request, name):
    user, _ = get_user_model().objects.get_or_create(username=name)
    login(request, user)
    return HttpResponse(str(user.pk))


def sign_out(request):
    logout(request)
    return HttpResponse("bye")


def close(request, pk, code):
    close_user(pk, code, "closed by a view")
    return HttpResponse("closed")


async def close_async(request, pk, code):
    await aclose_user(pk, code, "closed by an async view")
    return HttpResponse("closed")


def close_one(request, name):
    close_channel(name, 4009, "you")
    return HttpResponse("closed")


def disable(request, pk):
    get_user_model().objects.filter(pk=pk).update(is_active=False)
    return HttpResponse("disabled")


def flood(request, name, count):
    """Frames to one channel, all different; says how many were taken."""
    layer = get_channel_layer().sync
    taken = 0
    for _ in range(count):
        try:
            layer.send(name, {"type": "websocket.send", "bytes": os.urandom(FRAME)})
            taken += 1
        except ChannelFull:
            pass
    return HttpResponse(str(taken))


def tell(request, text):
    get_channel_layer().sync.group_send("feed", {"type": "websocket.send", "text": text})
    return HttpResponse("told")


urlpatterns = [
    path("flood/<str:name>/<int:count>/", flood),
    path("tell/<str:text>/", tell),
    path("in/<str:name>/", sign_in),
    path("out/", sign_out),
    path("close/<str:pk>/<int:code>/", close),
    path("close-async/<str:pk>/<int:code>/", close_async),
    path("close-one/<str:name>/", close_one),
    path("disable/<int:pk>/", disable),
]

websockets = [
    path("async/", Async.as_asgi()),
    path("sync/", Sync.as_asgi()),
    path("slow/", Slow.as_asgi()),
    path("feed/", Feed.as_asgi()),
]

application = ProtocolTypeRouter(
    {
        "http": URLRouter([re_path("", django_application)]),
        "websocket": AuthMiddlewareStack(URLRouter(websockets)),
    }
)
