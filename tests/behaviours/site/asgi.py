"""The site: an echo, a denial, a failure, a database reader, and two HTTP consumers."""

import os

from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.behaviours.site.settings")
django_application = get_asgi_application()

from django.contrib.contenttypes.models import ContentType  # noqa: E402

from channels.generic.http import AsyncHttpConsumer  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402


class Echo(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        offered = self.scope["subprotocols"]
        await self.accept(offered[0] if offered else None)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data == "close":
            await self.close(4001)
        elif text_data == "fail":
            raise RuntimeError("asked to fail")
        else:
            await self.send(text_data, bytes_data)


class Deny(WebsocketConsumer):
    def connect(self) -> None:
        self.close()


class Count(WebsocketConsumer):
    """Answers each frame with how many content types the database has of that app."""

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.send(str(ContentType.objects.filter(app_label=text_data).count()))


class Hello(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        await self.send_response(200, b"hello " + body, headers=[(b"Content-Type", b"text/plain")])


class Fail(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        raise RuntimeError("asked to fail")


application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                path("hello/", Hello.as_asgi()),
                path("fail/", Fail.as_asgi()),
                re_path(r"", django_application),
            ]
        ),
        "websocket": URLRouter(
            [
                path("echo/", Echo.as_asgi()),
                path("deny/", Deny.as_asgi()),
                path("count/", Count.as_asgi()),
            ]
        ),
    }
)
