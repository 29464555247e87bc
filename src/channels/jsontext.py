"""JSON text for the JSON consumers: msgspec does the work, the standard library is the judge.

What ``json.loads`` makes of a text, or that it refuses it, stands: whatever msgspec does not take
goes to it. Towards the client the text is compact and in UTF-8, where ``json.dumps`` puts blanks
and escapes; it means the same. One value differs: ``NaN`` and the infinities, which JSON has no
form for, are sent as ``null``. And msgspec knows more types: ``datetime``, ``UUID``, ``Decimal``
and enumerations (as strings), sets (as lists), bytes (base64), dataclasses and structs. A subclass
of ``dict`` or ``list`` is written as what it holds, also where its ``items()`` or ``__iter__`` say
otherwise: of a ``QueryDict`` all values of a key, and not the last one.

``CHANNELS["JSON"] = "standard"`` uses the standard library alone, byte for byte.
"""

import functools
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from django.core.signals import setting_changed

from channels.conf import STANDARD_JSON, channels_setting


class Codec(NamedTuple):
    """How JSON text is read and written."""

    decode: Callable[[str], Any]
    encode: Callable[[Any], str]
    payload: Callable[[Any], bytes]
    """As ``encode``, in UTF-8."""


_fast_decode = msgspec.json.Decoder().decode
_fast_encode = msgspec.json.Encoder().encode


def _decode(text: str) -> Any:
    try:
        return _fast_decode(text)
    except (ValueError, RecursionError, TypeError):
        return json.loads(text)


PLAIN = {dict, list, str, int, float, bool, type(None)}


def _encode(value: Any) -> str:
    return _payload(value).decode()


def _payload(value: Any) -> bytes:
    if _may_be_fast(value):
        try:
            return _fast_encode(value)
        except Exception:  # the standard library's verdict counts, whatever msgspec stumbled over
            text = json.dumps(value)
    else:
        text = json.dumps(value)
    if "NaN" in text or "Infinity" in text:
        # Perhaps as values and not only in strings: those are null, whoever writes them.
        text = json.dumps(json.loads(text, parse_constant=lambda _: None))
    return text.encode()


def _standard_payload(value: Any) -> bytes:
    return json.dumps(value).encode()


def _may_be_fast(value: Any) -> bool:
    """Whether msgspec sees what ``json.dumps`` would see.

    It writes what a subclass of dict or list holds, and not what its methods say: of a
    ``QueryDict``, all values of each key. Looked for where people put one: as the content, or as a
    value of it.
    """
    if type(value) is not dict:
        return not _has_own_methods(value)
    # A loop: what set methods save for each value, they cost at once, and messages are small.
    for item in value.values():  # noqa: SIM110 - as a generator it takes twice as long
        if type(item) not in PLAIN and _has_own_methods(item):
            return False
    return True


def _has_own_methods(value: Any) -> bool:
    return isinstance(value, dict | list) and type(value) not in PLAIN


FAST = Codec(_decode, _encode, _payload)
STANDARD = Codec(json.loads, json.dumps, _standard_payload)


@functools.cache
def codec() -> Codec:
    """The codec that the project's settings ask for."""
    return STANDARD if channels_setting("JSON") == STANDARD_JSON else FAST


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CHANNELS":
        codec.cache_clear()


setting_changed.connect(_forget)
