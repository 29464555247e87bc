"""channel_layers, get_channel_layer and the CHANNEL_LAYERS setting."""

from typing import Any

import pytest
from django.conf import settings
from django.core.signals import setting_changed
from django.test.utils import override_settings

from channels import DEFAULT_CHANNEL_LAYER, layers
from channels.exceptions import InvalidChannelLayerError
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import (
    ChannelLayerManager,
    InMemoryChannelLayer,
    channel_layers,
    get_channel_layer,
)
from tests.behaviours.lines import behaviour
from tests.behaviours.tools import connected

MEMORY = "channels.layers.InMemoryChannelLayer"


@behaviour("Layer manager: get_channel_layer(alias) gives one layer per alias, 'default' first")
def test_get_channel_layer() -> None:
    with override_settings(
        CHANNEL_LAYERS={"default": {"BACKEND": MEMORY}, "b": {"BACKEND": MEMORY}}
    ):
        assert DEFAULT_CHANNEL_LAYER == "default"
        assert isinstance(get_channel_layer(), InMemoryChannelLayer)
        assert get_channel_layer() is get_channel_layer("default") is channel_layers["default"]
        assert get_channel_layer("b") is get_channel_layer("b") is not get_channel_layer()
        assert get_channel_layer("missing") is None
        assert "b" in channel_layers
        assert "missing" not in channel_layers
        with pytest.raises(KeyError):
            channel_layers["missing"]


@behaviour("Layer manager: CONFIG is passed to the backend as keywords")
def test_config() -> None:
    config = {"expiry": 5, "capacity": 7, "group_expiry": 9}
    with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": MEMORY, "CONFIG": config}}):
        layer = get_channel_layer()
        assert (layer.expiry, layer.capacity, layer.group_expiry) == (5, 7, 9)


@behaviour("Layer manager: make_test_backend(alias) uses TEST_CONFIG, and needs it")
def test_make_test_backend() -> None:
    entry = {"BACKEND": MEMORY, "CONFIG": {"expiry": 1}, "TEST_CONFIG": {"expiry": 2}}
    with override_settings(CHANNEL_LAYERS={"default": entry, "bare": {"BACKEND": MEMORY}}):
        assert channel_layers.make_test_backend("default").expiry == 2
        assert channel_layers.make_backend("default").expiry == 1
        assert channel_layers.make_backend("default") is not channel_layers.make_backend("default")
        assert channel_layers.backends == {}
        with pytest.raises(InvalidChannelLayerError) as caught:
            channel_layers.make_test_backend("bare")
        assert str(caught.value) == "No TEST_CONFIG specified for bare"


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({}, "No BACKEND specified for default"),
        (
            {"BACKEND": "no.such.Layer"},
            "Cannot import BACKEND 'no.such.Layer' specified for default",
        ),
        (
            {"BACKEND": MEMORY, "ROUTING": "x"},
            "ROUTING key found for default - this is no longer needed in Channels 2.",
        ),
    ],
)
@behaviour("Layer manager: a bad entry is InvalidChannelLayerError and says what is wrong")
def test_bad_entries(entry: dict[str, Any], text: str) -> None:
    with override_settings(CHANNEL_LAYERS={"default": entry}):
        with pytest.raises(InvalidChannelLayerError) as caught:
            get_channel_layer()
    assert str(caught.value) == text


@behaviour("Layer manager: configs is the CHANNEL_LAYERS setting, read at each use")
def test_configs() -> None:
    with override_settings(CHANNEL_LAYERS={"x": {"BACKEND": MEMORY}}):
        assert channel_layers.configs == {"x": {"BACKEND": MEMORY}}
    with override_settings():
        del settings.CHANNEL_LAYERS
        assert channel_layers.configs == {}
        assert get_channel_layer() is None


@behaviour("Layer manager: setting_changed for CHANNEL_LAYERS forgets the layers that were made")
def test_setting_changed() -> None:
    first = get_channel_layer()
    setting_changed.send(sender=None, setting="DEBUG", value=True, enter=True)
    assert get_channel_layer() is first
    setting_changed.send(sender=None, setting="CHANNEL_LAYERS", value={}, enter=True)
    assert get_channel_layer() is not first


@behaviour("Layer manager: _reset_backends('CHANNEL_LAYERS') forgets the layers that were made")
def test_reset_backends() -> None:
    first = get_channel_layer()
    channel_layers._reset_backends("OTHER")
    assert get_channel_layer() is first
    channel_layers._reset_backends("CHANNEL_LAYERS", value=None)
    assert channel_layers.backends == {}
    assert get_channel_layer() is not first


@behaviour("Layer manager: set(alias, layer) replaces a layer and returns the old one")
def test_set() -> None:
    old, new = get_channel_layer(), InMemoryChannelLayer()
    assert channel_layers.set("default", new) is old
    assert get_channel_layer() is new
    assert channel_layers.set("never-made", new) is None
    assert channel_layers.set("default", old) is new


@pytest.mark.parametrize("how", ["rebind", "clear", "item"])
@behaviour("Layer manager: backends = {}, backends.clear() and backends[alias] work")
def test_backends(how: str) -> None:
    first = get_channel_layer()
    assert channel_layers.backends["default"] is first
    if how == "rebind":
        channel_layers.backends = {}
        assert get_channel_layer() is not first
    elif how == "clear":
        channel_layers.backends.clear()
        assert get_channel_layer() is not first
    else:
        mine = channel_layers.backends["default"] = InMemoryChannelLayer()
        assert get_channel_layer() is mine


@behaviour(
    "Layer manager: channels.layers.channel_layers may be rebound; it is looked up each time"
)
async def test_rebound(monkeypatch: pytest.MonkeyPatch) -> None:
    first = get_channel_layer()
    monkeypatch.setattr(layers, "channel_layers", ChannelLayerManager())
    second = get_channel_layer()
    assert second is not first
    assert second is layers.channel_layers["default"]
    seen: list[Any] = []

    class Looks(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            seen.append(self.channel_layer)
            await self.accept()

    async with connected(Looks.as_asgi()):
        pass
    assert seen == [second]
