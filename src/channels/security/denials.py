"""What is logged of denied origins: enough to find a wrong setting, never a flood."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

logger: logging.Logger = logging.getLogger("django.channels.security")

SHOWN_BYTES = 200
"""How much of an origin is kept and logged. Longer ones that begin alike count as one."""

SHOWN_ALLOWED = 50
"""How many of the allowed origins a line lists."""


class DenialLog:
    """One WARNING for each denied origin within ``interval`` seconds.

    Whoever connects chooses the origin, so memory and lines are bounded: at most ``origins``
    different ones are remembered and logged within an interval. One more line says when that is
    reached.
    """

    def __init__(
        self,
        *,
        interval: float = 60.0,
        origins: int = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = interval
        self._origins = origins
        self._clock = clock
        self._logged: dict[tuple[bytes, ...] | str, float] = {}
        """When each line was written; the oldest is the first."""

    def denied(self, origin: tuple[bytes, ...], allowed: Iterable[Any]) -> None:
        """Note that a connection with these values of the Origin header was denied."""
        now = self._clock()
        self._forget_old(now)
        origin = tuple(value[:SHOWN_BYTES] for value in origin[:2])
        if origin in self._logged:
            return
        if len(self._logged) < self._origins:
            self._logged[origin] = now
            logger.warning(
                "WebSocket denied: %s. Allowed: %s.", _described(origin), _listed(list(allowed))
            )
        elif "overflow" not in self._logged:
            self._logged["overflow"] = now
            logger.warning(
                "WebSocket denied: more than %d different origins within %g s; "
                "further ones are not logged.",
                self._origins,
                self._interval,
            )

    def _forget_old(self, now: float) -> None:
        while self._logged:
            line, since = next(iter(self._logged.items()))
            if now - since < self._interval:
                return
            self._logged.pop(line, None)


def _described(origin: tuple[bytes, ...]) -> str:
    if not origin:
        return "no Origin header came (allow_missing_origin=True admits such clients)"
    # repr() keeps what a client sends on one line: it escapes whatever cannot be printed.
    values = " and ".join(repr(value.decode("latin1")) for value in origin)
    return f"the Origin {values} is not allowed"


def _listed(allowed: list[Any]) -> str:
    shown = ", ".join(repr(pattern) for pattern in allowed[:SHOWN_ALLOWED]) or "nothing"
    more = len(allowed) - SHOWN_ALLOWED
    return f"{shown} and {more} more" if more > 0 else shown
