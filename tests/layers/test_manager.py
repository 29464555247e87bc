"""From the setting to layers."""

import threading
from typing import Any

import pytest
from django.test import override_settings

from channels import layers
from channels.exceptions import InvalidChannelLayerError
from channels.layers import ChannelLayerManager, get_channel_layer

MEMORY = "channels.layers.InMemoryChannelLayer"
HERE = f"{__name__}."


class NeedsRegion:
    """Looks something up that is not there, as a backend does with a mapping of its options."""

    def __init__(self) -> None:
        {}["region"]


class Wrapper:
    """A layer around another one of the same setting."""

    def __init__(self) -> None:
        self.inner = get_channel_layer("inner")


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> ChannelLayerManager:
    manager = ChannelLayerManager()
    monkeypatch.setattr(layers, "channel_layers", manager)
    return manager


def configured(**entries: Any) -> Any:
    return override_settings(CHANNEL_LAYERS=entries)


def test_a_layer_is_made_when_it_is_asked_for_and_once(manager: ChannelLayerManager) -> None:
    with configured(default={"BACKEND": MEMORY}, broken={"BACKEND": "no.such.Layer"}):
        assert manager.backends == {}
        layer = get_channel_layer()
        assert manager.backends == {"default": layer}
        assert get_channel_layer() is layer is manager["default"]


def test_two_threads_that_ask_first_get_one_layer(manager: ChannelLayerManager) -> None:
    """Two in-memory layers would be two worlds, and messages between them lost."""
    found: list[Any] = []
    other = threading.Thread(target=lambda: found.append(manager["default"]))
    make = manager.make_backend

    def make_while_another_asks(name: str) -> Any:
        if not found and not other.is_alive():
            other.start()
            other.join(0.05)  # it has to wait; without a lock it would be done by then
        return make(name)

    manager.make_backend = make_while_another_asks  # type: ignore[method-assign]
    with configured(default={"BACKEND": MEMORY}):
        found.append(manager["default"])
        other.join()
        assert found[0] is found[1] is manager["default"]


def test_a_layer_may_be_made_of_another(manager: ChannelLayerManager) -> None:
    with configured(default={"BACKEND": HERE + "Wrapper"}, inner={"BACKEND": MEMORY}):
        assert get_channel_layer().inner is get_channel_layer("inner")


@pytest.mark.parametrize("alias", ["missing", None, 7])
def test_an_alias_that_is_not_configured_is_none(manager: ChannelLayerManager, alias: Any) -> None:
    with configured(default={"BACKEND": MEMORY}):
        assert get_channel_layer(alias) is None
        with pytest.raises(KeyError):
            manager[alias]


def test_a_key_error_of_the_backend_is_not_taken_for_a_missing_alias(
    manager: ChannelLayerManager,
) -> None:
    with configured(default={"BACKEND": HERE + "NeedsRegion"}):
        with pytest.raises(KeyError, match="region") as caught:
            get_channel_layer()
    assert caught.value.__notes__ == [
        f"Raised by the BACKEND of CHANNEL_LAYERS['default'], '{HERE}NeedsRegion'."
    ]


def test_an_option_that_the_backend_does_not_know(manager: ChannelLayerManager) -> None:
    entry = {"BACKEND": MEMORY, "CONFIG": {"hosts": ["redis://:secret@host"]}}
    with configured(default=entry):
        with pytest.raises(TypeError, match="hosts") as caught:
            get_channel_layer()
    (note,) = caught.value.__notes__
    assert "CHANNEL_LAYERS['default']" in note
    assert "secret" not in note


@pytest.mark.parametrize("make", ["make_backend", "make_test_backend"])
@pytest.mark.parametrize("entry", [MEMORY, None, [MEMORY]], ids=repr)
def test_an_entry_that_is_no_dict(manager: ChannelLayerManager, entry: Any, make: str) -> None:
    with configured(default=entry):
        with pytest.raises(InvalidChannelLayerError) as caught:
            getattr(manager, make)("default")
    assert str(caught.value) == "CHANNEL_LAYERS['default'] is not a dict"
    assert type(entry).__name__ in caught.value.__notes__[0]
    assert "'BACKEND'" in caught.value.__notes__[0]


def test_an_entry_without_a_backend_says_what_it_has(manager: ChannelLayerManager) -> None:
    with configured(default={"CONFIG": {"hosts": "redis://:secret@host"}, "Backend": MEMORY}):
        with pytest.raises(InvalidChannelLayerError, match="No BACKEND specified") as caught:
            get_channel_layer()
    (note,) = caught.value.__notes__
    assert "['Backend', 'CONFIG']" in note
    assert "secret" not in note


def test_a_backend_that_cannot_be_imported_says_why(manager: ChannelLayerManager) -> None:
    with configured(default={"BACKEND": "channels.layers.NoSuchLayer"}):
        with pytest.raises(InvalidChannelLayerError, match="Cannot import BACKEND") as caught:
            get_channel_layer()
    assert "NoSuchLayer" in caught.value.__notes__[0]
    assert isinstance(caught.value.__cause__, ImportError)


def test_nothing_is_kept_of_what_could_not_be_made(manager: ChannelLayerManager) -> None:
    with configured(default={"BACKEND": "no.such.Layer"}):
        for _ in range(2):
            with pytest.raises(InvalidChannelLayerError):
                get_channel_layer()
        assert manager.backends == {}


def test_a_changed_setting_makes_new_layers(manager: ChannelLayerManager) -> None:
    with configured(default={"BACKEND": MEMORY}):
        first = get_channel_layer()
        with configured(default={"BACKEND": MEMORY, "CONFIG": {"capacity": 5}}):
            assert get_channel_layer().capacity == 5
        assert get_channel_layer() is not first
        assert get_channel_layer().capacity == 100
