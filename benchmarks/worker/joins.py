"""Connections that join groups, one after the other, each from connect to disconnect."""

from benchmarks.apps.side import Side
from benchmarks.clocks import Stopwatch
from benchmarks.worker.wire import Arrivals, Wire
from benchmarks.worker.workload import Sample


class Joins:
    """The unit is a connection that joins ``groups`` groups and leaves again."""

    def __init__(self, side: Side, *, groups: int) -> None:
        self._application = side.joiner(groups)

    async def prepare(self) -> None:
        """Nothing stays open between slices."""

    async def slice(self, seconds: float) -> Sample:
        count = 0
        watch = Stopwatch(seconds)
        while watch.running() or not count:
            wire = Wire(Arrivals())
            await wire.open(self._application)
            await wire.close()
            count += 1
        return {"count": count, **watch.read()}
