"""Connections that come, join, talk and are torn off.

Run as ``python -m tests.faults.cycles HOSTS WARM N``.

Says in one line of JSON what a process holds after WARM cycles, when everything that is made once
has been made, and after N more. Then it waits for a line, closes
the layer and ends.
"""

import asyncio
import gc
import json
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.tables import tables

AT_A_TIME = 40
EXPIRY = 2


def resident() -> int:
    """Kilobytes of memory that are this process's."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


async def cycle(application: Any, number: int, chance: random.Random) -> None:
    """One connection from the first event to the last."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "websocket", "path": f"/{number}", "headers": [], "subprotocols": []}
    task = asyncio.create_task(application(scope, events.get, sent.put))
    events.put_nowait({"type": "websocket.connect"})
    async with asyncio.timeout(60):
        assert (await sent.get())["type"] == "websocket.accept"
        if chance.random() < 0.9:
            events.put_nowait({"type": "websocket.receive", "text": "hello"})
            while (await sent.get())["text"] != f"own {number}":
                pass  # what others say to everybody
    if chance.random() < 0.5:
        events.put_nowait({"type": "websocket.disconnect", "code": 1006})
    else:
        task.cancel()
    await asyncio.wait([task], timeout=60)


async def run(application: Any, numbers: range) -> None:
    chance = random.Random(numbers.start)
    left = iter(numbers)

    async def visit() -> None:
        for number in left:
            await cycle(application, number, chance)

    await asyncio.gather(*(visit() for _ in range(AT_A_TIME)))


def consumer() -> Any:
    from channels.generic.websocket import AsyncWebsocketConsumer

    class Visitor(AsyncWebsocketConsumer):
        """Joins a group of its own and one of everybody's, and leaves neither."""

        groups = ["everybody"]

        async def connect(self) -> None:
            self.number = self.scope["path"][1:]
            await self.channel_layer.group_add(f"own-{self.number}", self.channel_name)
            await self.accept()

        async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
            await self.channel_layer.group_send("everybody", {"type": "say", "text": "all"})
            own = {"type": "say", "text": f"own {self.number}"}
            await self.channel_layer.group_send(f"own-{self.number}", own)

        async def say(self, event: dict[str, Any]) -> None:
            await self.send(text_data=event["text"])

    return Visitor.as_asgi()


async def settled(layer: Any) -> dict[str, int]:
    """The tables, once nothing changes in them any more and nothing runs beside this."""
    found = tables(layer)
    for _ in range(50):
        await asyncio.sleep(0.2)
        if found == (found := tables(layer)) and len(asyncio.all_tasks()) == 1:
            break
    return found


async def main(warm: int, count: int, wait: Callable[[], Any]) -> None:
    from channels.layers import get_channel_layer

    layer: Any = get_channel_layer()
    application = consumer()
    answer: list[dict[str, Any]] = []
    for numbers in (range(warm), range(warm, warm + count)):
        await run(application, numbers)
        answer.append(
            {
                "tables": await settled(layer),
                "kilobytes": resident(),
                "tasks": len(asyncio.all_tasks()),
                "threads": threading.active_count(),
            }
        )
    print(json.dumps(answer), flush=True)
    await asyncio.to_thread(wait)
    await layer.close()


if __name__ == "__main__":
    import django
    from django.test.utils import override_settings

    hosts = json.loads(sys.argv[1])
    config = {"hosts": hosts, "expiry": EXPIRY, "prefix": "cycles"}
    backend = {"BACKEND": "channels.layers.redis.RedisChannelLayer", "CONFIG": config}
    django.setup()
    with override_settings(CHANNEL_LAYERS={"default": backend}):
        asyncio.run(main(int(sys.argv[2]), int(sys.argv[3]), sys.stdin.readline))
