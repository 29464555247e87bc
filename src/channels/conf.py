"""Raceway's own settings: one ``CHANNELS`` dictionary, read late and checked when it is read.

Which keys exist, what they accept and what they are without a word from the project stands in
:data:`KEYS` and nowhere else; the system checks and the reference page read it too.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from channels.limits.addresses import trusted
from channels.limits.values import faults as limit_faults


@dataclass(frozen=True, slots=True)
class Key:
    """One key of ``CHANNELS``."""

    default: Callable[[], Any]
    accepts: Callable[[Any], bool]
    wanted: str
    """What is accepted, in words; the end of the error message."""
    default_from: str
    """Where the default comes from, in words; the beginning of the error message if it is bad."""
    faults: Callable[[Any, str], list[str]] | None = None
    """For a value that holds several: what exactly is wrong with it, given where it comes from."""


def _sync_threads_default() -> Any:
    """``ASGI_THREADS`` of the environment, as asgiref and Daphne had it, else 40."""
    value = os.environ.get("ASGI_THREADS", "40")
    return int(value) if value.isdecimal() else value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_proxies(value: Any) -> bool:
    try:
        trusted(value, "")
    except ValueError:
        return False
    return True


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_duration(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


FAST_JSON = "fast"
STANDARD_JSON = "standard"

KEYS: Mapping[str, Key] = {
    "CLOSE_ON_LOGOUT": Key(
        default=lambda: False,
        accepts=lambda value: isinstance(value, bool),
        wanted="True or False",
        default_from="the default",
    ),
    "GRACE_SECONDS": Key(
        # Well before ten seconds, after which Daphne complains of the application and kills it.
        default=lambda: 5.0,
        accepts=_is_duration,
        wanted="a number of seconds, 0 or above (math.inf for no limit)",
        default_from="the default",
    ),
    "DRAIN_DEADLINE_SECONDS": Key(
        default=lambda: 25.0,
        accepts=lambda value: value is None or (_is_seconds(value) and value > 0),
        wanted="a number of seconds above 0, or None for no deadline",
        default_from="the default",
    ),
    "DRAIN_SECONDS": Key(
        default=lambda: 2.0,
        accepts=_is_seconds,
        wanted="a number of seconds, 0 or more (0 closes everything at once)",
        default_from="the default",
    ),
    "ADDRESS_HEADER": Key(
        default=lambda: "X-Forwarded-For",
        accepts=lambda value: isinstance(value, str) and value.isascii() and value != "",
        wanted="the name of a header such as 'X-Forwarded-For', 'Forwarded' or 'X-Real-IP'",
        default_from="the default",
    ),
    "JSON": Key(
        default=lambda: FAST_JSON,
        accepts=lambda value: value in (FAST_JSON, STANDARD_JSON),  # may be unhashable
        wanted=f"{FAST_JSON!r} or {STANDARD_JSON!r} (the standard library's bytes exactly)",
        default_from="the default",
    ),
    "LIMITS": Key(
        default=dict[str, Any],
        accepts=lambda value: not limit_faults(value, ""),
        wanted="a dictionary of limits",
        default_from="the default",
        faults=limit_faults,
    ),
    "REVALIDATE_SECONDS": Key(
        default=lambda: None,
        accepts=lambda value: value is None or (_is_seconds(value) and value > 0),
        wanted="a number of seconds above 0, or None for never",
        default_from="the default",
    ),
    "SYNC_THREADS": Key(
        default=_sync_threads_default,
        accepts=_is_count,
        wanted="a number of threads above 0 (1 is upstream's single thread)",
        default_from="the environment variable ASGI_THREADS",
    ),
    "TRUSTED_PROXIES": Key(
        default=lambda: None,
        accepts=_are_proxies,
        wanted="a list of addresses and networks such as ['127.0.0.1', '10.0.0.0/8', 'unix'], a "
        "number of proxies above 0, [] where there are none, or None where that is not known",
        default_from="the default",
    ),
}


def channels_setting(name: str) -> Any:
    """The value of ``CHANNELS[name]``, or its default.

    Works without configured settings (the default then), because an ASGI application may be used
    before Django is.

    Raises:
        ImproperlyConfigured: the value is not one that the key accepts, or ``CHANNELS`` is not a
            dictionary.
    """
    key = KEYS[name]
    configured = _configured()
    if name in configured:
        value, source = configured[name], f"CHANNELS[{name!r}]"
    else:
        value, source = key.default(), key.default_from
    if not key.accepts(value):
        if key.faults is not None:
            raise ImproperlyConfigured(" ".join(key.faults(value, source)))
        raise ImproperlyConfigured(f"{source} is {value!r}; it must be {key.wanted}.")
    return value


def faults() -> list[str]:
    """Everything that is wrong with ``CHANNELS``, a sentence each."""
    try:
        configured = _configured()
    except ImproperlyConfigured as error:
        return [str(error)]
    found = [
        f"CHANNELS has no key {name!r}; it knows {', '.join(sorted(KEYS))}."
        for name in configured
        if name not in KEYS
    ]
    for name in KEYS:
        try:
            channels_setting(name)
        except ImproperlyConfigured as error:
            found.append(str(error))
    return found


def _configured() -> Mapping[str, Any]:
    if not settings.configured and "DJANGO_SETTINGS_MODULE" not in os.environ:
        return {}
    configured = getattr(settings, "CHANNELS", {})
    if not isinstance(configured, Mapping):
        raise ImproperlyConfigured(
            f"CHANNELS is {configured!r}; it must be a dictionary such as {{'SYNC_THREADS': 40}}."
        )
    return configured
