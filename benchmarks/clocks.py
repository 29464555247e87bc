"""What a stretch of work took: wall clock and this process's CPU time, in seconds."""

import time
from typing import Any


class Stopwatch:
    """Starts when it is made. CPU time counts all threads of the process."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._cpu = time.process_time()
        self._wall = time.perf_counter()
        self.deadline = self._wall + seconds

    def running(self) -> bool:
        return time.perf_counter() < self.deadline

    def read(self) -> dict[str, Any]:
        return {
            "wall": time.perf_counter() - self._wall,
            "cpu": time.process_time() - self._cpu,
        }


def percentile_by_time(values: list[float], share: float) -> float:
    """The smallest duration such that those up to it make up ``share`` of the whole time.

    What somebody meets who comes at a random moment. A stall of 100 ms is one round trip of many
    when they are counted, and a tenth of a second when they are weighed.
    """
    ordered = sorted(values)
    passed, limit = 0.0, share * sum(ordered)
    for value in ordered:
        passed += value
        if passed >= limit:
            return value
    return ordered[-1]


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of all values do not exceed."""
    ordered = sorted(values)
    rank = -int(-len(ordered) * share // 1)
    return ordered[max(rank, 1) - 1]
