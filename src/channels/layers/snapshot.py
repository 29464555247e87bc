"""A message frozen at the time of its send."""

import copy
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from sys import getsizeof
from typing import Any, cast
from uuid import UUID

from channels.direct import frame_of
from channels.typing import Message
from channels.wire import encodable

ATOMS = frozenset(
    {str, int, float, bool, type(None), bytes, datetime, date, time, timedelta, Decimal, UUID}
)
"""Types whose values cannot change, so that a copy may share them."""


MAX_DEPTH = 200
"""How deep a message may be nested: less than what any receiver's stack has room for, so that what
one client's message is made of never fails in another's connection. As over Redis."""


class Snapshot:
    """What was sent, however the sender changes its dictionary afterwards.

    Many mailboxes hold the same snapshot; each receiver takes a copy of its own, when it reads. A
    message that is dropped unread was never copied.
    """

    __slots__ = ("_copiers", "_frame", "_is_plain", "_message", "frame_bytes", "type")

    def __init__(self, message: Message) -> None:
        self._copiers: list[tuple[Any, Callable[[], Any]]] | None = None
        """What makes a new value for each key whose value can change. ``None`` for a message that
        is no plain dictionary or contains itself: then deepcopy keeps account of what it has
        seen."""
        try:
            if type(message) is dict:
                message = _copy_value(message, MAX_DEPTH)
                self._copiers = [
                    (key, _copier(value))
                    for key, value in message.items()
                    if type(value) not in ATOMS
                ]
        except RecursionError:
            if not _contains_itself(message):
                # The traceback would be thousands of lines of a client's making.
                raise TypeError(
                    f"message is nested more than {MAX_DEPTH} deep; send a flatter message."
                ) from None
        self._message: Message = message if self._copiers is not None else copy.deepcopy(message)
        self.type: Any = self._message.get("type")
        """The message's ``type``, without a copy."""
        self.frame_bytes: int = frame_bytes(self._message) if self.type == "websocket.send" else 0
        """What a finished frame takes of memory; of other messages nobody knows."""
        self._frame: bytes | None = None
        self._is_plain = (
            self.type == "websocket.send"
            and self._copiers == []
            and _is_encodable(self._message.get("text"))
        )
        """Whether every server may be given a plain copy: what most finished frames are."""

    def message(self) -> Message:
        """A copy that belongs to the caller."""
        if self._copiers is None:
            return copy.deepcopy(self._message)
        message = self._message.copy()
        for key, copied in self._copiers:
            message[key] = copied()
        return message

    def sendable(self) -> Message:
        """A copy of a finished frame, for a server: with text that can be encoded."""
        if self._is_plain:
            return self._message.copy()
        message, text = self.message(), self._message.get("text")
        if isinstance(text, str):
            message["text"] = encodable(text)
        return message

    def frame(self) -> bytes | None:
        """What a finished frame is on the wire, made once for all receivers; ``None`` where that
        cannot be said."""
        if self._frame is None:
            self._frame = frame_of(self._message)
        return self._frame


def _is_encodable(text: Any) -> bool:
    return not isinstance(text, str) or encodable(text) is text


def frame_bytes(message: Message) -> int:
    """What the content of a frame takes of memory."""
    text = message.get("text")
    return getsizeof(message.get("bytes") if text is None else text)


def _copier(value: Any) -> Callable[[], Any]:
    """What makes copies of ``value``; where it holds only what cannot change, its own ``copy``,
    which takes a tenth of the time."""
    kind = type(value)
    if (kind is dict and ATOMS.issuperset(map(type, value.values()))) or (
        kind in (list, set) and ATOMS.issuperset(map(type, value))
    ):
        return cast("Callable[[], Any]", value.copy)
    return partial(_copy_value, value)


def _copy_value(value: Any, depth: int = MAX_DEPTH) -> Any:
    """``copy.deepcopy`` for what messages are made of, ten times as fast.

    Raises:
        RecursionError: it is nested more than ``depth`` deep.
    """
    kind = type(value)
    if kind in ATOMS:
        return value
    if not depth:
        raise RecursionError
    depth -= 1
    if kind is dict:
        return {key: _copy_value(item, depth) for key, item in value.items()}
    if kind is list:
        return [_copy_value(item, depth) for item in value]
    if kind is tuple:
        return tuple(_copy_value(item, depth) for item in value)
    return copy.deepcopy(value)


def _contains_itself(value: Any) -> bool:
    """Whether a value of dicts, lists and tuples has no end. However deep it is."""
    above: set[int] = set()
    todo = [(value, False)]
    while todo:
        value, is_left = todo.pop()
        if is_left:
            above.discard(id(value))
        elif isinstance(value, dict | list | tuple):
            if id(value) in above:
                return True
            above.add(id(value))
            todo.append((value, True))
            todo += (
                (item, False) for item in (value.values() if isinstance(value, dict) else value)
            )
    return False
