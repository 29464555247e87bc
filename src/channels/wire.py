"""What can go over the wire: text, close reasons and headers that every server takes. Pure.

Applications send on what clients sent them, in a chat to everybody. Servers differ in what they do
with what cannot be encoded (an exception, an empty frame, a connection without a close frame), and
that must not be a way to end other people's connections.
"""

import re
from collections.abc import Iterable
from typing import Any

from channels.typing import Message

MOST_REASON_BYTES = 123
"""A control frame holds 125 bytes (RFC 6455, 5.5), two of them the code."""

SPLITTING: re.Pattern[bytes] = re.compile(rb"[\0\r\n]")


def encodable(text: str) -> str:
    """``text`` with U+FFFD for each half of a surrogate pair that stands alone, as in the
    ``WebSocket.send`` of browsers. JSON may spell such halves (``"\\ud800"``), UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def fitting_reason(reason: str) -> str:
    """As much of a close reason as fits into a close frame."""
    return encodable(reason).encode()[:MOST_REASON_BYTES].decode(errors="ignore")


def require_whole_headers(headers: Iterable[tuple[Any, Any]]) -> None:
    """Refuse headers that would be read as several, or as the end of the head.

    Raises:
        ValueError: a name or value has a line break or a NUL.
    """
    for name, value in headers:
        for part in (name, value):
            if isinstance(part, bytes) and SPLITTING.search(part):
                error = ValueError("A response header contains a line break or a NUL")
                error.add_note(
                    f"It is the header {bytes(name)[:100]!r}. Encode what comes from users before "
                    "you put it into a header."
                )
                raise error


def prepared(message: Message) -> Message:
    """An event that opens or ends something, as servers take it.

    Raises:
        ValueError: a header would be read as several.
    """
    headers = message.get("headers")
    if isinstance(headers, list | tuple):
        require_whole_headers(headers)
    reason = message.get("reason")
    if isinstance(reason, str) and reason:
        return {**message, "reason": fitting_reason(reason)}
    return message
