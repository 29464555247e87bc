"""The events at which a connection begins and ends: no handler of another event overlaps theirs."""

from channels.typing import Message

ENDINGS = ("websocket.disconnect", "http.disconnect")
"""Events after which nothing comes any more."""

BOUNDARIES = (*ENDINGS, "websocket.connect")


def is_ending(message: Message) -> bool:
    return message.get("type") in ENDINGS
