"""The application that is restarted. Ours and upstream run this file unchanged."""

import os
from typing import Any

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.apps.settings")
if "STORM_DRAIN" in os.environ:
    drain = {"DRAIN_SECONDS": float(os.environ["STORM_DRAIN"])}
    settings.CHANNELS = getattr(settings, "CHANNELS", {}) | drain
django.setup()

from django.urls import path  # noqa: E402 - Django first, as in every asgi.py

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402


class Member(AsyncWebsocketConsumer):
    groups = ["everybody"]

    async def disconnect(self, code: Any) -> None:
        # Counted by whoever reads it; one write, so that no line is torn.
        os.write(1, b"disconnect\n")


application = ProtocolTypeRouter({"websocket": URLRouter([path("", Member.as_asgi())])})
