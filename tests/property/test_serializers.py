"""What can be written can be read, and what cannot be read says so in one way."""

import math
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from channels.exceptions import UnreadableMessageError
from channels.layers.serializers import MAX_DEPTH, make_serializer

OFFSETS = st.timedeltas(
    min_value=timedelta(hours=-23, minutes=-59), max_value=timedelta(hours=23, minutes=59)
).map(timezone)
ZONES = st.sampled_from(["Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "UTC"]).map(
    ZoneInfo
)
TEXT = st.text(st.characters())  # surrogates too

HASHABLE_ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(2**200), max_value=2**200)
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary()
    | st.datetimes(timezones=st.none() | OFFSETS | ZONES)
    | st.dates()
    | st.times(timezones=st.none() | OFFSETS | ZONES)
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
)
KEYS = st.recursive(
    HASHABLE_ATOMS,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
VALUES = st.recursive(
    HASHABLE_ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(KEYS, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)
MESSAGES = st.dictionaries(KEYS, VALUES, max_size=5)

PLAIN = make_serializer()
ENCRYPTED = make_serializer(["a secret"])


def as_received(value: Any) -> Any:
    """The documented difference: a tuple arrives as a list."""
    if isinstance(value, list | tuple):
        return [as_received(item) for item in value]
    if isinstance(value, dict):
        return {key: as_received(item) for key, item in value.items()}
    return value


def shape(value: Any) -> Any:
    """Tells apart what ``==`` holds for equal: 1, 1.0 and True, a moment here and there."""
    kind = type(value).__name__
    if isinstance(value, dict):
        return kind, [(shape(key), shape(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return kind, [shape(item) for item in value]
    if isinstance(value, set | frozenset):
        return kind, sorted(map(repr, map(shape, value)))
    if isinstance(value, datetime) and value.tzinfo is not None:
        zone = value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None
        return kind, value.replace(tzinfo=None, fold=0), value.utcoffset(), zone
    if isinstance(value, datetime | time):
        return kind, value.replace(fold=0)
    if isinstance(value, float | Decimal):
        return kind, str(value)
    return kind, value


@given(MESSAGES)
@example(
    {"type": "x", "at": datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris"))}
)
@example({"type": "x", "at": datetime(2024, 3, 31, 2, 30, tzinfo=ZoneInfo("Europe/Paris"))})
@example({"type": "x", "at": datetime.min.replace(tzinfo=ZoneInfo("Europe/Paris"))})
@example({"type": "x", "at": datetime.max.replace(tzinfo=UTC)})
@example({"at": datetime(2000, 1, 1, tzinfo=timezone(timedelta(microseconds=1)))})
@example({"at": time(1, tzinfo=timezone(-timedelta(hours=23, microseconds=1)))})
@example({"big": [2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]})
@example({"\ud800": "\udfff", 2**70: [{"\ud800": 1}]})
def test_what_was_written_is_read(message: dict[Any, Any]) -> None:
    received = PLAIN.loads(PLAIN.dumps(message))
    assert received == as_received(message)
    assert shape(received) == shape(as_received(message))


@given(MESSAGES)
@settings(max_examples=20)
def test_encrypted_too(message: dict[Any, Any]) -> None:
    assert ENCRYPTED.loads(ENCRYPTED.dumps(message)) == as_received(message)


@given(st.sampled_from([math.nan, Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")]))
def test_what_is_not_equal_to_itself(value: Any) -> None:
    received = PLAIN.loads(PLAIN.dumps({"value": [value]}))["value"][0]
    assert (type(received), str(received)) == (type(value), str(value))


def read(data: bytes) -> None:
    for serializer in (PLAIN, ENCRYPTED):
        try:
            message = serializer.loads(data)
        except UnreadableMessageError:
            continue
        assert type(message) is dict


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_any_bytes(data: bytes) -> None:
    read(data)
    read(b"\x81\xa1a" + data)


# An extension of each code with anything in it.
@given(st.integers(0, 255), st.binary(max_size=60))
@settings(max_examples=500)
def test_any_extension(code: int, payload: bytes) -> None:
    read(b"\x81\xa1a\xc7" + bytes([len(payload), code]) + payload)


@given(st.data(), MESSAGES, st.sampled_from([PLAIN, ENCRYPTED]))
@settings(max_examples=150)
def test_cut_short_and_with_flipped_bits(data: Any, message: dict[Any, Any], writer: Any) -> None:
    written = bytearray(writer.dumps(message))
    read(bytes(written[: data.draw(st.integers(0, len(written)))]))
    for _ in range(data.draw(st.integers(1, 4))):
        bit = data.draw(st.integers(0, len(written) * 8 - 1))
        written[bit // 8] ^= 1 << bit % 8
    read(bytes(written))


@given(
    st.sampled_from([b"\x91", b"\x81\xa1a", b"\x81\x91", b"\x92\x01"]),
    st.integers(MAX_DEPTH, 200_000),
)
@settings(max_examples=20)
def test_depth_bombs(opening: bytes, depth: int) -> None:
    read(b"\x81\xa1a" + opening * depth)
    read(b"\x81\xa1a" + opening * depth + b"\x01")


def nested_extensions(code: int, depth: int) -> bytes:
    payload = b"\x91\x01"
    for _ in range(depth):
        payload = b"\x91\xc9" + len(payload).to_bytes(4, "big") + bytes([code]) + payload
    return payload


@given(st.sampled_from([3, 4, 5]), st.integers(1, 5000))
@settings(max_examples=30)
def test_depth_bombs_of_documents_in_documents(code: int, depth: int) -> None:
    read(b"\x81\xa1a" + nested_extensions(code, depth))
