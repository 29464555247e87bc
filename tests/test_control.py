"""Orders to every process: one membership for each loop, whatever the broker does."""

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from channels import control
from channels.closing import aclose_user, close_user
from channels.control import GROUP, control_layer, join
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import InMemoryChannelLayer, channel_layers
from channels.limits.presence import users
from channels.typing import Message
from tests.client import CONNECT, Client, leave, settle
from tests.wire import websocket


class Broker(InMemoryChannelLayer):
    """As if it reached other processes."""

    extensions: ClassVar[list[str]] = [*InMemoryChannelLayer.extensions, "processes"]
    joins = 0
    trouble: Exception | None = None
    slow: asyncio.Event | None = None

    async def group_add(self, group: str, channel: str) -> None:
        if group == GROUP:
            self.joins += 1
            if self.slow is not None:
                await self.slow.wait()
            if self.trouble is not None:
                raise self.trouble
        await super().group_add(group, channel)


class Plain(AsyncWebsocketConsumer):
    """Accepts, and does nothing more."""


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    layer = Broker()
    monkeypatch.setattr(channel_layers, "backends", {"default": layer})
    return layer


@pytest.fixture
def orders() -> list[Message]:
    return []


async def test_one_membership_however_many_connections(broker: Broker) -> None:
    clients = [Client(Plain.as_asgi(), CONNECT) for _ in range(5)]
    for client in clients:
        await client.__aenter__()
        await client.answers(1)
    assert len(broker.groups[GROUP]) == broker.joins == 1
    for client in clients:
        client.says(leave())
        await client.ended()
    assert len(broker.groups[GROUP]) == 1, "the next connection needs it"


def test_it_ends_with_the_loop(broker: Broker, orders: list[Message]) -> None:
    async def use() -> "weakref.ref[asyncio.AbstractEventLoop]":
        await join(orders.append)
        assert len(broker.groups[GROUP]) == 1
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(use())
    assert broker.groups == broker.channels == {}
    gc.collect()
    assert loop() is None, "nothing keeps the loop"


async def test_orders_arrive(broker: Broker, orders: list[Message]) -> None:
    await join(orders.append)
    await broker.group_send(GROUP, {"type": "channels.control", "close": "user"})
    await asyncio.to_thread(broker.sync.group_send, GROUP, {"type": "channels.control", "n": 2})
    await settle()
    assert [order.get("n") for order in orders] == [None, 2]


async def test_an_order_that_fails_keeps_no_other(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    obeyed = []

    def obey(order: Message) -> None:
        if order["n"] == 1:
            raise KeyError("n")
        obeyed.append(order["n"])

    await join(obey)
    for number in range(3):
        await broker.group_send(GROUP, {"type": "channels.control", "n": number})
    await settle()
    assert obeyed == [0, 2]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_broker_that_refuses_keeps_nobody_out(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.trouble = ConnectionError("away")
    async with Client(Plain.as_asgi(), CONNECT) as client:
        await client.answers(1)
        client.says(leave())
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("This process cannot be told to close connections: Bro")
    assert GROUP not in broker.groups
    assert broker.channels == {}, "nor is its channel kept"
    broker.trouble = None
    async with Client(Plain.as_asgi(), CONNECT) as client:
        await client.answers(1)
        assert len(broker.groups[GROUP]) == 1, "the next one tries again"
        client.says(leave())


async def test_a_broker_that_is_slow_keeps_nobody_waiting(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.01)
    broker.slow = asyncio.Event()
    async with Client(Plain.as_asgi(), CONNECT) as one, Client(Plain.as_asgi(), CONNECT) as two:
        await one.answers(1)
        await two.answers(1)
        assert broker.joins == 1, "one try at a time"
        broker.slow.set()
        await settle()
        assert len(broker.groups[GROUP]) == 1
        one.says(leave())
        two.says(leave())


async def test_a_connection_that_is_cancelled_meanwhile(broker: Broker) -> None:
    broker.slow = asyncio.Event()
    async with Client(Plain.as_asgi(), CONNECT) as client:
        await settle()
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    broker.slow.set()
    await settle()
    assert len(broker.groups[GROUP]) == 1
    assert len(users) == 0


async def test_another_layer_takes_its_place(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, orders: list[Message]
) -> None:
    await join(orders.append)
    other = Broker()
    monkeypatch.setattr(channel_layers, "backends", {"default": other})
    await join(orders.append)
    assert broker.groups == broker.channels == {}
    await other.group_send(GROUP, {"type": "channels.control"})
    await settle()
    assert len(orders) == 1


class Odd:
    """A layer of somebody else's."""

    def __init__(self, extensions: Any) -> None:
        self.extensions = extensions


@pytest.mark.parametrize("extensions", [None, 5, [], ["groups"], "groups"])
async def test_layers_that_reach_nobody(
    monkeypatch: pytest.MonkeyPatch, extensions: Any, orders: list[Message]
) -> None:
    monkeypatch.setattr(channel_layers, "backends", {"default": Odd(extensions)})
    assert control_layer() is None
    await join(orders.append)


async def test_a_layer_that_cannot_be_made_is_not_our_business(
    settings: Any, orders: list[Message]
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "no.such.Layer"}}
    await join(orders.append)


async def test_a_layer_that_cannot_tell(
    monkeypatch: pytest.MonkeyPatch, orders: list[Message]
) -> None:
    class Pulled(Broker):
        def attach(self, channel: str, wake: Callable[[], None]) -> None:
            return None

    layer = Pulled()
    monkeypatch.setattr(channel_layers, "backends", {"default": layer})
    await join(orders.append)
    assert layer.groups == {}


async def test_whoever_closes_tells_the_others(broker: Broker) -> None:
    """What goes out is enough for another process, and nothing more."""
    told: list[Message] = []
    inbox: Any = broker.attach("a!other", lambda: told.append(inbox.take().message()))
    await broker.group_add(GROUP, "a!other")
    await aclose_user(7, 4001, "bye")
    await settle()
    await asyncio.to_thread(close_user, 8)
    await settle()
    assert [(order["user"], order["code"], order["reason"]) for order in told] == [
        ("7", 4001, "bye"),
        ("8", 1000, ""),
    ]
    inbox.close()


async def test_here_they_are_closed_though_the_broker_is_away(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("away")

    scope = websocket(user=_User())
    async with Client(Plain.as_asgi(), CONNECT, scope=scope) as client:
        await client.answers(1)
        monkeypatch.setattr(broker, "group_send", away)
        with pytest.raises(ConnectionError):
            await aclose_user(1, 4001)
        await client.ended()
    assert client.sent[-1]["code"] == 4001


class _User:
    pk = 1
    is_authenticated = True
