"""The application's lifespan: what a router does when the process begins and ends to serve."""

import asyncio
import logging
from typing import Any

from channels.draining.closing import drain
from channels.draining.signals import DrainOnSignal
from channels.layers import channel_layers
from channels.live import live_here
from channels.typing import ASGIApplication, Message, Receive, Scope, Send

logger: logging.Logger = logging.getLogger("django.channels")

OWN_DRAIN = "channels.own_drain"
"""An extension in the lifespan's scope: the server drains by itself, before it closes anything."""

CLOSE_SECONDS = 2.0
"""How long a channel layer may take to close its connections."""


async def serve_lifespan(
    application: ASGIApplication | None, scope: Scope, receive: Receive, send: Send
) -> Any:
    """Answer the lifespan, with the application that the project has for it or without one.

    From the end of the start-up on, SIGTERM and SIGINT drain this loop before the server gets them.
    At the shutdown, whoever is connected still is told, and the channel layers close what they hold
    open on this loop.
    """
    live = live_here()
    live.ending = False
    live.watches_requests = True
    signals: DrainOnSignal | None = None

    async def watched_send(message: Message) -> None:
        nonlocal signals
        if message["type"] == "lifespan.startup.complete" and signals is None:
            if OWN_DRAIN not in (scope.get("extensions") or {}):
                signals = DrainOnSignal()
                signals.install()
        elif message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            # Before the server hears of it: hypercorn cancels this task then.
            if signals is not None:
                await signals.close()
            await close_channel_layers()
        await send(message)

    async def watched_receive() -> Message:
        message = await receive()
        if message["type"] == "lifespan.shutdown" and not live.ending:
            # Most servers have closed everything by now. Behind others this is the only chance.
            await drain(seconds=0)
        return message

    try:
        return await (application or _say_yes)(scope, watched_receive, watched_send)
    finally:
        live.watches_requests = False
        if signals is not None:
            signals.restore()


async def close_channel_layers() -> None:
    """Close what the channel layers of this process hold open on the running loop.

    A layer that fails to, or takes longer than two seconds, is one line in the log.
    """
    for alias, layer in list(channel_layers.backends.items()):
        close = getattr(layer, "close", None) or getattr(layer, "close_pools", None)
        if close is None:
            continue
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                waiting = close()
                if waiting is not None:
                    await waiting
        except Exception:
            logger.exception("The channel layer %r could not be closed in order.", alias)


async def _say_yes(scope: Scope, receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
