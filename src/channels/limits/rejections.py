"""What limits refused: counted by limit, and said in the log, but not once a message."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from channels.layers.forks import forget_after_fork
from channels.statistics import count

logger: logging.Logger = logging.getLogger("django.channels.limits")

SHOWN = 200
"""Characters of what comes from outside that a line shows."""


class Rejections:
    """Counts of what was refused, delayed or dropped. May be used from any thread.

    The first for each limit is one WARNING, the next ones together one every ``interval`` seconds:
    whoever floods the server must not flood its log.
    """

    def __init__(
        self, *, interval: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.counts: Counter[str] = Counter()
        """How often each limit was met, by its name."""
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[str, tuple[float, int]] = {}
        """When the last line for a limit was written, and the count it gave."""
        forget_after_fork(self)

    def forget_inherited(self) -> None:
        """In a forked child: count anew."""
        self.counts = Counter()
        self._said, self._lock = {}, threading.Lock()

    def note(self, limit: str, what: str, who: Callable[[], str]) -> None:
        """Count one.

        Args:
            what: happened: the beginning of the line.
            who: describes the connection. Asked only where a line is written.
        """
        count(f"rejected.{limit}")
        now = self._clock()
        with self._lock:
            self.counts[limit] += 1
            said_at, said_count = self._said.get(limit, (float("-inf"), 0))
            if now - said_at < self._interval:
                return
            number = self.counts[limit] - said_count
            self._said[limit] = (now, self.counts[limit])
        logger.warning("%s (%s). %d such since the last line.", what, who(), number)


def shown(text: object) -> str:
    """What a client chose, for a line of the log: short, quoted, on one line whatever it holds."""
    return repr(str(text))[:SHOWN]


rejections: Rejections = Rejections()
"""Those of this process."""
