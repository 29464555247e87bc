"""What an entry of a log holds: one line of ASCII that says what it is, then the message. Pure.

====================  =====================================================================
``m``                 a message for all members of the group whose log it is
``m <channel>…``      the same, but not for these channels
``d <channel>``       a message for one channel of the process whose log it is
``a <id> <process> <group> <channel>``  that process asks to add the channel to the group
``r <id> <process> <group> <channel>``  that process asks to remove it
``k <id>``            what was asked under this id has been done
====================  =====================================================================

``m`` and ``d`` may go on, without a blank, with the places that the message comes after, each
``><log>:<epoch>-<offset>``, as in ``m>g:room:1731-42>p:0a1b2c:1731-7``. The log is ``g:`` and a
group or ``p:`` and a process.

Names of groups and channels have no blanks. A line that is not known is of a newer release, and is
left alone; so is a place.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from channels.layers.ordering import Place

GROUP, DIRECT, ADD, REMOVE, DONE = b"m", b"d", b"a", b"r", b"k"

_PLACE = re.compile(r"(.+):([0-9]+)-([0-9]+)")


class Envelope(NamedTuple):
    """An entry, opened."""

    kind: bytes
    words: list[str]
    payload: bytes
    after: Sequence[Place] = ()


def seal(
    kind: bytes, words: Iterable[str] = (), payload: bytes = b"", *, after: Sequence[str] = ()
) -> bytes:
    """An entry's content.

    Args:
        after: the places, as :meth:`~channels.layers.senders.Sender.after` says them.
    """
    if after:
        kind = ">".join([kind.decode(), *after]).encode()
    head = " ".join(words)
    return b"%s %s\n%s" % (kind, head.encode(), payload) if head else b"%s\n%s" % (kind, payload)


def unseal(data: bytes) -> Envelope:
    """What :func:`seal` was given; of anything else, an envelope of no known kind."""
    head, _, payload = data.partition(b"\n")
    if head == GROUP:
        return Envelope(GROUP, [], payload)
    kind, *words = head.decode("ascii", "replace").split(" ")
    if ">" not in kind:
        return Envelope(kind.encode(), words, payload)
    kind, *places = kind.split(">")
    found = map(_PLACE.fullmatch, places)
    after = [Place(place[1], int(place[2]), int(place[3])) for place in found if place]
    return Envelope(kind.encode(), words, payload, after)
