"""Two questions of whoever runs the site: does the process live, and should it get clients?"""

import asyncio
from typing import Any

from django.http import HttpRequest, HttpResponse

from channels.layers import get_channel_layer

SECONDS = 2.0
"""Shorter than the patience of whoever asks."""


async def live(request: HttpRequest) -> HttpResponse:
    """The event loop goes round. Nothing else is asked: a process that is killed because Redis is
    away takes its clients with it, and the next one has no Redis either."""
    return HttpResponse("alive\n", content_type="text/plain")


async def ready(request: HttpRequest) -> HttpResponse:
    """The channel layer takes a message, for a group that has no members."""
    layer: Any = get_channel_layer()
    try:
        async with asyncio.timeout(SECONDS):
            await layer.group_send("health", {"type": "health.check"})
    except Exception as error:
        # What is wrong is for the log; whoever asks learns that something is.
        return HttpResponse(f"{type(error).__name__}\n", status=503, content_type="text/plain")
    return HttpResponse("ready\n", content_type="text/plain")
