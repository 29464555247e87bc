"""layer.sync over a broker, in this process."""

import asyncio
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext_lazy

from channels.exceptions import ChannelFull
from channels.layers.background import background
from channels.layers.redis import RedisChannelLayer
from channels.typing import Message
from tests.layers.tools import HELLO, numbered
from tests.redis_servers import Server, redis_server


@pytest.fixture(autouse=True)
def _stop_background() -> Iterator[None]:
    yield
    background.stop()


@pytest.fixture
async def layer(redis7: Server) -> AsyncIterator[RedisChannelLayer]:
    found = RedisChannelLayer(hosts=[redis7.url], prefix=uuid4().hex, capacity=3)
    yield found
    await found.close()


async def received(layer: RedisChannelLayer, channel: str, number: int = 1) -> list[Any]:
    async with asyncio.timeout(10):
        return [await layer.receive(channel) for _ in range(number)]


async def test_channels(layer: RedisChannelLayer) -> None:
    channel = await layer.new_channel()
    for message in numbered(1, 2):
        await sync_to_async(layer.sync.send)(channel, message)
    assert await received(layer, channel, 2) == numbered(1, 2)


async def test_groups(layer: RedisChannelLayer) -> None:
    """Joined and left from sync code, for a channel of this process's loop."""
    channel = await layer.new_channel()
    await sync_to_async(layer.sync.group_add)("room", channel)
    first = await sync_to_async(layer.sync.group_send)("room", {"type": "x", "n": 1})
    await sync_to_async(layer.sync.group_discard)("room", channel)
    await sync_to_async(layer.sync.group_send)("room", {"type": "x", "n": 2})
    await sync_to_async(layer.sync.group_add)("room", channel)
    await sync_to_async(layer.sync.group_send)("room", {"type": "x", "n": 3}, exclude=["other"])
    await sync_to_async(layer.sync.group_send)("room", {"type": "x", "n": 4}, exclude=[channel])
    await sync_to_async(layer.sync.send)(channel, {"type": "x", "n": 5})
    assert await received(layer, channel, 3) == numbered(1, 3, 5)
    assert first is not None
    assert first.offset == 1


async def test_a_thread_joins_while_others_send(redis7: Server) -> None:
    """group_add has returned: everything that is sent from then on arrives."""
    layer = RedisChannelLayer(hosts=[redis7.url], prefix=uuid4().hex, capacity=100_000)
    channel = await layer.new_channel()
    over = threading.Event()

    def busy() -> None:
        while not over.is_set():
            layer.sync.group_send("room", {"type": "x", "n": 0})

    def join() -> None:
        try:
            layer.sync.group_add("room", channel)
            layer.sync.group_send("room", {"type": "x", "n": 1})
        finally:
            over.set()

    await asyncio.gather(asyncio.to_thread(busy), asyncio.to_thread(join))
    async with asyncio.timeout(10):
        while (await layer.receive(channel))["n"] != 1:
            pass
    await layer.close()


async def test_a_full_channel_of_this_process(layer: RedisChannelLayer) -> None:
    channel = await layer.new_channel()
    for message in numbered(1, 2, 3):
        await sync_to_async(layer.sync.send)(channel, message)
    with pytest.raises(ChannelFull):
        await sync_to_async(layer.sync.send)(channel, HELLO)
    assert await received(layer, channel, 3) == numbered(1, 2, 3)


async def test_lazy_strings_are_in_the_callers_language(layer: RedisChannelLayer) -> None:
    channel = await layer.new_channel()

    def view() -> None:
        with translation.override("de"):
            layer.sync.send(channel, {"type": "x", "text": gettext_lazy("Monday")})

    await sync_to_async(view)()
    assert await received(layer, channel) == [{"type": "x", "text": "Montag"}]


def test_what_cannot_be_sent_is_said_in_the_callers_thread(redis7: Server) -> None:
    layer = RedisChannelLayer(hosts=[redis7.url])
    threads = threading.enumerate()
    with pytest.raises(TypeError) as caught:
        layer.sync.group_send("room", {"type": "x", "what": [object()]})
    assert "what" in str(caught.value)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[0] == "test_what_cannot_be_sent_is_said_in_the_callers_thread"
    assert threading.enumerate() == threads, "it needed no loop for that"


@contextmanager
def own_server() -> Iterator[tuple[Server, RedisChannelLayer]]:
    with redis_server("redis", keeps_data=True) as server:
        layer = RedisChannelLayer(hosts=[server.url], send_timeout=20)
        try:
            yield server, layer
        finally:
            background.run(layer.close)


def test_a_broker_that_does_not_answer() -> None:
    with own_server() as (server, layer):
        layer.sync.group_send("room", HELLO)
        server.freeze()
        try:
            with pytest.raises(TimeoutError, match=r"No answer within 0\.1 s"):
                layer.sync.group_send("room", HELLO, timeout=0.1)
        finally:
            server.thaw()
        assert layer.sync.group_send("room", HELLO, timeout=20) is not None


def test_a_broker_that_comes_back_gets_what_waited() -> None:
    with own_server() as (server, layer):
        first = layer.sync.group_send("room", HELLO)
        server.stop()
        found: list[Any] = []
        waiting = threading.Thread(
            target=lambda: found.append(layer.sync.group_send("room", HELLO))
        )
        waiting.start()
        server.start()
        waiting.join(20)
        assert first is not None
        assert [position.offset for position in found] == [first.offset + 1]


@pytest.mark.django_db(transaction=True)
async def test_after_the_commit(layer: RedisChannelLayer) -> None:
    channel = await layer.new_channel()
    await layer.group_add("room", channel)

    def view() -> None:
        with transaction.atomic():
            layer.sync.group_send("room", {"type": "x", "n": 2}, on_commit=True)
            layer.sync.group_send("room", {"type": "x", "n": 1})

    await sync_to_async(view)()
    assert await received(layer, channel, 2) == numbered(1, 2)


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_sent_is_said_before_the_commit(redis7: Server) -> None:
    layer = RedisChannelLayer(hosts=[redis7.url])
    with transaction.atomic():
        for send in (layer.sync.send, layer.sync.group_send):
            with pytest.raises(TypeError, match="what"):
                send("room", {"type": "x", "what": [object()]}, on_commit=True)


class TestOverridden:
    """A subclass that waits in a method gets a loop for it."""

    async def test_a_send_of_its_own(self, redis7: Server) -> None:
        class Slow(RedisChannelLayer):
            async def group_send(self, group: str, message: Message, **options: Any) -> Any:
                await asyncio.sleep(0)
                return await super().group_send(group, message, **options)

        layer = Slow(hosts=[redis7.url], prefix=uuid4().hex)
        channel = await layer.new_channel()
        await layer.group_add("room", channel)
        await sync_to_async(layer.sync.group_send)("room", HELLO)
        await sync_to_async(async_to_sync(layer.group_send))("room", HELLO)
        assert await received(layer, channel, 2) == [HELLO, HELLO]
        await layer.close()
