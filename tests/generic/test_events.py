"""What the two families of WebSocket consumers say and understand."""

from types import SimpleNamespace
from typing import Any

import pytest

from channels.exceptions import InvalidChannelLayerError
from channels.generic import events


@pytest.mark.parametrize(
    ("arguments", "event"),
    [
        ((None, None), {"type": "websocket.accept", "subprotocol": None}),
        (("chat", []), {"type": "websocket.accept", "subprotocol": "chat"}),
        (
            (None, iter([(b"a", b"b")])),
            {"type": "websocket.accept", "subprotocol": None, "headers": [(b"a", b"b")]},
        ),
    ],
)
def test_accept(arguments: tuple[Any, Any], event: dict[str, Any]) -> None:
    assert events.accept_event(*arguments) == event


@pytest.mark.parametrize(
    ("arguments", "event"),
    [
        (("hi", None), {"type": "websocket.send", "text": "hi"}),
        (("", None), {"type": "websocket.send", "text": ""}),
        ((None, b"\x00"), {"type": "websocket.send", "bytes": b"\x00"}),
        ((None, b""), {"type": "websocket.send", "bytes": b""}),
        ((None, "né"), {"type": "websocket.send", "bytes": "né".encode()}),
        (("hi", b"no"), {"type": "websocket.send", "text": "hi"}),
    ],
)
def test_frame(arguments: tuple[Any, Any], event: dict[str, Any]) -> None:
    assert events.frame_event(*arguments) == event


def test_a_frame_of_nothing() -> None:
    with pytest.raises(ValueError, match=r"^You must pass one of bytes_data or text_data$"):
        events.frame_event(None, None)


@pytest.mark.parametrize(
    ("arguments", "event"),
    [
        ((None, None), {"type": "websocket.close"}),
        ((True, None), {"type": "websocket.close"}),
        ((4001, "why"), {"type": "websocket.close", "code": 4001, "reason": "why"}),
        ((1, ""), {"type": "websocket.close", "code": 1}),
        ((None, "why"), {"type": "websocket.close", "reason": "why"}),
    ],
)
def test_close(arguments: tuple[Any, Any], event: dict[str, Any]) -> None:
    assert events.close_event(*arguments) == event


@pytest.mark.parametrize(
    ("event", "content"),
    [
        ({"text": "hi"}, {"text_data": "hi"}),
        ({"text": ""}, {"text_data": ""}),
        ({"text": "hi", "bytes": None}, {"text_data": "hi"}),
        ({"text": None, "bytes": b"x"}, {"bytes_data": b"x"}),
        ({"bytes": b""}, {"bytes_data": b""}),
    ],
)
def test_content_of_a_frame(event: dict[str, Any], content: dict[str, Any]) -> None:
    assert events.frame_content(event) == content


def test_a_disconnect_without_a_code_is_1005() -> None:
    assert events.closing_code({"code": 4001}) == 4001
    assert events.closing_code({}) == 1005


class Layer:
    def group_add(self) -> None: ...

    def group_discard(self) -> None: ...


@pytest.mark.parametrize("groups", [["a", "b"], {"a", "b"}, ("a", "b"), None, []])
def test_groups_may_be_any_collection_and_the_list_is_a_copy(groups: Any) -> None:
    consumer = SimpleNamespace(groups=groups, channel_layer=Layer())
    listed = events.groups_to_join(consumer)
    assert events.groups_to_leave(consumer) == listed[::-1]
    assert sorted(listed) == sorted(groups or [])
    assert listed is not groups


@pytest.mark.parametrize("layer", [None, object()], ids=["no layer", "a layer without groups"])
def test_groups_need_a_layer_that_has_them(layer: Any) -> None:
    consumer = SimpleNamespace(groups=["room"], channel_layer=layer, channel_layer_alias="other")
    with pytest.raises(InvalidChannelLayerError) as caught:
        events.groups_to_join(consumer)
    assert str(caught.value) == "BACKEND is unconfigured or doesn't support groups"
    assert "['room']" in caught.value.__notes__[0]
    assert "'other'" in caught.value.__notes__[0]
    assert "CHANNEL_LAYERS" in caught.value.__notes__[0]
    assert events.groups_to_leave(consumer) == []
    consumer.groups = []
    assert events.groups_to_join(consumer) == []


@pytest.mark.parametrize(
    ("frame", "words"),
    [(("", None), "an empty text frame"), ((None, b"\x00\x01"), "a binary frame of 2 bytes")],
)
def test_a_frame_without_json_says_what_came(frame: tuple[Any, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        events.refuse_frame(*frame)
    assert str(caught.value) == "No text section for incoming WebSocket frame!"
    assert words in caught.value.__notes__[0]


def test_an_error_says_how_much_came_and_nothing_of_it() -> None:
    with pytest.raises(ValueError) as caught:
        events.refuse_frame(None, b"password" * 1000)
    assert "8000 bytes" in caught.value.__notes__[0]
    assert "password" not in caught.value.__notes__[0]
    error = ValueError("bad")
    events.explain_bad_json(error, "password" * 1000)
    assert "8000 characters" in error.__notes__[0]
    assert "password" not in error.__notes__[0]
    assert "decode_json()" in error.__notes__[0]
