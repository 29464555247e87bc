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


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of all values do not exceed."""
    ordered = sorted(values)
    rank = -int(-len(ordered) * share // 1)
    return ordered[max(rank, 1) - 1]
