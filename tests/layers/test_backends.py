"""What a ``BACKEND`` names, and what stands in for a package that is not installed."""

import logging
import subprocess
import sys
import types
from typing import Any

import pytest
from django.test import override_settings

from channels import checks
from channels.exceptions import InvalidChannelLayerError
from channels.layers import ChannelLayerManager, InMemoryChannelLayer, backends
from channels.layers.backends import REDIS, STAND_INS, import_backend
from channels.layers.redis import RedisChannelLayer

UPSTREAMS = {
    "channels_redis.core": "RedisChannelLayer",
    "channels_redis.pubsub": "RedisPubSubChannelLayer",
}
PATHS = [f"{module}.{name}" for module, name in UPSTREAMS.items()]


@pytest.fixture(autouse=True)
def _nothing_told_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_told", set())


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, type]:
    """channels_redis, as far as an import sees it."""
    classes = {}
    monkeypatch.setitem(sys.modules, "channels_redis", types.ModuleType("channels_redis"))
    for name, class_name in UPSTREAMS.items():
        module = types.ModuleType(name)
        classes[f"{name}.{class_name}"] = type(class_name, (InMemoryChannelLayer,), {})
        setattr(module, class_name, classes[f"{name}.{class_name}"])
        monkeypatch.setitem(sys.modules, name, module)
    return classes


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="django.channels.layers")
    return caplog


def configured(path: str, **config: Any) -> Any:
    return override_settings(CHANNEL_LAYERS={"default": {"BACKEND": path, "CONFIG": config}})


def test_both_of_upstreams_names_are_known() -> None:
    assert sorted(STAND_INS) == sorted(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_ours_stands_in_for_a_package_that_is_not_installed(
    path: str, log: pytest.LogCaptureFixture
) -> None:
    with configured(path, hosts=["redis://localhost:6379/1"], prefix="site"):
        layer = ChannelLayerManager()["default"]
        assert type(layer) is RedisChannelLayer
        assert layer.prefix == "site"
        ChannelLayerManager()["default"]
        assert checks.check_channel_layers() == []
    (record,) = log.records
    assert record.levelno == logging.INFO
    for part in (path, "channels_redis is not installed", REDIS):
        assert part in record.getMessage()


@pytest.mark.parametrize("path", PATHS)
def test_a_package_that_is_installed_is_used(
    path: str, installed: dict[str, type], log: pytest.LogCaptureFixture
) -> None:
    with configured(path):
        assert type(ChannelLayerManager()["default"]) is installed[path]
    assert log.records == []


def test_a_name_that_the_installed_package_does_not_have_stays_an_error(
    installed: dict[str, type],
) -> None:
    del sys.modules["channels_redis.core"].RedisChannelLayer
    with pytest.raises(ImportError, match="does not define"):
        import_backend(PATHS[0])


def test_what_the_installed_package_lacks_stays_an_error(
    installed: dict[str, type], monkeypatch: pytest.MonkeyPatch
) -> None:
    """channels_redis without its own driver is broken, and not absent."""
    monkeypatch.delitem(sys.modules, "channels_redis.core")
    with pytest.raises(ImportError, match=r"channels_redis\.core"):
        import_backend(PATHS[0])


@pytest.mark.parametrize("path", ["channels_redis.core.Other", "no.such.Layer", "nodots"])
def test_other_names_stay_what_they_are(path: str, log: pytest.LogCaptureFixture) -> None:
    with configured(path), pytest.raises(InvalidChannelLayerError, match="Cannot import BACKEND"):
        ChannelLayerManager()["default"]
    assert log.records == []


@pytest.mark.parametrize("path", [REDIS, *PATHS])
@pytest.mark.parametrize("missing", ["redis", "hiredis"])
def test_a_missing_driver_names_the_extra(path: str, missing: str) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = None
import django
from django.conf import settings
settings.configure(CHANNEL_LAYERS={{"default": {{"BACKEND": {path!r}}}}})
django.setup()
from channels.exceptions import InvalidChannelLayerError
from channels.layers import get_channel_layer
try:
    get_channel_layer()
except InvalidChannelLayerError as error:
    print(error, *error.__notes__)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert f"Cannot import BACKEND {path!r}" in ran.stdout
    assert "pip install 'raceway[redis]'" in ran.stdout


def test_the_driver_is_imported_for_this_layer_alone() -> None:
    code = """
import sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()
from channels.layers import get_channel_layer
import channels.layers.serializers
get_channel_layer()
assert not {"redis", "hiredis"} & set(sys.modules), "imported without need"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
