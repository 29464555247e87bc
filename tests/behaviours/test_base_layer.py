"""What layers of other people take from BaseChannelLayer."""

import asyncio
import re
from collections import OrderedDict
from typing import Any

import pytest

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import (
    BaseChannelLayer,
    channel_layers,
)
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, connected

MESSAGE = {"type": "test.message"}


@behaviour("BaseChannelLayer: __init__(expiry=60, capacity=100, channel_capacity=None)")
def test_base_init() -> None:
    layer = BaseChannelLayer()
    assert (layer.expiry, layer.capacity) == (60, 100)
    assert not layer.channel_capacity
    layer = BaseChannelLayer(1, 2)
    assert (layer.expiry, layer.capacity) == (1, 2)
    assert BaseChannelLayer.MAX_NAME_LENGTH == 100


@behaviour("BaseChannelLayer: compile_capacities and get_capacity, as layers use them")
def test_capacities() -> None:
    class Layer(BaseChannelLayer):
        def __init__(self, channel_capacity: Any) -> None:
            super().__init__(capacity=7)
            self.channel_capacity = self.compile_capacities(channel_capacity)

    layer = Layer(
        OrderedDict([("http.request", 1), ("http.response!*", 2), (re.compile(r"^ws\..+"), 3)])
    )
    assert layer.get_capacity("http.request") == 1
    assert layer.get_capacity("http.response!abc") == 2
    assert layer.get_capacity("ws.x") == 3
    assert layer.get_capacity("other") == 7
    assert layer.get_capacity("http.request2") == 7


@behaviour("BaseChannelLayer: the first matching pattern of channel_capacity wins")
def test_capacity_order() -> None:
    layer = BaseChannelLayer(capacity=7)
    layer.channel_capacity = layer.compile_capacities(OrderedDict([("a.*", 1), ("*", 2)]))
    assert layer.get_capacity("a.b") == 1
    assert layer.get_capacity("b") == 2


@pytest.mark.parametrize(
    ("name", "part"),
    [("specific.x!abc", "specific.x!"), ("general", "general"), ("x!", "x!"), ("a!b", "a!")],
)
@behaviour("BaseChannelLayer: non_local_name() gives the part up to and with the '!'")
def test_non_local_name(name: str, part: str) -> None:
    assert BaseChannelLayer().non_local_name(name) == part


@behaviour("BaseChannelLayer: match_type_and_length(name)")
def test_match_type_and_length() -> None:
    layer = BaseChannelLayer()
    assert layer.match_type_and_length("x" * 99) is True
    assert layer.match_type_and_length("x" * 100) is False
    assert layer.match_type_and_length(b"x") is False


@behaviour("BaseChannelLayer: require_valid_channel_name and require_valid_group_name return True")
def test_require_valid() -> None:
    layer = BaseChannelLayer()
    assert layer.require_valid_channel_name("specific.x!a") is True
    assert layer.require_valid_group_name("room-1.a_b") is True
    for bad in ("a b", "", "!", "a!b!c!"):
        with pytest.raises(TypeError):
            layer.require_valid_channel_name(bad)
    with pytest.raises(TypeError):
        layer.require_valid_group_name("a!b")


@behaviour("BaseChannelLayer: a name for receive() must end at the '!'")
def test_receive_names() -> None:
    layer = BaseChannelLayer()
    assert layer.require_valid_channel_name("specific.x!", receive=True) is True
    assert layer.require_valid_channel_name("general", receive=True) is True
    with pytest.raises(TypeError) as caught:
        layer.require_valid_channel_name("specific.x!a", receive=True)
    assert "Specific channel names in receive() must end at the !" in str(caught.value)


@behaviour(
    "BaseChannelLayer: valid_channel_names(list) checks each and refuses anything but a list"
)
def test_valid_channel_names() -> None:
    layer = BaseChannelLayer()
    assert layer.valid_channel_names(["a", "b!"], receive=True) is True
    with pytest.raises(TypeError):
        layer.valid_channel_names(["a", "b c"])
    for bad in ([], "name", ("a",)):
        with pytest.raises(AssertionError):
            layer.valid_channel_names(bad)


@behaviour("BaseChannelLayer: valid_channel_name and valid_group_name are deprecated aliases")
def test_deprecated_names() -> None:
    layer = BaseChannelLayer()
    with pytest.warns(DeprecationWarning, match="use require_valid_channel_name instead"):
        assert layer.valid_channel_name("a") is True
    with pytest.warns(DeprecationWarning, match="use require_valid_group_name instead"):
        assert layer.valid_group_name("a") is True
    with pytest.warns(DeprecationWarning, match="deprecated"), pytest.raises(TypeError):
        layer.valid_channel_name("a b")


@behaviour("BaseChannelLayer: valid_channel_name(name, receive=True)")
@differs(upstream="forgets `receive`", ours="hands it on")
def test_deprecated_receive() -> None:
    def ask() -> Any:
        try:
            return BaseChannelLayer().valid_channel_name("specific.x!a", receive=True)
        except TypeError as error:
            return type(error)

    with pytest.warns(DeprecationWarning, match="deprecated"):
        answer = ask()
    assert answer is expected(upstream=True, ours=TypeError)


@behaviour("BaseChannelLayer: invalid_name_error is the text, to be formatted with the kind")
def test_invalid_name_error() -> None:
    assert BaseChannelLayer.invalid_name_error.format("Channel") == (
        "Channel name must be a valid unicode string with length < 100 containing only ASCII "
        "alphanumerics, hyphens, underscores, or periods."
    )


@behaviour("BaseChannelLayer: channel_name_regex and group_name_regex are compiled patterns")
def test_regexes() -> None:
    assert BaseChannelLayer.channel_name_regex.match("a!b")
    assert not BaseChannelLayer.group_name_regex.match("a!b")


@behaviour("BaseChannelLayer: what a layer does not offer is NotImplementedError with its name")
async def test_not_implemented() -> None:
    layer = BaseChannelLayer()
    for call, text in (
        (layer.send("a", MESSAGE), "send() should be implemented in a channel layer"),
        (layer.receive("a"), "receive() should be implemented in a channel layer"),
        (layer.new_channel(), "new_channel() should be implemented in a channel layer"),
        (layer.flush(), "flush() not implemented (flush extension)"),
        (layer.group_add("g", "a"), "group_add() not implemented (groups extension)"),
        (layer.group_discard("g", "a"), "group_discard() not implemented (groups extension)"),
        (layer.group_send("g", MESSAGE), "group_send() not implemented (groups extension)"),
    ):
        with pytest.raises(NotImplementedError) as caught:
            await call
        assert str(caught.value) == text


@behaviour("BaseChannelLayer: a layer of one's own serves consumers with send and receive alone")
async def test_third_party_layer() -> None:
    class Plain(BaseChannelLayer):
        def __init__(self) -> None:
            super().__init__()
            self.mail: dict[str, asyncio.Queue[Message]] = {}
            self.count = 0

        async def send(self, channel: str, message: Message) -> None:
            self.require_valid_channel_name(channel)
            self.mail.setdefault(channel, asyncio.Queue()).put_nowait(message)

        async def receive(self, channel: str) -> Message:
            return await self.mail.setdefault(channel, asyncio.Queue()).get()

        async def new_channel(self, prefix: str = "specific") -> str:
            self.count += 1
            return f"{prefix}.plain!{self.count}"

    class Echo(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:  # type: ignore[override]
            await self.channel_layer.send(self.channel_name, {"type": "note", "text": text_data})

        async def note(self, event: Message) -> None:
            await self.send(event["text"])

    layer = Plain()
    channel_layers.set("default", layer)
    async with connected(Echo.as_asgi()) as client:
        for text in ("one", "two"):
            await client.send_to(text_data=text)
            assert await client.receive_from() == text
    assert list(layer.mail) == ["specific.plain!1"]
