"""What an entry of a log holds: one line of ASCII that says what it is, then the message. Pure.

====================  =====================================================================
``m``                 a message for all members of the group whose log it is
``m <channel>…``      the same, but not for these channels
``d <channel>``       a message for one channel of the process whose log it is
``a <id> <process> <group> <channel>``  that process asks to add the channel to the group
``r <id> <process> <group> <channel>``  that process asks to remove it
``k <id>``            what was asked under this id has been done
====================  =====================================================================

Names of groups and channels have no blanks. A line that is not known is of a newer release, and is
left alone.
"""

from collections.abc import Iterable
from typing import NamedTuple

GROUP, DIRECT, ADD, REMOVE, DONE = b"m", b"d", b"a", b"r", b"k"


class Envelope(NamedTuple):
    """An entry, opened."""

    kind: bytes
    words: list[str]
    payload: bytes


def seal(kind: bytes, words: Iterable[str] = (), payload: bytes = b"") -> bytes:
    """An entry's content."""
    head = " ".join(words)
    return b"%s %s\n%s" % (kind, head.encode(), payload) if head else b"%s\n%s" % (kind, payload)


def unseal(data: bytes) -> Envelope:
    """What :func:`seal` was given; of anything else, an envelope of no known kind."""
    head, _, payload = data.partition(b"\n")
    if head == GROUP:
        return Envelope(GROUP, [], payload)
    kind, *words = head.decode("ascii", "replace").split(" ")
    return Envelope(kind.encode(), words, payload)
