"""Options of channels_redis that mean nothing here, and values that no option may have."""

import logging
from typing import Any

import pytest

from channels.exceptions import InvalidChannelLayerError
from channels.layers.redis import options
from channels.layers.redis.options import check_values, warn_without_meaning

GOOD: dict[str, Any] = {
    "prefix": "asgi",
    "expiry": 60,
    "capacity": 100,
    "send_timeout": 10.0,
    "on_outage": "wait",
}


@pytest.fixture(autouse=True)
def _nothing_named_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_named", set())


def test_one_warning_names_all_of_them(caplog: pytest.LogCaptureFixture) -> None:
    given = {
        "group_expiry": 5,
        "random_prefix_length": 0,
        "serializer_format": "json",
        "on_disconnect": print,
        "on_reconnect": print,
        "capacity": 5,
    }
    warn_without_meaning(given)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    for name in options.WITHOUT_MEANING:
        assert f"{name} (" in record.getMessage()
    assert "capacity" not in record.getMessage()


def test_the_same_options_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    warn_without_meaning({"group_expiry": 5})
    warn_without_meaning({"group_expiry": 6})
    assert len(caplog.records) == 1
    warn_without_meaning({"on_reconnect": print})
    assert "on_reconnect" in caplog.records[1].getMessage()
    assert "group_expiry" not in caplog.records[1].getMessage()


def test_upstreams_defaults_are_nothing_to_speak_of(caplog: pytest.LogCaptureFixture) -> None:
    warn_without_meaning({name: entry.default for name, entry in options.WITHOUT_MEANING.items()})
    warn_without_meaning(dict.fromkeys(options.WITHOUT_MEANING))
    warn_without_meaning({})
    assert caplog.records == []


def test_good_values() -> None:
    check_values(**GOOD)
    check_values(**{**GOOD, "prefix": "", "expiry": 0.5, "on_outage": "raise", "capacity": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prefix", b"asgi"),
        ("prefix", None),
        ("prefix", "a{b}"),
        ("expiry", 0),
        ("expiry", -1),
        ("expiry", "60"),
        ("expiry", None),
        ("expiry", True),
        ("expiry", float("nan")),
        ("expiry", float("inf")),
        ("send_timeout", 0),
        ("send_timeout", None),
        ("capacity", 0),
        ("capacity", 1.5),
        ("capacity", True),
        ("capacity", None),
        ("on_outage", "buffer"),
        ("on_outage", []),
    ],
)
def test_bad_values_are_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidChannelLayerError, match=f"^{name} is .*; it must be "):
        check_values(**{**GOOD, name: value})
