"""Settings written for channels_redis, as they are found in projects, and what is called there."""

import logging
from typing import Any

import pytest
from django.test import override_settings

from channels import checks
from channels.layers import ChannelLayerManager
from channels.layers.redis import RedisChannelLayer, options

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    (CORE, {}),
    (CORE, {"hosts": [("127.0.0.1", 6379)]}),
    (CORE, {"hosts": [("redis", 6379)], "capacity": 1500, "expiry": 10}),
    (
        CORE,
        {"hosts": ["redis://:secret@127.0.0.1:6379/0"], "symmetric_encryption_keys": ["secret"]},
    ),
    (CORE, {"hosts": [{"address": "rediss://:secret@h:6380", "ssl_cert_reqs": None}]}),
    (
        CORE,
        {
            "hosts": [{"host": "h", "port": 6379, "password": "secret", "db": 2}],
            "prefix": "site",
            "channel_capacity": {"http.request": 200, "http.response!*": 10},
        },
    ),
    (
        CORE,
        {
            "hosts": [
                {
                    "sentinels": [("s1", 26379), ("s2", 26379)],
                    "master_name": "mymaster",
                    "password": "secret",
                    "sentinel_kwargs": {"password": "secret"},
                }
            ]
        },
    ),
    (CORE, {"hosts": ["redis://a:6379", "redis://b:6379", "redis://c:6379"]}),
    (PUBSUB, {"hosts": [("127.0.0.1", 6379)]}),
    (
        PUBSUB,
        {
            "hosts": ["unix:///run/redis.sock?db=3"],
            "on_disconnect": print,
            "on_reconnect": print,
            "serializer_format": "msgpack",
        },
    ),
    (
        CORE,
        {
            "hosts": [("127.0.0.1", 6379)],
            "group_expiry": 3600,
            "random_prefix_length": 8,
            "serializer_format": "json",
        },
    ),
]


@pytest.fixture(autouse=True)
def _nothing_named_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_named", set())


@pytest.mark.parametrize(("backend", "config"), SETTINGS)
def test_settings_need_no_change(
    backend: str, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    entry = {"BACKEND": backend, "CONFIG": config}
    with override_settings(CHANNEL_LAYERS={"default": entry}):
        assert checks.check_channel_layers() == []
        layer = ChannelLayerManager()["default"]
    assert type(layer) is RedisChannelLayer
    assert layer.capacity == config.get("capacity", 100)
    assert layer.expiry == config.get("expiry", 60)
    assert layer.prefix == config.get("prefix", "asgi")
    for text in (repr(layer), str(layer), repr(vars(layer)), caplog.text):
        assert "secret" not in text
    warned = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    without_effect = {
        name
        for name, upstream in options.WITHOUT_MEANING.items()
        if config.get(name, upstream.default) != upstream.default
    }
    assert len(warned) == bool(without_effect)
    for name in without_effect:
        assert name in warned[0]


def test_the_order_of_positional_arguments_is_upstreams() -> None:
    layer = RedisChannelLayer([("h", 1)], "site", 10, 20, 30, {"x": 40}, ["key"], 12, "msgpack")
    assert (layer.prefix, layer.expiry, layer.group_expiry, layer.capacity) == ("site", 10, 20, 30)
    assert layer.get_capacity("x") == 40
    assert layer.deserialize(layer.serialize({"type": "x"})) == {"type": "x"}
    assert layer.serialize({"type": "x"}).startswith(b"gAAAA")


async def test_methods_that_test_suites_call() -> None:
    layer = RedisChannelLayer()
    await layer.wait_received()
    await layer.close_pools()


def test_an_option_that_is_none_is_an_error_that_names_the_layer() -> None:
    entry = {"BACKEND": CORE, "CONFIG": {"capcity": 5}}
    with override_settings(CHANNEL_LAYERS={"default": entry}):
        with pytest.raises(TypeError, match="capcity") as raised:
            ChannelLayerManager()["default"]
        (error,) = checks.check_channel_layers()
    assert CORE in raised.value.__notes__[0]
    assert "capcity" in error.msg
