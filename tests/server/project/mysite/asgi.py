"""The ASGI application of the project that the server tests start: no consumer, only ASGI."""

import asyncio
import os
import sys
import time

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

django_application = get_asgi_application()


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await websocket(scope, receive, send)
    elif scope["type"] == "channel":
        await worker(scope, receive)
    else:
        await django_application(scope, receive, send)


async def lifespan(receive, send):
    await receive()
    refusal = os.environ.get("SITE_REFUSES")
    if refusal:
        await send({"type": "lifespan.startup.failed", "message": refusal})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("lifespan over", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def websocket(scope, receive, send):
    await receive()
    path = scope["path"]
    if path == "/ws/deny/":
        await send({"type": "websocket.close"})
        return
    if path == "/ws/silent/":
        await asyncio.sleep(60)
    await send({"type": "websocket.accept"})
    if path == "/ws/crash/":
        raise RuntimeError("crashed on purpose")
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            # Something to wait for, as a consumer that leaves its groups has it.
            await asyncio.sleep(0.01)
            print("disconnected with", message["code"], flush=True)
            return
        await send({"type": "websocket.send", "text": f"{os.getpid()} {message['text']}"})


async def worker(scope, receive):
    """Handles a message for as long as nobody says anything on standard input."""
    while True:
        n = (await receive())["n"]
        print("handling", n, flush=True)
        if scope["channel"] == "blocking":
            await asyncio.to_thread(time.sleep, 60)
        await asyncio.to_thread(sys.stdin.readline)
        print("handled", n, flush=True)
        if n == 1:
            raise RuntimeError("failed on purpose")
