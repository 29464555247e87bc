"""A message as bytes and back: MessagePack, with extension types for what it has no form for.

What :meth:`Serializer.dumps` accepts, :meth:`Serializer.loads` gives back equal: ``None``,
``bool``, ``int`` of any size, ``float``, ``str`` (lone surrogates too), ``bytes``, ``dict`` with
keys of any hashable type in this list, ``list``, ``set``, ``frozenset``, ``datetime`` and ``time``
(naive, with a fixed offset or with a ``zoneinfo`` zone), ``date``, ``timedelta``, ``UUID`` and
``Decimal``.

Some types arrive as the plain type that they stand for: a ``tuple`` as ``list`` (as ``tuple`` where
it has to be hashable), ``bytearray`` and ``memoryview`` as ``bytes``, a lazy translation as ``str``
in the sender's language, an instance of a subclass (``OrderedDict``, ``SafeString``,
``TextChoices``) as the type above that is in the list, a ``datetime`` with any other ``tzinfo`` as
one with the fixed offset of that moment. Everything else is refused at the sender.

The codes below are what the processes of a deployment agree on: a code may be added, none may ever
change its meaning.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from django.utils.functional import Promise
from msgspec.msgpack import Ext

from channels.exceptions import InvalidChannelLayerError, UnreadableMessageError
from channels.typing import Message

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

MAX_DEPTH = 200
"""How deep a message may be nested, so that every receiver can read what a sender could write,
whatever the depth of its own stack."""

# A nested document of its own (a set, a dict with unusual keys) takes more of the reader's stack
# than a plain level.
DOCUMENT_DEPTH = 4

BIG_INT, TEXT, MAP, SET, FROZENSET = 1, 2, 3, 4, 5
DATETIME, DATE, TIME, TIMEDELTA, UUID_, DECIMAL = 6, 7, 8, 9, 10, 11

_FLAT = frozenset({str, int, float, bool, type(None), bytes})
_encode = msgspec.msgpack.Encoder().encode


class Serializer:
    """Writes messages to bytes and reads them.

    Args:
        crypter: encrypts and authenticates the bytes. What it did not encrypt is not read then.
    """

    def __init__(self, crypter: "MultiFernet | None" = None) -> None:
        self._crypter = crypter

    def dumps(self, message: Message) -> bytes:
        """The message as bytes.

        Raises:
            TypeError: something in the message cannot be sent. The error names the path to it.
        """
        try:
            data = _write(message)
        except _Refused as refused:
            raise TypeError(str(refused)) from None
        except RecursionError:
            raise TypeError(
                "message is nested too deep for the stack it is sent from; send a flatter one."
            ) from None
        return data if self._crypter is None else self._crypter.encrypt(data)

    def loads(self, data: bytes) -> Message:
        """The message that :meth:`dumps` made these bytes of.

        Raises:
            UnreadableMessageError: the bytes are not a message, or not one that this serializer's
                keys can read. Never anything else, whatever the bytes.
        """
        if self._crypter is not None:
            data = self._decrypted(self._crypter, data)
        try:
            message = _decode(data)
        except Exception as error:
            raise UnreadableMessageError(_unreadable(data, error)) from error
        if type(message) is not dict:
            raise UnreadableMessageError(
                f"{len(data)} bytes that hold a {type(message).__name__} and not a message."
            )
        return message

    def _decrypted(self, crypter: "MultiFernet", data: bytes) -> bytes:
        try:
            return crypter.decrypt(data)
        except Exception as error:
            raise UnreadableMessageError(
                f"{len(data)} bytes that none of the symmetric_encryption_keys decrypts: sent "
                "without encryption or with a key that is not in this process's list."
            ) from error


def make_serializer(
    symmetric_encryption_keys: Iterable[str | bytes] | None = None,
) -> Serializer:
    """The serializer for a layer's options.

    Args:
        symmetric_encryption_keys: secrets of any length. The first encrypts, each may decrypt. To
            rotate, append the new one everywhere, then put it first everywhere, then take out the
            old one when what it encrypted has expired. ``None`` and empty mean no encryption.

    Raises:
        InvalidChannelLayerError: the keys are not a list of strings, or cryptography is missing.
    """
    if symmetric_encryption_keys is None:
        return Serializer()
    if isinstance(symmetric_encryption_keys, str | bytes):
        raise InvalidChannelLayerError(
            "symmetric_encryption_keys must be a list of keys, even if there is only one; it is a "
            f"{type(symmetric_encryption_keys).__name__}."
        )
    keys = [_key(key, number) for number, key in enumerate(symmetric_encryption_keys)]
    return Serializer(_crypter(keys)) if keys else Serializer()


def _key(key: object, number: int) -> bytes:
    if isinstance(key, str):
        key = key.encode()
    if not isinstance(key, bytes) or not key:
        # What it is, never what it says.
        found = "empty" if key == b"" else f"a {type(key).__name__}"
        raise InvalidChannelLayerError(
            f"symmetric_encryption_keys[{number}] is {found}; each key is a str or bytes, such as "
            "settings.SECRET_KEY."
        )
    return key


def _crypter(keys: list[bytes]) -> "MultiFernet":
    try:
        from cryptography.fernet import Fernet, MultiFernet
    except ImportError as error:
        raise InvalidChannelLayerError(
            "symmetric_encryption_keys needs the package cryptography: "
            "pip install 'raceway[cryptography]'."
        ) from error
    # Fernet wants 32 bytes in base64; the hash makes them of a secret of any length.
    return MultiFernet(
        [Fernet(base64.urlsafe_b64encode(hashlib.sha256(key).digest())) for key in keys]
    )


def _unreadable(data: bytes, error: Exception) -> str:
    if data[:5] == b"gAAAA":
        return (
            f"{len(data)} bytes that look encrypted, in a layer without symmetric_encryption_keys; "
            "give every process the same keys."
        )
    return f"{len(data)} bytes that are not a message ({type(error).__name__}: {error!s:.200})."


# Writing.


class _Refused(Exception):  # noqa: N818 - never leaves the module
    """Something cannot be sent. The path to it is collected on the way out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []

    def __str__(self) -> str:
        steps = self.path[::-1]
        if len(steps) > 20:
            steps = [*steps[:10], "…", *steps[-10:]]
        return f"message{''.join(steps)} {self.reason}"


class _Way(NamedTuple):
    """How far a walk may go and what it looks at."""

    depth: int
    careful: bool
    """Look at each string and integer: one of them has no form in MessagePack. Rare enough to
    write first and look afterwards."""


def _write(message: Message) -> bytes:
    try:
        # Most messages are what JSON has: no copy, and a tenth of the time.
        if type(message) is dict and _is_plain(message, MAX_DEPTH - 1):
            return _encode(message)
        return _encode(_packed(message, _Way(MAX_DEPTH, careful=False)))
    except (OverflowError, UnicodeEncodeError):
        return _encode(_packed(message, _Way(MAX_DEPTH, careful=True)))


def _is_plain(value: dict[Any, Any] | list[Any], depth: int) -> bool:
    """Whether msgspec writes all of it as we want it, but for odd strings and integers."""
    if isinstance(value, dict):
        if not _FLAT.issuperset(map(type, value)):
            return False
        items: Iterable[Any] = value.values()
    else:
        items = value
    for item in items:
        kind = type(item)
        if kind not in _FLAT and not (
            (kind is dict or kind is list) and depth and _is_plain(item, depth - 1)
        ):
            return False
    return True


def _packed(value: Any, way: _Way) -> Any:
    """``value`` in the types that msgspec writes as we want them."""
    kind = type(value)
    if kind in _FLAT and not way.careful:
        return value
    pack = _PACK.get(kind)
    if pack is None:
        for base in kind.__mro__:
            if base in _PACK:
                pack = _PACK[base]
                break
        else:
            raise _Refused(_not_sendable(value))
    return pack(value, way)


def _inside(way: _Way, levels: int = 1) -> _Way:
    if way.depth < levels:
        raise _Refused(
            f"is nested more than {MAX_DEPTH} deep, or contains itself; send a flatter message."
        )
    return _Way(way.depth - levels, way.careful)


def _pack_dict(value: dict[Any, Any], way: _Way) -> Any:
    way = _inside(way)
    packed: dict[Any, Any] = {}
    for key, item in value.items():
        key_kind = type(key)
        if key_kind not in _FLAT or (way.careful and not _has_form(key)):
            return _pack_map(value, way)
        try:
            packed[key] = _packed(item, way)
        except _Refused as refused:
            refused.path.append(f"[{key!r:.100}]")
            raise
    return packed


def _pack_map(value: dict[Any, Any], way: _Way) -> Ext:
    """A dict with keys that MessagePack cannot write as keys: as pairs."""
    way = _inside(way, DOCUMENT_DEPTH)
    pairs: list[Any] = []
    for key, item in value.items():
        try:
            pairs.append(_packed(key, way))
        except _Refused as refused:
            refused.path.append(" (a key of it)")
            raise
        try:
            pairs.append(_packed(item, way))
        except _Refused as refused:
            refused.path.append(f"[{key!r:.100}]")
            raise
    return Ext(MAP, _encode(pairs))


def _pack_list(value: Iterable[Any], way: _Way) -> Any:
    way = _inside(way)
    packed: list[Any] = []
    for index, item in enumerate(value):
        try:
            packed.append(_packed(item, way))
        except _Refused as refused:
            refused.path.append(f"[{index}]")
            raise
    return packed


def _pack_set(value: Iterable[Any], way: _Way, code: int = SET) -> Ext:
    way = _inside(way, DOCUMENT_DEPTH)
    packed: list[Any] = []
    for item in value:
        try:
            packed.append(_packed(item, way))
        except _Refused as refused:
            refused.path.append(" (an element of it)")
            raise
    return Ext(code, _encode(packed))


def _pack_frozenset(value: Iterable[Any], way: _Way) -> Ext:
    return _pack_set(value, way, FROZENSET)


def _has_form(value: Any) -> bool:
    """Whether MessagePack can write a value of a flat type as it is."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
        return True
    return not isinstance(value, int) or -(2**63) <= value < 2**64


def _pack_str(value: str, way: _Way) -> Any:
    # The text itself and of the exact type, whatever `__str__` of a subclass says.
    value = str.__str__(value)
    if not way.careful or _has_form(value):
        return value
    return Ext(TEXT, value.encode("utf-8", "surrogatepass"))


def _pack_int(value: int, _way: _Way) -> Any:
    value = int.__index__(value)
    if _has_form(value):
        return value
    return Ext(BIG_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _pack_datetime(value: datetime, _way: _Way) -> Ext:
    # Unbound: subclasses print what fits their taste.
    return Ext(DATETIME, _stamp(value, datetime.isoformat))


def _pack_time(value: time, _way: _Way) -> Ext:
    zone = value.tzinfo
    if zone is not None and not _is_named(zone) and value.utcoffset() is None:
        raise _Refused(
            f"is a time with the tzinfo {zone!r:.100}, which is neither a zone of zoneinfo nor a "
            "fixed offset; send a datetime."
        )
    return Ext(TIME, _stamp(value, time.isoformat))


def _stamp(value: Any, isoformat: Callable[[Any], str]) -> bytes:
    """As in RFC 9557: ISO 8601, and the name of the zone in brackets."""
    if _is_named(value.tzinfo):
        return f"{isoformat(value)}[{value.tzinfo.key}]".encode()
    offset = value.utcoffset()
    if offset is not None and offset.microseconds:
        # Which fromisoformat() may take for no offset at all: in microseconds, in the brackets.
        microseconds = offset // timedelta(microseconds=1)
        return f"{isoformat(value.replace(tzinfo=None))}[{microseconds}]".encode()
    return isoformat(value).encode()


def _is_named(zone: tzinfo | None) -> bool:
    return isinstance(zone, ZoneInfo) and bool(zone.key)


def _pack_timedelta(value: timedelta, _way: _Way) -> Ext:
    return Ext(TIMEDELTA, _encode((value.days, value.seconds, value.microseconds)))


_PACK: dict[type, Callable[[Any, _Way], Any]] = {
    dict: _pack_dict,
    list: _pack_list,
    tuple: _pack_list,
    set: _pack_set,
    frozenset: _pack_frozenset,
    str: _pack_str,
    Promise: lambda value, way: _pack_str(str(value), way),
    bool: lambda value, _: value,
    type(None): lambda value, _: value,
    int: _pack_int,
    float: lambda value, _: float.__float__(value),
    bytes: lambda value, _: bytes(value),
    bytearray: lambda value, _: bytes(value),
    memoryview: lambda value, _: bytes(value),
    datetime: _pack_datetime,
    date: lambda value, _: Ext(DATE, date.isoformat(value).encode()),
    time: _pack_time,
    timedelta: _pack_timedelta,
    UUID: lambda value, _: Ext(UUID_, value.bytes),
    Decimal: lambda value, _: Ext(DECIMAL, Decimal.__str__(value).encode()),
}


def _not_sendable(value: Any) -> str:
    return (
        f"is a {type(value)!r:.200}, which cannot be sent. Send what the receiver needs of it as "
        "None, bool, int, float, str, bytes, dict, list, tuple, set, datetime, date, time, "
        "timedelta, UUID or Decimal: of a model instance its pk, of an enumeration its value."
    )


# Reading.


def _unpack(code: int, payload: memoryview) -> Any:
    try:
        unpack = _UNPACK[code]
    except KeyError:
        raise ValueError(f"extension type {code} is not known here") from None
    return unpack(payload)


_decode = msgspec.msgpack.Decoder(ext_hook=_unpack).decode


def _frozen(value: Any) -> Any:
    """A list in the place of something hashable was a tuple."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _read_map(payload: memoryview) -> dict[Any, Any]:
    pairs = iter(_read_list(payload))
    return {_frozen(key): item for key, item in zip(pairs, pairs, strict=True)}


def _read_list(payload: memoryview) -> list[Any]:
    items = _decode(payload)
    if not isinstance(items, list):
        raise TypeError(f"expected a list, found a {type(items).__name__}")
    return items


def _read_datetime(payload: memoryview) -> datetime:
    stamp, zone = _read_stamp(payload)
    moment = datetime.fromisoformat(stamp)
    if not zone:
        return moment
    if _is_offset(zone):
        return moment.replace(tzinfo=_offset(zone))
    try:
        info = ZoneInfo(zone)
    except Exception:
        return moment  # not known on this machine: the offset still tells the moment
    for fold in (0, 1):
        there = moment.replace(tzinfo=info, fold=fold)
        if there.utcoffset() == moment.utcoffset():
            return there
    return moment


def _read_time(payload: memoryview) -> time:
    stamp, zone = _read_stamp(payload)
    moment = time.fromisoformat(stamp)
    if not zone:
        return moment
    return moment.replace(tzinfo=_offset(zone) if _is_offset(zone) else ZoneInfo(zone))


def _read_stamp(payload: memoryview) -> tuple[str, str]:
    stamp, _, zone = str(payload, "ascii").partition("[")
    return stamp, zone.removesuffix("]")


def _is_offset(zone: str) -> bool:
    return zone.removeprefix("-").isdecimal()


def _offset(zone: str) -> timezone:
    return timezone(timedelta(microseconds=int(zone)))


_UNPACK: Mapping[int, Callable[[memoryview], Any]] = {
    BIG_INT: lambda payload: int.from_bytes(payload, "big", signed=True),
    TEXT: lambda payload: str(payload, "utf-8", "surrogatepass"),
    MAP: _read_map,
    SET: lambda payload: set(map(_frozen, _read_list(payload))),
    FROZENSET: lambda payload: frozenset(map(_frozen, _read_list(payload))),
    DATETIME: _read_datetime,
    DATE: lambda payload: date.fromisoformat(str(payload, "ascii")),
    TIME: _read_time,
    TIMEDELTA: lambda payload: timedelta(*_read_list(payload)),
    UUID_: lambda payload: UUID(bytes=bytes(payload)),
    DECIMAL: lambda payload: Decimal(str(payload, "ascii")),
}
