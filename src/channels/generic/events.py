"""What the generic WebSocket consumers, sync and async, say and understand. Pure.

The two families differ in ``await`` only; what they decide stands here, once.
"""

from collections.abc import Iterable
from typing import Any, NoReturn

from channels.exceptions import InvalidChannelLayerError
from channels.typing import Message

Headers = Iterable[tuple[bytes, bytes]]


def accept_event(subprotocol: str | None, headers: Headers | None) -> Message:
    """The answer that accepts a WebSocket."""
    event: Message = {"type": "websocket.accept", "subprotocol": subprotocol}
    if headers:
        event["headers"] = list(headers)
    return event


def frame_event(text_data: str | None, bytes_data: bytes | str | None) -> Message:
    """A frame to the client: text if there is text, else binary.

    A string given as ``bytes_data`` goes out as UTF-8 in a binary frame.

    Raises:
        ValueError: neither was given.
    """
    if text_data is not None:
        return {"type": "websocket.send", "text": text_data}
    if bytes_data is not None:
        data = bytes_data.encode() if isinstance(bytes_data, str) else bytes_data
        return {"type": "websocket.send", "bytes": data}
    raise ValueError("You must pass one of bytes_data or text_data")


def close_event(code: int | bool | None, reason: str | None) -> Message:
    """What closes a WebSocket, or denies it before it was accepted.

    ``True`` stands for "no code of its own", because ``send(..., close=True)`` hands it on.
    """
    event: Message = {"type": "websocket.close"}
    if code is not None and code is not True:
        event["code"] = code
    if reason:
        event["reason"] = reason
    return event


def frame_content(event: Message) -> dict[str, Any]:
    """The arguments of ``receive()`` for a frame: ``text_data`` or ``bytes_data``, never both."""
    if event.get("text") is not None:
        return {"text_data": event["text"]}
    return {"bytes_data": event["bytes"]}


def closing_code(event: Message) -> int:
    """The code of a ``websocket.disconnect`` event; 1005 where it has none (ASGI, "Disconnect")."""
    code: int | None = event.get("code")
    return 1005 if code is None else code  # Daphne says None


def groups_to_join(consumer: Any) -> list[str]:
    """The groups that a consumer is to be in, as a list of its own.

    Raises:
        InvalidChannelLayerError: there are groups, and no layer that could have them.
    """
    groups: list[str] = list(consumer.groups or ())
    if groups and getattr(consumer.channel_layer, "group_add", None) is None:
        error = InvalidChannelLayerError("BACKEND is unconfigured or doesn't support groups")
        error.add_note(
            f"{type(consumer).__qualname__}.groups is {groups!r}, and the channel layer "
            f"{consumer.channel_layer_alias!r} is {consumer.channel_layer!r}. Configure it in "
            "CHANNEL_LAYERS."
        )
        raise error
    return groups


def groups_to_leave(consumer: Any) -> list[str]:
    """The groups that a consumer is to leave, the last first; none where there is no layer: what
    refused to join them has said so."""
    if getattr(consumer.channel_layer, "group_discard", None) is None:
        return []
    groups: list[str] = list(consumer.groups or ())
    return groups[::-1]


def refuse_frame(text_data: str | None, bytes_data: bytes | None) -> NoReturn:
    """Refuse a frame that cannot hold JSON: binary or empty.

    Raises:
        ValueError: always.
    """
    error = ValueError("No text section for incoming WebSocket frame!")
    came = (
        "an empty text frame"
        if text_data == ""
        else f"a binary frame of {len(bytes_data or b'')} bytes"
    )
    error.add_note(
        f"The client sent {came}; JSON comes in text frames. Override receive() to take others."
    )
    raise error


def explain_bad_json(error: ValueError, text_data: str) -> None:
    """Add to a decoding error what came and what can be done.

    Nothing of the text itself: it may be a form with a password, and errors are logged.
    """
    error.add_note(
        f"The client sent {len(text_data)} characters that are not JSON. Override decode_json() to "
        "answer them instead of closing the connection."
    )
