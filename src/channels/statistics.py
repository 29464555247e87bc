"""Numbers for whoever watches the process: connections that began and ended, and what was refused.

What a channel layer dropped, the layer counts itself (``layer.drops.counts``).
"""

import threading
from collections import Counter

_counts: Counter[str] = Counter()
_lock = threading.Lock()


def count(name: str) -> None:
    """Add one to the counter ``name``. From any thread; never once per message."""
    with _lock:
        _counts[name] += 1


def statistics() -> dict[str, int]:
    """The counters of this process since it began, by name.

    ``connections.opened`` are the WebSockets of which a consumer was told, ``connections.accepted``
    those that it accepted, ``connections.ended`` those of which it was told the end: when no client
    is connected, as many as were opened. ``handlers.cut`` are handlers that used up their grace,
    ``handlers.left_behind`` those that went on in their thread.
    ``rejected.…`` are refusals, by reason.

    The values only ever go up. A counter that nothing happened to is not there.
    """
    with _lock:
        return dict(_counts)
