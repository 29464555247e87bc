"""What a message comes after: the places at which its sender's last ones were written. Pure.

A *sender* is whoever has one context (:mod:`contextvars`): all handlers of a consumer, a task, a
thread of sync code. A task or thread that a sender starts is of the same sender, because it may be
how the sender sends (``asyncio.wait_for`` and ``gather`` start one); so what it sends comes after
what the others were told is written, too. Only what had begun to send, and every consumer, is a
sender that others can be of: tasks that inherit nothing begin for themselves.
"""

from contextvars import ContextVar
from typing import TypeAlias

MOST_LOGS = 16
"""Logs of which a sender remembers its last place; the one that it used longest ago goes."""


_Written: TypeAlias = tuple[str, int, float]
"""Where a message was written: epoch and offset; and when it has expired, whoever has not seen it
yet. No class of its own, because one is made for each message."""


class Sender:
    """The last places of one sender.

    May be used from several threads, without a lock: each step on the table is one of the
    interpreter's. Sends that overlap come in no order among each other.
    """

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], _Written] = {}

    def after(self, scope: str, log: str, now: float, *, kind: str = "") -> list[str]:
        """The places in other logs than ``log`` that a message to it comes after, as words: the
        log's name, a colon, epoch and offset.

        Args:
            scope: what the name of a log is unique in.
            kind: how the names of logs begin that matter to who reads this one.
        """
        places = self._places
        if not places or (len(places) == 1 and (scope, log) in places):
            return []
        return [
            f"{other}:{epoch}-{offset}"
            for (its_scope, other), (epoch, offset, until) in list(places.items())
            if other != log and other.startswith(kind) and its_scope == scope and until > now
        ]

    def wrote(self, scope: str, log: str, epoch: str, offset: int, until: float) -> None:
        """A message was written there, and its sender is about to be told."""
        places, key = self._places, (scope, log)
        before = places.pop(key, None)
        if before is not None and before[0] == epoch and before[1] > offset:
            offset = before[1]  # one of several sends at once, overtaken by another
        places[key] = epoch, offset, until
        if len(places) > MOST_LOGS:
            for oldest in list(places)[:-MOST_LOGS]:
                places.pop(oldest, None)


_sender: ContextVar[Sender] = ContextVar("channels_sender")


def begin_sender() -> None:
    """Whoever has this context is a sender of its own from now on."""
    _sender.set(Sender())


def sender() -> Sender:
    """The sender that this context is of; one that begins here if there is none."""
    found = _sender.get(None)
    if found is None:
        found = Sender()
        _sender.set(found)
    return found
