"""What a layer did not deliver: counted by reason, and said in the log, but not once a message."""

import logging
from collections import Counter

logger = logging.getLogger("django.channels.layers")

SECONDS_BETWEEN_LINES = 60.0


class Drops:
    """Counts of dropped messages by reason.

    The first drop for a reason is logged at WARNING, later ones together once a minute: a room that
    overflows must not fill the disk as well.
    """

    def __init__(self, layer: str) -> None:
        self.counts: Counter[str] = Counter()
        self._layer = layer
        self._said: dict[str, tuple[float, int]] = {}

    def note(self, reason: str, where: str, number: int, now: float) -> None:
        """Count ``number`` messages dropped for ``reason``; ``where`` is a group or channel."""
        self.counts[reason] += number
        said_at, said_count = self._said.get(reason, (float("-inf"), 0))
        if now - said_at < SECONDS_BETWEEN_LINES:
            return
        total = self.counts[reason]
        self._said[reason] = (now, total)
        logger.warning(
            "%s dropped %d message(s), the last for %s: %s. Read faster, raise the capacity, "
            "or send less.",
            self._layer,
            total - said_count,
            where,
            reason,
        )
