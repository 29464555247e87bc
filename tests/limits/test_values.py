"""The table of limits: what is accepted, and what a mistake is called."""

from typing import Any

import pytest

from channels import conf
from channels.limits.values import NAMES, Limits, faults

GOOD: dict[str, list[Any]] = {
    "message_bytes": [1, 10**9, None],
    "body_bytes": [1, None],
    "messages_per_second": [0.01, 5, None],
    "bytes_per_second": [0.5, 10**9, None],
    "burst_seconds": [0.1, 60],
    "rate_action": ["delay", "drop", "close"],
    "connections_per_user": [1, None],
    "connections_per_address": [1, None],
    "groups_per_connection": [1, None],
    "accept_seconds": [0.5, 10, None],
    "waiting_bytes": [1, None],
    "on_full": ["drop_newest", "drop_oldest", "close", None],
}
BAD: dict[str, list[Any]] = {
    "message_bytes": [0, -1, 1.5, "1", True],
    "body_bytes": [0, b"1"],
    "messages_per_second": [0, -2.0, "fast", False],
    "bytes_per_second": [0, []],
    "burst_seconds": [0, None],
    "rate_action": ["", None, "kill", []],
    "connections_per_user": [0, 2.5],
    "connections_per_address": [0, "all"],
    "groups_per_connection": [0, {}],
    "accept_seconds": [0, "10s"],
    "waiting_bytes": [0, "1 MiB"],
    "on_full": ["", "drop", []],
}


def test_every_limit_is_tried() -> None:
    assert set(GOOD) == set(BAD) == set(NAMES)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in GOOD.items() for v in values])
def test_good(name: str, value: Any, settings: Any) -> None:
    assert faults({name: value}, "it") == []
    assert getattr(Limits().but({name: value}, "it"), name) == value
    settings.CHANNELS = {"LIMITS": {name: value}}
    assert conf.faults() == []


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in BAD.items() for v in values])
def test_bad(name: str, value: Any, settings: Any) -> None:
    with pytest.raises(ValueError, match=rf"it\['{name}'\] is .*; it must be (a number|one of)"):
        Limits().but({name: value}, "it")
    settings.CHANNELS = {"LIMITS": {name: value, "wrong": 1}}
    (text,) = conf.faults()
    assert f"CHANNELS['LIMITS'][{name!r}] is {value!r}; it must be" in text
    assert "CHANNELS['LIMITS'] has no key 'wrong'; it knows message_bytes, " in text


@pytest.mark.parametrize("value", [None, [], "message_bytes", 5])
def test_no_dictionary(value: Any) -> None:
    assert faults(value, "it") == [f"it is {value!r}; it must be a dictionary of limits."]


def test_the_defaults_are_accepted() -> None:
    limits = Limits()
    assert faults({name: getattr(limits, name) for name in NAMES}, "it") == []


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("TRUSTED_PROXIES", [None, [], 1, ["127.0.0.1", "10.0.0.0/8", "unix"]], [0, "1.1.1.1"]),
        ("ADDRESS_HEADER", ["Forwarded", "X-Real-IP"], ["", None, 3]),
    ],
)
def test_settings_beside_it(key: str, good: list[Any], bad: list[Any], settings: Any) -> None:
    for value in good:
        settings.CHANNELS = {key: value}
        assert conf.faults() == []
    for value in bad:
        settings.CHANNELS = {key: value}
        assert len(conf.faults()) == 1
