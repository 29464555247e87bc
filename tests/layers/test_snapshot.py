"""What was sent stays what was sent, and every receiver has its own."""

import copy
import traceback
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from channels.layers.snapshot import Snapshot


class Thing:
    """Something mutable that is none of the kinds that messages are made of."""

    copies = 0

    def __init__(self) -> None:
        self.values = [1]

    def __deepcopy__(self, memo: Any) -> "Thing":
        Thing.copies += 1
        twin = Thing()
        twin.values = self.values.copy()
        return twin


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1]},
        [[1], {"a": 1}],
        ([1], {"a": [1]}),
        {1, 2},
        bytearray(b"x"),
        OrderedDict(a=[1]),
        (1, (2, [3])),
    ],
    ids=repr,
)
def test_containers_are_copied_all_the_way_down(value: Any) -> None:
    wanted = copy.deepcopy(value)
    message = {"type": "x", "value": value}
    snapshot = Snapshot(message)
    first, second = snapshot.message(), snapshot.message()
    for received in (first, second):
        assert received == {"type": "x", "value": wanted}
        assert type(received["value"]) is type(wanted)
    spoil(value)
    spoil(first["value"])
    assert second["value"] == wanted
    assert snapshot.message()["value"] == wanted


def spoil(value: Any) -> None:
    """Change every mutable thing inside."""
    inner = value.values() if isinstance(value, dict) else value
    for item in list(inner):
        if isinstance(item, (dict, list, set, tuple)):
            spoil(item)
    if isinstance(value, dict):
        value["spoiled"] = True
    elif isinstance(value, (list, bytearray)):
        value.append(255)
    elif isinstance(value, set):
        value.add("spoiled")


ATOMS = [
    "text",
    5,
    1.5,
    True,
    None,
    b"bytes",
    datetime(2026, 1, 1, tzinfo=UTC),
    date(2026, 1, 1),
    time(1, 2),
    timedelta(seconds=1),
    Decimal("1.50"),
    uuid4(),
]


@pytest.mark.parametrize("value", ATOMS, ids=lambda value: type(value).__name__)
def test_values_that_cannot_change_are_shared(value: Any) -> None:
    assert Snapshot({"type": "x", "value": value}).message()["value"] is value


def test_a_message_of_atoms_gets_a_dictionary_for_each() -> None:
    message = {"type": "x", "text": "a"}
    snapshot = Snapshot(message)
    message["text"] = "b"
    first = snapshot.message()
    first["text"] = "c"
    del first["type"]
    assert snapshot.message() == {"type": "x", "text": "a"}


def test_keys_of_any_kind() -> None:
    message = {"type": "x", 5: [1], None: 2, (1, 2): "tuple"}
    assert Snapshot(message).message() == message


def test_other_objects_are_copied_deep() -> None:
    thing = Thing()
    snapshot = Snapshot({"type": "x", "thing": thing})
    thing.values.append(2)
    one, two = snapshot.message()["thing"], snapshot.message()["thing"]
    assert one is not two
    assert one.values == two.values == [1]


def test_a_message_that_nobody_reads_is_copied_once() -> None:
    Thing.copies = 0
    Snapshot({"type": "x", "thing": Thing()})
    assert Thing.copies == 1


@pytest.mark.parametrize("kind", [OrderedDict, type("Event", (dict,), {})])
@pytest.mark.parametrize("flat", [True, False])
def test_a_dictionary_of_another_kind_stays_of_its_kind(kind: type[Any], flat: bool) -> None:
    message = kind(type="x", value=1 if flat else [1])
    received = Snapshot(message).message()
    assert type(received) is kind
    assert received == message
    assert received is not message


def test_a_message_that_contains_itself() -> None:
    message: dict[str, Any] = {"type": "x", "list": [1]}
    message["self"] = message
    received = Snapshot(message).message()
    assert received["self"] is received
    assert received is not message
    assert received["list"] is not message["list"]


def test_what_cannot_be_copied_is_refused_at_the_send() -> None:
    with pytest.raises(TypeError):
        Snapshot({"type": "x", "generator": (n for n in range(3))})


def test_subclasses_of_atoms_are_no_atoms() -> None:
    """A ``str`` subclass (Django's ``SafeString``, an enum) keeps its type and its attributes."""

    class Text(str):
        attributes: list[int]

    text = Text("a")
    text.attributes = [1]
    received = Snapshot({"type": "x", "text": text}).message()["text"]
    assert type(received) is Text
    assert received.attributes == [1]
    assert received.attributes is not text.attributes


def nested(depth: int, kind: type) -> Any:
    value: Any = "end"
    for _ in range(depth):
        value = {"a": value} if kind is dict else kind([value])
    return value


@pytest.mark.parametrize("kind", [dict, list, tuple])
def test_a_message_may_be_nested_two_hundred_deep(kind: type) -> None:
    message = {"type": "x", "content": nested(199, kind)}
    assert Snapshot(message).message() == message


@pytest.mark.parametrize("kind", [dict, list, tuple])
@pytest.mark.parametrize("depth", [200, 450, 900, 100_000])
def test_a_deeper_one_is_refused_at_the_sender_in_a_few_lines(kind: type, depth: int) -> None:
    with pytest.raises(TypeError, match="nested more than 200 deep") as caught:
        Snapshot({"type": "x", "content": nested(depth, kind)})
    assert len(traceback.format_exception(caught.value)) < 10


def test_the_same_list_twice_is_no_circle() -> None:
    shared = nested(150, list)
    message = {"type": "x", "a": shared, "b": [shared, shared]}
    assert Snapshot(message).message() == message


def test_a_finished_frame_goes_to_servers_with_text_that_can_be_encoded() -> None:
    snapshot = Snapshot({"type": "websocket.send", "text": "a\ud800b"})
    assert snapshot.sendable() == {"type": "websocket.send", "text": "a\ufffdb"}
    assert snapshot.message()["text"] == "a\ud800b", "whoever handles it sees what was sent"


@pytest.mark.parametrize("content", [{"text": "ä"}, {"bytes": b"a"}, {"text": 1}, {}], ids=repr)
def test_any_other_frame_goes_to_servers_as_it_is(content: dict[str, Any]) -> None:
    message = {"type": "websocket.send", **content, "list": [1]}
    snapshot = Snapshot(message)
    one, two = snapshot.sendable(), snapshot.sendable()
    assert one == two == message
    assert one is not two
    assert one["list"] is not two["list"]
