"""JSON text: whatever comes and goes, the standard library is the judge."""

import dataclasses
import enum
import json
import math
import uuid
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest
from django.http import QueryDict
from django.test import override_settings
from django.utils.safestring import mark_safe
from hypothesis import example, given
from hypothesis import strategies as st

from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from channels.jsontext import FAST, STANDARD, codec
from tests.client import CONNECT, Client, frame, leave


def outcome(call: Callable[[Any], Any], given: Any) -> Any:
    """What a call returns, to the last bit, or what it raises."""
    try:
        return repr(call(given))
    except json.JSONDecodeError as error:
        return type(error), str(error), error.msg, error.doc, error.pos
    except (ValueError, TypeError, RecursionError) as error:
        return type(error), str(error)


numbers = (
    st.integers()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**400])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([-0.0, 5e-324, 2.2250738585072011e-308, 1.7976931348623157e308, 1e16, 1e-7])
)
strings = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["\x00\x1f\x7f", "\u2028", "\ud800", "\U0001f600", '"\\/', "</script>"]
)
plain = st.recursive(
    st.none() | st.booleans() | numbers | strings,
    lambda inner: st.lists(inner) | st.dictionaries(strings, inner),
)
bits = (
    st.sampled_from(list('{}[],:" \t\n\r\\-+.eE019/'))
    | st.sampled_from(["\ufeff", "\x00", "\x0b", "\xa0", "NaN", "Infinity", "null", "tru", "'"])
    | st.sampled_from(["\\u", "\\ud800", "\\udc00", "\\x", "1e400", "-0", "01", "1.", ".5", "//"])
    | st.sampled_from(["\ud800", '"a":1', '{"a":1,"a":2}', "0" * 30, "9" * 30, "9" * 5000, "1_0"])
)


class TestDecode:
    @given(st.lists(bits | st.text(max_size=3), max_size=12).map("".join))
    @example("")
    @example("\ufeff{}")
    @example('{"a":1,"a":2}')
    @example("-0")
    @example("-0.0")
    @example("1e400")
    @example("9" * 4301)
    @example('"\\ud800"')
    @example('"\\ud83d\\ude00"')
    @example('"\ud800"')
    @example('"\t"')
    @example("[1,]")
    @example("[1] x")
    @example('{"a":NaN,"b":-Infinity}')
    def test_any_text(self, text: str) -> None:
        assert outcome(FAST.decode, text) == outcome(json.loads, text)

    @given(plain, st.booleans(), st.sampled_from([None, 1, "\t"]))
    def test_any_value(self, value: Any, ascii_only: bool, indent: Any) -> None:
        text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
        assert outcome(FAST.decode, text) == outcome(json.loads, text)

    @given(plain, st.data())
    def test_a_text_with_a_fault(self, value: Any, data: st.DataObject) -> None:
        text = json.dumps(value)
        begin = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(begin, min(len(text), begin + 3)))
        text = text[:begin] + data.draw(bits | st.just("")) + text[end:]
        assert outcome(FAST.decode, text) == outcome(json.loads, text)

    @given(
        st.from_regex(
            r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
        )
    )
    def test_any_number(self, text: str) -> None:
        assert outcome(FAST.decode, text) == outcome(json.loads, text)

    @pytest.mark.parametrize("depth", [500, 100_000])
    @pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
    def test_nested_deeply(self, depth: int, opens: str, closes: str) -> None:
        text = opens * depth + "1" + closes * depth
        try:
            expected = json.loads(text)
        except RecursionError:
            with pytest.raises(RecursionError):
                FAST.decode(text)
        else:
            assert FAST.decode(text) == expected

    @pytest.mark.parametrize(
        "given", [b'{"a": 1}', b"\xef\xbb\xbf1", '"é"'.encode("utf-16"), None, 1]
    )
    def test_what_is_no_text(self, given: Any) -> None:
        assert outcome(FAST.decode, given) == outcome(json.loads, given)


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


class Items(list[Any]):
    pass


class Mapped(dict[Any, Any]):
    pass


class Size(enum.IntEnum):
    LARGE = 3


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


class Colour(enum.StrEnum):
    RED = "red"


class Labelled(str, enum.Enum):  # noqa: UP042 - with a value of its own
    """Its value is not what it is as a string."""

    A = ("a", "label")

    def __new__(cls, text: str, label: str) -> "Labelled":
        made = str.__new__(cls, text)
        made._value_ = label
        return made


Pair = namedtuple("Pair", "left right")

numeric = [Whole(3), Real(1.5), Size.LARGE, Access.READ | Access.WRITE]
odd = st.sampled_from([Text("text"), mark_safe("<b>"), Colour.RED, Labelled.A, *numeric])
keys = (
    strings
    | st.integers()
    | st.booleans()
    | st.none()
    | st.sampled_from([Text("k"), Whole(7), Size.LARGE, Colour.RED, Labelled.A, 0.5, -2.0])
)
values = st.recursive(
    plain | odd,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.lists(inner).map(Items)
        | st.dictionaries(keys, inner)
        | st.dictionaries(keys, inner).map(Mapped)
        | st.dictionaries(keys, inner).map(OrderedDict)
        | st.tuples(inner, inner).map(lambda two: Pair(*two))
    ),
    max_leaves=10,
)


@dataclasses.dataclass
class Point:
    x: int = 1


class Record(msgspec.Struct):
    x: int = 1


class Kind(enum.Enum):
    A = "a"


def itself() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


class TestEncode:
    @given(values)
    @example({1: "a", "1": "b"})
    @example({True: 1, None: 2, 1.5: 3})
    @example({"a": 2**70, "b": "é"})
    def test_any_value_means_what_it_means_to_json(self, value: Any) -> None:
        assert repr(json.loads(FAST.encode(value))) == repr(json.loads(json.dumps(value)))

    def test_it_is_compact_and_not_escaped(self) -> None:
        assert FAST.encode({"name": "Zoë", "list": [1, 2]}) == '{"name":"Zoë","list":[1,2]}'

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_what_json_has_no_form_for_is_null(self, value: float) -> None:
        assert FAST.encode({"a": [value]}) == '{"a":[null]}'

    @pytest.mark.parametrize("beside", [2**70, "\ud800", None], ids=["big", "surrogate", "none"])
    def test_it_is_null_whoever_writes_it(self, beside: Any) -> None:
        value = {"odd": [math.nan, math.inf, -math.inf], None: beside, "text": "NaN Infinity"}
        decoded = json.loads(FAST.encode(value), parse_constant=pytest.fail)
        assert decoded == {"odd": [None] * 3, "null": beside, "text": "NaN Infinity"}

    @pytest.mark.parametrize(
        ("value", "written"),
        [
            (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"2026-01-02T03:04:05Z"'),
            (date(2026, 1, 2), '"2026-01-02"'),
            (time(3, 4), '"03:04:00"'),
            (timedelta(days=1), '"P1D"'),
            (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
            (Decimal("1.50"), '"1.50"'),
            (Kind.A, '"a"'),
            ({1}, "[1]"),
            (frozenset([1]), "[1]"),
            (b"x", '"eA=="'),
            (bytearray(b"x"), '"eA=="'),
            (memoryview(b"x"), '"eA=="'),
            (Point(), '{"x":1}'),
            (Record(), '{"x":1}'),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_more_types_than_json_has(self, value: Any, written: str) -> None:
        assert FAST.encode(value) == written
        with pytest.raises(TypeError):
            json.dumps(value)

    @pytest.mark.parametrize("wrap", [lambda query: query, lambda query: {"query": query}])
    def test_a_subclass_with_methods_of_its_own_is_what_they_say(self, wrap: Any) -> None:
        content = wrap(QueryDict("a=1&a=2"))
        assert FAST.encode(content) == json.dumps(content)
        assert '"a": "2"' in FAST.encode(content)

    def test_deeper_down_it_is_what_it_holds(self) -> None:
        assert FAST.encode([{"b": QueryDict("a=1&a=2")}]) == '[{"b":{"a":["1","2"]}}]'

    @pytest.mark.parametrize(
        "value",
        [object(), 1j, range(3), {1: 2}.keys(), iter([]), {(1, 2): 3}, len, int, itself(), Point],
        ids=lambda value: type(value).__name__,
    )
    def test_what_neither_knows_is_refused_in_jsons_words(self, value: Any) -> None:
        assert outcome(FAST.encode, value) == outcome(json.dumps, value)
        assert isinstance(outcome(FAST.encode, value), tuple)


class TestSetting:
    VALUE: Any = {"name": "Zoë", "odd": math.nan}

    @given(plain)
    def test_standard_is_jsons_text_exactly(self, value: Any) -> None:
        assert STANDARD.encode(value) == json.dumps(value)

    def test_standard_knows_no_more_types(self) -> None:
        with pytest.raises(TypeError, match="not JSON serializable"):
            STANDARD.encode({1})

    def test_it_changes_while_the_process_runs(self) -> None:
        encode = JsonWebsocketConsumer.encode_json
        fast, standard = '{"name":"Zoë","odd":null}', json.dumps(self.VALUE)
        assert encode(self.VALUE) == fast
        with override_settings(CHANNELS={"JSON": "standard"}):
            assert codec() is STANDARD
            assert encode(self.VALUE) == standard
            with override_settings(CHANNELS={"JSON": "fast"}):
                assert encode(self.VALUE) == fast
            assert encode(self.VALUE) == standard
        assert encode(self.VALUE) == fast


def sync_consumer() -> Any:
    class Echo(JsonWebsocketConsumer):
        def receive_json(self, content: Any, **kwargs: Any) -> None:
            self.send_json(content)

    return Echo


def async_consumer() -> Any:
    class Echo(AsyncJsonWebsocketConsumer):
        async def receive_json(self, content: Any, **kwargs: Any) -> None:
            await self.send_json(content)

    return Echo


families = pytest.mark.parametrize("make", [sync_consumer, async_consumer], ids=["sync", "async"])


async def echo(application: Any, text: str) -> str:
    async with Client(application, CONNECT, frame(text)) as client:
        await client.answers(2)
        client.says(leave())
        await client.ended()
    (answer,) = client.texts
    return answer


class TestConsumers:
    @families
    @pytest.mark.parametrize(
        ("configured", "answer"),
        [({}, '{"a":[1,"é"]}'), ({"JSON": "standard"}, '{"a": [1, "\\u00e9"]}')],
    )
    async def test_echo(self, make: Any, configured: dict[str, str], answer: str) -> None:
        with override_settings(CHANNELS=configured):
            assert await echo(make().as_asgi(), '{"a" : [1, "é"]}') == answer

    @families
    async def test_own_text_and_own_reading(self, make: Any) -> None:
        base = make()

        def decode(cls: Any, text: str) -> Any:
            return {"read": text}

        def encode(cls: Any, content: Any) -> str:
            return f"written {content['read']}"

        async def decode_async(cls: Any, text: str) -> Any:
            return decode(cls, text)

        async def encode_async(cls: Any, content: Any) -> str:
            return encode(cls, content)

        reads, writes = (decode, encode) if base._sync else (decode_async, encode_async)
        own = {"decode_json": classmethod(reads), "encode_json": classmethod(writes)}
        own_consumer: Any = type("Own", (base,), own)
        assert await echo(own_consumer.as_asgi(), "anything") == "written anything"

    @families
    async def test_no_json(self, make: Any) -> None:
        async with Client(make().as_asgi(), CONNECT, frame("{'a': 1}")) as client:
            with pytest.raises(json.JSONDecodeError) as caught:
                await client.ended()
        assert str(caught.value).startswith("Expecting property name enclosed in double quotes")
        assert client.sent[-1] == {"type": "websocket.close", "code": 1011}


@pytest.mark.parametrize("name", ["encode_json", "decode_json"])
@pytest.mark.parametrize("by", [classmethod, staticmethod, "mock"])
async def test_whoever_replaces_a_codec_in_the_class_is_asked(
    name: str, by: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def replaced(*args: Any) -> Any:
        return '"replaced"' if name == "encode_json" else "replaced"

    instead = AsyncMock(side_effect=replaced) if by == "mock" else by(replaced)
    monkeypatch.setattr(AsyncJsonWebsocketConsumer, name, instead)

    class Echo(AsyncJsonWebsocketConsumer):
        async def receive_json(self, content: Any, **kwargs: Any) -> None:
            await self.send_json(content)

    async with Client(Echo.as_asgi(), CONNECT, frame("1")) as client:
        await client.answers(2)
        assert client.texts == ['"replaced"']
        client.says(leave())
