"""When what is told in the course of a drain. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_GAP = 0.1
"""Seconds between two closes at most: three sockets are not worth five seconds of waiting."""

RESERVE = 2.0
"""The end of the deadline's seconds, in which nothing of the user's goes on but ``disconnect``; a
quarter of them where the deadline is short."""


@dataclass(frozen=True)
class Limits:
    """Moments of a drain, in seconds from its beginning. ``inf`` where there is no deadline."""

    spread: float
    """By then every client has been told."""
    cut: float
    """From then on handlers in hand are cancelled, and requests in progress end."""
    hand_over: float
    """From then on ``disconnect`` is not waited for any more, and it is the server's turn."""
    end: float
    """The process ends whatever still runs in it."""

    @classmethod
    def of(cls, seconds: float, deadline: float) -> "Limits":
        if deadline == math.inf:
            return cls(seconds, math.inf, math.inf, math.inf)
        reserve = min(RESERVE, deadline / 4)
        cut = deadline - reserve
        return cls(min(seconds, cut), cut, deadline - reserve / 2, deadline - reserve / 8)


def spread_over(count: int, seconds: float) -> float:
    """How long it takes to tell ``count`` clients one after another."""
    return min(seconds, count * LONGEST_GAP)


def moments(count: int, seconds: float, random: Callable[[], float]) -> list[float]:
    """When each of ``count`` clients is told: one at a random moment of each of ``count`` equal
    parts of ``seconds``, so that what comes back comes evenly, whatever the number of processes
    that end at the same time.

    Args:
        random: a number from 0 to below 1, as :func:`random.random`.
    """
    part = spread_over(count, seconds) / max(count, 1)
    return [(number + random()) * part for number in range(count)]
