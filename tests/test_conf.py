"""The CHANNELS setting: defaults, what is accepted, and what a fault is called."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from channels import conf
from channels.conf import KEYS, channels_setting, faults


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASGI_THREADS", raising=False)


@pytest.mark.parametrize("configured", [{}, {"SYNC_THREADS": 40}])
def test_defaults(settings: Any, configured: dict[str, Any]) -> None:
    settings.CHANNELS = configured
    assert channels_setting("SYNC_THREADS") == 40
    assert faults() == []


def test_without_the_setting(settings: Any) -> None:
    if hasattr(settings, "CHANNELS"):
        del settings.CHANNELS
    assert channels_setting("SYNC_THREADS") == 40
    assert faults() == []


@pytest.mark.parametrize("value", [1, 2, 10_000])
def test_what_the_project_says_counts(settings: Any, value: int) -> None:
    settings.CHANNELS = {"SYNC_THREADS": value}
    assert channels_setting("SYNC_THREADS") == value


def test_asgi_threads_is_the_default(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGI_THREADS", "7")
    settings.CHANNELS = {}
    assert channels_setting("SYNC_THREADS") == 7
    settings.CHANNELS = {"SYNC_THREADS": 3}
    assert channels_setting("SYNC_THREADS") == 3, "the project's own word goes first"


@pytest.mark.parametrize("value", [0, -1, 1.5, "40", None, True, [4]])
def test_a_bad_value_names_the_key_the_value_and_the_cure(settings: Any, value: Any) -> None:
    settings.CHANNELS = {"SYNC_THREADS": value}
    with pytest.raises(ImproperlyConfigured) as caught:
        channels_setting("SYNC_THREADS")
    assert str(caught.value) == (
        f"CHANNELS['SYNC_THREADS'] is {value!r}; it must be a number of threads above 0 "
        "(1 is upstream's single thread)."
    )
    assert faults() == [str(caught.value)]


@pytest.mark.parametrize("value", ["", "0", "many", "-1", "1.5"])
def test_a_bad_asgi_threads_is_called_by_its_name(
    settings: Any, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ASGI_THREADS", value)
    settings.CHANNELS = {}
    with pytest.raises(ImproperlyConfigured) as caught:
        channels_setting("SYNC_THREADS")
    assert str(caught.value).startswith("the environment variable ASGI_THREADS is ")
    assert value in str(caught.value)
    assert "a number of threads above 0" in str(caught.value)


@pytest.mark.parametrize("configured", [None, [], "SYNC_THREADS", 40])
def test_the_setting_has_to_be_a_dictionary(settings: Any, configured: Any) -> None:
    settings.CHANNELS = configured
    with pytest.raises(ImproperlyConfigured, match="must be a dictionary such as"):
        channels_setting("SYNC_THREADS")
    (fault,) = faults()
    assert repr(configured) in fault


def test_a_key_that_is_not_known_is_a_fault_and_stops_nothing(settings: Any) -> None:
    settings.CHANNELS = {"SYNC_THREAD": 4}
    assert channels_setting("SYNC_THREADS") == 40
    (fault,) = faults()
    assert fault.startswith("CHANNELS has no key 'SYNC_THREAD'; it knows ")
    assert "SYNC_THREADS" in fault


def test_all_faults_are_found_at_once(settings: Any) -> None:
    settings.CHANNELS = {"ONE": 1, "TWO": 2, "SYNC_THREADS": 0}
    assert len(faults()) == 3


def test_every_default_is_accepted_by_its_own_key() -> None:
    for name, key in KEYS.items():
        assert key.accepts(key.default()), name
        assert key.wanted, name


def test_works_before_django_is_configured() -> None:
    script = "from channels.conf import channels_setting; print(channels_setting('SYNC_THREADS'))"
    environment = {key: value for key, value in os.environ.items() if "DJANGO" not in key}
    printed = subprocess.run(
        [sys.executable, "-c", script], env=environment, timeout=30, check=True, capture_output=True
    )
    assert printed.stdout.strip() == b"40"


def test_an_unknown_name_is_our_own_mistake() -> None:
    with pytest.raises(KeyError):
        channels_setting("NO_SUCH_KEY")
    assert conf.KEYS is KEYS
