"""What a worker can be asked to run."""

from typing import Any, Protocol

Sample = dict[str, Any]
"""What one slice came to: ``count`` units of work, ``wall`` and ``cpu`` seconds; ``p50``,
``p99`` and ``p99_time`` seconds of one unit where the workload takes single times."""


class Workload(Protocol):
    """Something to measure, made ready once and then run in slices. What it holds ends with
    the process."""

    async def prepare(self) -> Sample | None:
        """Open connections and whatever else is not measured; what the harness has to know."""

    async def slice(self, seconds: float) -> Sample:
        """Work for that long, but at least one unit, and wait until the work in hand is done."""
