"""What goes over the wire can be encoded, fits, and is one header where it was one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.gate import Gate
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import channel_layers
from channels.typing import Message
from channels.wire import encodable, fitting_reason, prepared, require_whole_headers
from tests.client import CONNECT, Client, frame, leave, request
from tests.property.examples import VALUES

TEXTS = st.text(st.characters(codec=None))
"""Halves of surrogate pairs included."""


@VALUES
@given(TEXTS)
def test_every_text_can_be_encoded_and_only_bad_characters_change(text: str) -> None:
    mended = encodable(text)
    assert mended.encode().decode() == mended
    try:
        text.encode()
    except UnicodeEncodeError:
        assert "\ufffd" in mended
    else:
        assert mended is text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\udc00", "\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),  # both halves, as two characters
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        ("Zoë \U0001f600", "Zoë \U0001f600"),
    ],
)
def test_halves_become_the_replacement_character_each(text: str, mended: str) -> None:
    assert encodable(text) == mended


@VALUES
@given(TEXTS)
def test_every_reason_fits_into_a_close_frame(reason: str) -> None:
    fitting = fitting_reason(reason)
    assert len(fitting.encode()) <= 123
    assert encodable(reason).startswith(fitting)
    if len(encodable(reason).encode()) <= 123:
        assert fitting == encodable(reason)


def test_a_reason_is_cut_between_characters() -> None:
    assert fitting_reason("é" * 100) == "é" * 61


@pytest.mark.parametrize("bad", [b"a\r\nSet-Cookie: x=1", b"a\nb", b"a\rb", b"a\0"])
def test_headers_that_would_split_are_refused(bad: bytes) -> None:
    for headers in ([(b"x", bad)], [(bad, b"x")], ((b"ok", b"1"), (b"x", bad))):
        with pytest.raises(ValueError, match="a line break or a NUL") as caught:
            require_whole_headers(headers)
        assert all("\n" not in note for note in caught.value.__notes__)
    value = b"secret\n"
    with pytest.raises(ValueError) as caught:
        require_whole_headers([(b"x", value)])
    assert "secret" not in str(caught.value.__notes__)


def test_what_is_fine_goes_as_it_is() -> None:
    for event in (
        {"type": "websocket.accept", "subprotocol": None},
        {"type": "websocket.accept", "headers": [(b"x", b"a\tb")]},
        {"type": "websocket.close", "code": 4000},
        {"type": "websocket.close", "reason": None},
        {"type": "http.response.start", "status": 200, "headers": iter([(b"x", b"y")])},
    ):
        assert prepared(event) is event
    generator = iter([(b"x", b"y")])
    prepared({"type": "http.response.start", "headers": generator})
    assert next(generator) == (b"x", b"y")


class Sent:
    def __init__(self) -> None:
        self.events: list[Message] = []
        self.gate = Gate(self.send, lambda: None)

    async def send(self, message: Message) -> None:
        self.events.append(message)


async def test_the_gate_mends_texts_and_reasons() -> None:
    sent = Sent()
    original = {"type": "websocket.send", "text": "\ud800"}
    await sent.gate.send({"type": "websocket.accept"})
    await sent.gate.send(original)
    await sent.gate.send({"type": "websocket.send", "text": "é"})
    await sent.gate.send({"type": "websocket.send", "bytes": b"\xff"})
    await sent.gate.send({"type": "websocket.close", "reason": "\ud800" * 100})
    assert sent.events[1:] == [
        {"type": "websocket.send", "text": "\ufffd"},
        {"type": "websocket.send", "text": "é"},
        {"type": "websocket.send", "bytes": b"\xff"},
        {"type": "websocket.close", "reason": "\ufffd" * 41},
    ]
    assert original["text"] == "\ud800", "the sender's own event"


async def test_the_gate_stays_as_it_is_after_a_refusal() -> None:
    sent = Sent()
    with pytest.raises(ValueError, match="line break"):
        await sent.gate.send({"type": "websocket.accept", "headers": [(b"x", b"a\nb")]})
    await sent.gate.send({"type": "websocket.accept"})
    assert sent.events == [{"type": "websocket.accept"}]


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
async def test_half_a_surrogate_pair_ends_nobodys_connection(base: Any) -> None:
    """In a room whose frames are made of what somebody said."""

    class Room(base):  # type: ignore[misc]
        groups = ["room"]

        if base is AsyncWebsocketConsumer:

            async def said(self, event: Message) -> None:
                await self.send(text_data=f"<p>{event['text']}</p>")
        else:

            def said(self, event: Message) -> None:
                self.send(text_data=f"<p>{event['text']}</p>")

    application = Room.as_asgi()
    layer = channel_layers["default"]
    async with Client(application, CONNECT) as one, Client(application, CONNECT) as two:
        await one.answers(1)
        await two.answers(1)
        await layer.group_send("room", {"type": "said", "text": "a\ud800"})
        await layer.group_send("room", {"type": "websocket.send", "text": "b\udfff"})
        for client in (one, two):
            await client.answers(3)
            assert client.texts == ["<p>a\ufffd</p>", "b\ufffd"]
            client.says(leave())
            await client.ended()


async def test_a_split_header_is_the_applications_error() -> None:
    class Page(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, b"", headers=[("Location", "/\r\nSet-Cookie: a=b")])

    async with Client(Page.as_asgi(), request()) as client:
        with pytest.raises(ValueError, match="line break"):
            await client.ended()
    assert client.sent == []


async def test_a_reason_made_of_what_the_client_says() -> None:
    class Polite(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            await self.close(4000, f"Unknown room {text_data}")

    async with Client(Polite.as_asgi(), CONNECT, frame("x" * 500)) as client:
        await client.answers(2)
        assert len(client.sent[1]["reason"]) == 123
        client.says(leave())
        await client.ended()
