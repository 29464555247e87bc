"""The direct way to a client: WebSocket frames that are made here and go past a server's ``send``.

A server's ``send`` takes a message, makes a frame of it (RFC 6455, 5.2) and writes that to the
socket. For a room of five hundred it makes the same frame five hundred times. A server that can be
handed a frame says so in the scope's ``extensions``, under :data:`EXTENSION`; then the frame of a
group's message is made once, and each member costs one write.

It is a short cut and never another way. It is taken only where the ``send`` that the application
was given is the one that the extension names, so that middleware sees each message that it wraps
``send`` for; and a server takes a frame in its order or refuses it, and then ``send`` is asked.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple, Protocol, TypeAlias

from channels.typing import Message, Scope, Send
from channels.wire import encodable

EXTENSION = "raceway.frames"

Write: TypeAlias = Callable[[bytes], bool]


class FrameWriter(Protocol):
    """What ``scope["extensions"]["raceway.frames"]`` is."""

    @property
    def send(self) -> Send:
        """The ``send`` that the frames go past."""
        ...

    @property
    def write_frame(self) -> Write:
        """Takes one whole frame, which follows all that was sent before; or does nothing and
        returns ``False`` where that cannot be: the client is not accepted yet, has gone or reads
        too slowly. Does not wait and does not raise."""
        ...


class _Relay(NamedTuple):
    """The writer of a server, under the ``send`` of a middleware."""

    send: Send
    write_frame: Write


def direct_write(scope: Scope, send: Send) -> Write | None:
    """The direct way of a connection whose messages go to ``send``, if it has one."""
    extensions: dict[str, Any] | None = scope.get("extensions")
    writer: FrameWriter | None = extensions.get(EXTENSION) if extensions else None
    return None if writer is None or writer.send != send else writer.write_frame


def passing_frames(scope: Scope, send: Send, own_send: Send) -> Scope:
    """The scope for what runs inside of a middleware that wraps ``send`` and does nothing to
    messages of type ``websocket.send``: they may go past ``own_send``, too."""
    write = direct_write(scope, send)
    if write is None:
        return scope
    return {**scope, "extensions": {**scope["extensions"], EXTENSION: _Relay(own_send, write)}}


TEXT, BINARY = 0x81, 0x82
"""The first byte of a frame that is a whole message."""

_short_text, _short_binary = ([bytes((kind, n)) for n in range(126)] for kind in (TEXT, BINARY))
_medium_head = Struct("!BBH").pack
_long_head = Struct("!BBQ").pack


def frame_of(message: Message) -> bytes | None:
    """The frame of a ``websocket.send``; ``None`` for a message that is the server's to judge."""
    text, data = message.get("text"), message.get("bytes")
    if data is None and type(text) is str:
        return text_frame(text)
    if text is None and type(data) is bytes:
        return _short_binary[len(data)] + data if len(data) < 126 else _long_frame(BINARY, data)
    return None


def text_frame(text: str | bytes) -> bytes:
    """The frame of a whole text.

    Args:
        text: bytes are UTF-8.
    """
    payload = text if isinstance(text, bytes) else _in_utf8(text)
    return _short_text[len(payload)] + payload if len(payload) < 126 else _long_frame(TEXT, payload)


def _in_utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return encodable(text).encode()


def _long_frame(kind: int, payload: bytes) -> bytes:
    # Without a mask, as servers send them.
    length = len(payload)
    if length < 65536:
        return _medium_head(kind, 126, length) + payload
    return _long_head(kind, 127, length) + payload
