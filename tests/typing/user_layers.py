"""Channel layers: a project's own, the in-memory one, and code that uses either."""

from collections.abc import Collection
from typing import Any, assert_type

from asgiref.sync import async_to_sync

from channels import DEFAULT_CHANNEL_LAYER
from channels.exceptions import ChannelFull, InvalidChannelLayerError, MessageTooLarge
from channels.layers import (
    BaseChannelLayer,
    ChannelLayerManager,
    InMemoryChannelLayer,
    Position,
    SyncLayer,
    channel_layers,
    get_channel_layer,
)
from channels.testing.conformance import LayerConformance, Result, run_checks
from channels.typing import Message


class BrokerLayer(BaseChannelLayer):
    extensions = ["groups", "flush"]

    def __init__(self, url: str = "", expiry: int = 60, **kwargs: Any) -> None:
        super().__init__(expiry=expiry, **kwargs)
        self.url = url
        self.limits = self.compile_capacities({"chat.*": 10})

    async def send(self, channel: str, message: Message) -> None:
        self.require_valid_channel_name(channel)
        if len(message) > self.get_capacity(channel):
            raise ChannelFull
        if "__asgi_channel__" in message:
            raise MessageTooLarge(self.non_local_name(channel))

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel, receive=True)
        return {"type": "chat.line"}

    async def new_channel(self, prefix: str = "specific.") -> str:
        return f"{prefix}!1"

    async def group_add(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)

    async def group_discard(self, group: str, channel: str) -> None:
        assert self.valid_group_name(group)

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> None:
        assert group not in exclude

    async def flush(self) -> None: ...


class RecordingLayer(InMemoryChannelLayer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sent: list[tuple[str, Message]] = []

    async def send(self, channel: str, message: Message) -> None:
        self.sent.append((channel, message))
        await super().send(channel, message)

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Position:
        self.sent.append((group, message))
        return await super().group_send(group, message, exclude=exclude)


class TestBrokerLayer(LayerConformance):
    peers = True

    def make_layer(self, **options: Any) -> BrokerLayer:
        return BrokerLayer(**options)


async def use() -> None:
    layer = get_channel_layer()
    if layer is not None:
        await layer.group_send("room", {"type": "chat.line"})
    await get_channel_layer(DEFAULT_CHANNEL_LAYER).send("name", {"type": "chat.line"})
    memory = RecordingLayer(expiry=10, group_expiry=100, capacity=5, channel_capacity={"a": 1})
    channel = await memory.new_channel()
    await memory.group_add("room", channel)
    position = await memory.group_send("room", {"type": "chat.line"}, exclude=[channel])
    assert_type(position.epoch, str)
    assert_type(position.offset, int)
    assert_type(await memory.receive(channel), dict[str, Any])
    await memory.close()
    results = await run_checks(BrokerLayer, peers=True)
    assert_type(results, list[Result])


def use_from_sync_code() -> None:
    async_to_sync(get_channel_layer().group_send)("room", {"type": "chat.line"})
    async_to_sync(InMemoryChannelLayer().send)("name", {"type": "chat.line"})
    sync = BrokerLayer().sync
    assert_type(sync, SyncLayer)
    sync.send("name", {"type": "chat.line"}, on_commit=True, using="other", timeout=0.5)
    assert_type(sync.group_send("room", {"type": "chat.line"}, exclude=["a"]), Position | None)
    sync.group_send("room", {"type": "chat.line"}, on_commit=True)
    sync.group_add("room", "name", timeout=1)
    sync.group_discard("room", "name")
    SyncLayer(object()).send("name", {"type": "chat.line"})
    sync.send("name", {"type": "x"}, True)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


def prepare_a_test() -> None:
    assert_type(channel_layers, ChannelLayerManager)
    old = channel_layers.set("default", RecordingLayer())
    assert old is None
    try:
        channel_layers.make_test_backend("other")
    except InvalidChannelLayerError:
        channel_layers.backends.clear()
    channel_layers.backends = {}
    layer = channel_layers["default"]
    assert layer is channel_layers.backends["default"]
    assert "default" in channel_layers
