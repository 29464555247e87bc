"""What the runner needs of a lane."""

from typing import Any, Protocol

Sample = dict[str, Any]
"""What one slice came to: ``count`` units, ``wall`` and ``cpu`` seconds, and what else was seen."""

START_TIMEOUT = 60.0
"""Seconds that a process may take until it answers."""

PREPARE_TIMEOUT = 1200.0
"""Seconds. Upstream looks at all channels whenever one of 50,000 begins to wait."""

SLICE_TIMEOUT = 600.0
"""Seconds. A slice is at least one unit of work, which takes some of them on the slowest lanes."""


class Lane(Protocol):
    """One contender of a scenario. Its processes are idle while it is another one's turn."""

    versions: dict[str, str]

    def begin(self) -> None:
        """Start processes, without waiting for them."""

    def ready(self) -> None:
        """Wait until everything is prepared.

        Raises:
            ChildError: it cannot be.
        """

    def warm_up(self, seconds: float) -> None:
        """Do once what the first time is slower."""

    def slice(self, seconds: float) -> Sample:
        """Work for that long, or for one unit if that takes longer."""

    def stop(self) -> None:
        """End the processes. Allowed at any time, also after a failure."""
