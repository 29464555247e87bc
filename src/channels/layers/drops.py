"""What a layer did not deliver, or not as it should: counted by reason, and said in the log, but
not once a message."""

import logging
import threading
from collections import Counter
from collections.abc import Callable

from channels.layers.forks import forget_after_fork

logger: logging.Logger = logging.getLogger("django.channels.layers")

SECONDS_BETWEEN_LINES = 60.0

CURE = "Read faster, raise the capacity, or send less."

CURES = {
    "gap": "The broker has lost them, or no longer has them for a process that was away: raise the "
    "capacity or the expiry if it was short.",
    "unreadable": "Every process needs the same serializer, and symmetric_encryption_keys that "
    "decrypt what the others encrypt.",
    "overtaken": "They waited as long as send_timeout for what their senders had sent before them: "
    "look for a server that this process cannot reach.",
}
"""What to do about a reason, where it is something else than usual."""

DELIVERED = frozenset({"overtaken"})
"""Reasons for which nothing is dropped."""


class Drops:
    """Counts of messages by what became of them. May be used from any thread.

    The first drop for a reason is logged at WARNING, later ones together once a minute: a room that
    overflows must not fill the disk as well.

    Counting and logging are two steps, because messages are dropped while a layer holds its lock,
    and a log handler is somebody else's code with locks of its own. It may even send to the layer.
    """

    def __init__(self, layer: str, clock: Callable[[], float]) -> None:
        self.counts: Counter[str] = Counter()
        self._layer = layer
        self._clock = clock
        self._lock = threading.Lock()
        forget_after_fork(self)
        self._unsaid: dict[str, str] = {}
        self._said: dict[str, tuple[float, int]] = {}

    def forget_inherited(self) -> None:
        """In a forked child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def count(self, reason: str, number: int = 1, where: str | None = None) -> None:
        """Count ``number`` dropped messages. With ``where``, a group or channel, the log shall hear
        of it."""
        with self._lock:
            self.counts[reason] += number
            if where is not None:
                self._unsaid[reason] = where

    def report(self) -> None:
        """Log what is due. Call it without a lock."""
        if not self._unsaid:
            return
        now = self._clock()
        lines = []
        with self._lock:
            for reason, where in list(self._unsaid.items()):
                said_at, said_count = self._said.get(reason, (float("-inf"), 0))
                if now - said_at >= SECONDS_BETWEEN_LINES:
                    total = self.counts[reason]
                    lines.append((total - said_count, where, reason))
                    self._said[reason] = (now, total)
                    del self._unsaid[reason]
        for number, where, reason in lines:
            logger.warning(
                "%s %s %d message(s), the last for %s: %s. %s",
                self._layer,
                "delivered out of order" if reason in DELIVERED else "dropped",
                number,
                where,
                reason,
                CURES.get(reason, CURE),
            )
