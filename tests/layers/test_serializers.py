"""Messages as bytes: the forms that values take, and what refuses to be sent."""

import enum
import subprocess
import sys
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from django.db import models
from django.http import QueryDict
from django.utils import translation
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from channels.exceptions import InvalidChannelLayerError, UnreadableMessageError
from channels.layers.serializers import MAX_DEPTH, make_serializer

PLAIN = make_serializer()


def trip(value: Any) -> Any:
    return PLAIN.loads(PLAIN.dumps({"type": "x", "value": value}))["value"]


class Colour(models.TextChoices):
    RED = "r", "Red"


class Size(models.IntegerChoices):
    BIG = 3


class Plain(enum.Enum):
    ONE = 1


class Shouting(str):
    def __str__(self) -> str:
        return self.upper()


class OtherZone(tzinfo):
    """A zone of a library that is not zoneinfo."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else timedelta(hours=2)

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return "there"


def nest(depth: int, wrap: Callable[[Any], Any], end: Any = 1) -> Any:
    for _ in range(depth):
        end = wrap(end)
    return end


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        (Point(1, 2), [1, 2]),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (QueryDict("a=1&a=2"), {"a": "2"}),
        (mark_safe("<b>"), "<b>"),
        (Shouting("quiet"), "quiet"),
        (Colour.RED, "r"),
        (Size.BIG, 3),
        ({Colour.RED: {Size.BIG: 1}}, {"r": {3: 1}}),
        (datetime(2024, 1, 1, tzinfo=OtherZone()), datetime(2023, 12, 31, 22, tzinfo=UTC)),
        ({(1, ("a", None)): 2}, {(1, ("a", None)): 2}),
        ({(1, date(2024, 1, 1))}, {(1, date(2024, 1, 1))}),
        ([frozenset({frozenset({1})})], [frozenset({frozenset({1})})]),
    ],
)
def test_the_plain_type_that_a_value_stands_for(sent: Any, received: Any) -> None:
    assert trip(sent) == received
    assert type(trip(sent)) is type(received)


def test_a_message_that_is_a_subclass_of_dict_is_sent_as_its_methods_say() -> None:
    assert PLAIN.loads(PLAIN.dumps(QueryDict("type=x&a=1&a=2"))) == {"type": "x", "a": "2"}


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_the_depth_is_the_same_with_and_without_special_values(
    wrap: Callable[[Any], Any],
) -> None:
    for end in (1, UUID(int=1), "\ud800"):
        value = nest(MAX_DEPTH - 1, wrap, end)
        assert trip(value) == value
        with pytest.raises(TypeError, match=f"more than {MAX_DEPTH} deep"):
            trip(wrap(value))


def test_subclasses_arrive_as_exactly_the_plain_type() -> None:
    value = trip([mark_safe("a"), Colour.RED, Size.BIG, {mark_safe("k"): 1}])
    assert [type(item) for item in value] == [str, str, int, dict]
    assert type(next(iter(value[3]))) is str


def test_lazy_text_is_sent_in_the_language_of_the_sender() -> None:
    lazy = gettext_lazy("Monday")
    with translation.override("de"):
        data = PLAIN.dumps({"type": "x", "day": lazy, "days": {lazy: {lazy}}})
    with translation.override("fr"):
        received = PLAIN.loads(data)
    assert received == {"type": "x", "day": "Montag", "days": {"Montag": {"Montag"}}}
    assert type(received["day"]) is str


def test_a_moment_keeps_its_zone() -> None:
    paris = ZoneInfo("Europe/Paris")
    summer = trip(datetime(2024, 7, 1, 12, tzinfo=paris))
    assert summer.tzinfo is paris
    assert (summer + timedelta(days=180)).utcoffset() == timedelta(hours=1)
    # The hour that a change of the clocks repeats.
    twice = [datetime(2024, 10, 27, 2, 30, fold=fold, tzinfo=paris) for fold in (0, 1)]
    assert [moment.utcoffset() for moment in trip(twice)] == [
        timedelta(hours=2),
        timedelta(hours=1),
    ]
    assert trip(time(12, tzinfo=paris)) == time(12, tzinfo=paris)
    assert trip(datetime(2024, 1, 1)).tzinfo is None  # noqa: DTZ001


def test_a_moment_in_a_zone_that_the_receiver_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = PLAIN.dumps(
        {
            "at": datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Paris")),
        }
    )
    unknown = data.replace(b"Europe/Paris", b"Nowhere/City")
    received = PLAIN.loads(unknown)["at"]
    assert received == datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert received.tzinfo == timezone(timedelta(hours=2))
    # What was daylight saving time for the sender is not for a receiver with other rules.
    other_rules = data.replace(b"Europe/Paris", b"Asia/Kolkata")
    assert PLAIN.loads(other_rules)["at"] == datetime(2024, 7, 1, 10, tzinfo=UTC)


def test_the_text_of_a_browser_may_have_half_a_surrogate_pair() -> None:
    assert trip("\ud83d") == "\ud83d"
    assert trip({"\ud83d": ["\ud83d"]}) == {"\ud83d": ["\ud83d"]}


def test_plain_messages_are_plain_messagepack() -> None:
    """Readers in other languages need no extension for what JSON has."""
    message = {"type": "x", "n": 1, "f": 0.5, "deep": {"list": [None, True, b"b", {"a": "é"}]}}
    assert msgspec.msgpack.decode(PLAIN.dumps(message)) == message


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ({"object": object()}, "message['object'] is a <class 'object'>"),
        (
            {"items": [1, 2, 3, {"price": 1j}]},
            "message['items'][3]['price'] is a <class 'complex'>",
        ),
        ({"a": {1: {None: ({"b": print},)}}}, "message['a'][1][None][0]['b'] is a <class 'builtin"),
        ({"a": {1, Plain.ONE}}, "message['a'] (an element of it) is a <enum 'Plain'>"),
        ({"a": {Plain.ONE: 1}}, "message['a'] (a key of it) is a <enum 'Plain'>"),
        ({"a": {date(2024, 1, 1): Plain.ONE}}, "message['a'][datetime.date(2024, 1, 1)] is a <en"),
        ({"a": [SimpleLazyObject(lambda: "x")]}, "message['a'][0] is a <class 'django.utils.func"),
        ({"a": time(1, tzinfo=OtherZone())}, "message['a'] is a time with the tzinfo <"),
    ],
)
def test_what_cannot_be_sent_is_named_with_its_path(message: Any, path: str) -> None:
    with pytest.raises(TypeError) as raised:
        PLAIN.dumps(message)
    assert str(raised.value).startswith(path)
    assert "send" in str(raised.value).lower()


@pytest.mark.parametrize(
    "value",
    [
        dataclass(type("Data", (), {}))(),
        type("Struct", (msgspec.Struct,), {})(),
        (number for number in ()),
        OSError(),
        Decimal,
    ],
)
def test_nothing_is_sent_in_a_form_that_does_not_come_back(value: Any) -> None:
    with pytest.raises(TypeError, match=r"message\['value'\] is a "):
        PLAIN.dumps({"value": value})


@pytest.mark.parametrize("wrap", [lambda inner: frozenset({inner}), lambda inner: {(1,): inner}])
def test_documents_in_documents_arrive_up_to_their_depth(wrap: Callable[[Any], Any]) -> None:
    def can_be_sent(depth: int) -> bool:
        value = nest(depth, wrap)
        try:
            data = PLAIN.dumps({"value": value})
        except TypeError:
            return False
        assert PLAIN.loads(data) == {"value": value}
        return True

    sent = [depth for depth in range(1, MAX_DEPTH) if can_be_sent(depth)]
    assert sent == list(range(1, len(sent) + 1))
    assert len(sent) >= 30


def test_what_contains_itself_is_refused() -> None:
    message: dict[str, Any] = {"type": "x"}
    message["me"] = [message]
    with pytest.raises(TypeError, match=r"^message\['me'\]\[0\].* contains itself"):
        PLAIN.dumps(message)


def test_a_sender_at_the_end_of_its_stack_gets_a_type_error() -> None:
    message = {"value": nest(50, lambda inner: [inner, {}])}

    def send_below(frames: int) -> bytes:
        return send_below(frames - 1) if frames else PLAIN.dumps(message)

    outcomes: list[str] = []
    for frames in range(sys.getrecursionlimit()):
        try:
            send_below(frames)
        except TypeError as error:
            assert str(error).startswith("message is nested too deep for the stack")  # noqa: PT017
            outcomes.append("refused")
        except RecursionError:
            break
        else:
            outcomes.append("sent")
    sent, refused = outcomes.count("sent"), outcomes.count("refused")
    assert outcomes == ["sent"] * sent + ["refused"] * refused
    assert sent > 100
    assert refused > 40


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "0 bytes that are not a message"),
        (b"\x93\x01\x02\x03", "a list and not a message"),
        (b"\xff", "an int and not a message|a int and not a message"),
        (b"\x81\xa1a\xd4\x63\x00", "extension type 99"),
        (b"gAAAAABnothing", "without symmetric_encryption_keys"),
        (b"\x81\xa1a\xdd\xff\xff\xff\xff", "truncated"),
        (b"\x81\xa1a\xc7\x01\x05\x91", "truncated"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, says: str) -> None:
    with pytest.raises(UnreadableMessageError, match=says):
        PLAIN.loads(data)


class TestEncryption:
    MESSAGE = {"type": "x", "secret": "the words", "id": UUID(int=1)}

    def test_the_first_key_encrypts_and_all_decrypt(self) -> None:
        old = make_serializer(["old"])
        both = make_serializer(["new", b"old"])
        new = make_serializer(("new",))
        assert both.loads(old.dumps(self.MESSAGE)) == self.MESSAGE
        assert new.loads(both.dumps(self.MESSAGE)) == self.MESSAGE
        with pytest.raises(UnreadableMessageError, match="none of the symmetric_encryption_keys"):
            old.loads(both.dumps(self.MESSAGE))

    def test_nothing_of_the_message_can_be_seen(self) -> None:
        data = make_serializer(["key"]).dumps(self.MESSAGE)
        assert b"secret" not in data
        assert data != make_serializer(["key"]).dumps(self.MESSAGE)

    def test_what_was_not_encrypted_is_not_read(self) -> None:
        with pytest.raises(UnreadableMessageError, match="sent without encryption"):
            make_serializer(["key"]).loads(PLAIN.dumps(self.MESSAGE))

    def test_a_process_without_the_keys_is_told(self) -> None:
        with pytest.raises(UnreadableMessageError, match="give every process the same keys"):
            PLAIN.loads(make_serializer(["key"]).dumps(self.MESSAGE))

    def test_a_changed_message_is_not_read(self) -> None:
        serializer = make_serializer(["key"])
        data = bytearray(serializer.dumps(self.MESSAGE))
        data[-10] ^= 1
        with pytest.raises(UnreadableMessageError):
            serializer.loads(bytes(data))

    @pytest.mark.parametrize("keys", [None, [], ()])
    def test_no_keys_mean_no_encryption(self, keys: Any) -> None:
        assert make_serializer(keys).dumps(self.MESSAGE) == PLAIN.dumps(self.MESSAGE)

    @pytest.mark.parametrize(
        ("keys", "says"),
        [
            ("key", "must be a list of keys.* it is a str"),
            (b"key", "must be a list of keys.* it is a bytes"),
            (["key", 5], r"keys\[1\] is a int"),
            (["key", ""], r"keys\[1\] is empty"),
        ],
    )
    def test_keys_of_a_wrong_kind(self, keys: Any, says: str) -> None:
        with pytest.raises(InvalidChannelLayerError, match=says) as raised:
            make_serializer(keys)
        assert "'key'" not in str(raised.value)

    def test_the_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
        with pytest.raises(
            InvalidChannelLayerError, match=r"pip install 'raceway\[cryptography\]'"
        ):
            make_serializer(["key"])

    def test_keys_are_not_in_a_repr(self) -> None:
        serializer = make_serializer(["the key"])
        assert "the key" not in repr(serializer) + repr(vars(serializer))

    def test_cryptography_is_imported_only_where_keys_are(self) -> None:
        code = (
            "import sys; from channels.layers.serializers import make_serializer as make\n"
            "make(); assert 'cryptography' not in sys.modules\n"
            "make(['key']); assert 'cryptography' in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
