"""A line to every member of a group, again when all have it."""

import itertools
from typing import Any

from benchmarks.apps.side import Side
from benchmarks.clocks import Stopwatch
from benchmarks.worker.wire import Arrivals, Wire
from benchmarks.worker.workload import Sample

STALL = 0.05
"""Seconds that each send to a slow member takes."""


_numbers = itertools.count()


class Fanout:
    """Sends one line after the other; the unit is a member reached.

    The next line goes out when the last has reached every member: lines in a burst would flatter
    any design that drains in batches.

    Args:
        path: ``handler``, or ``frame`` for messages of type ``websocket.send``.
        members: how many there are.
        slow: how many of them take their time; nobody waits for these.
        others: how many unrelated channels and groups the layer holds.
    """

    def __init__(
        self, side: Side, *, path: str, members: int, slow: int = 0, others: int = 0
    ) -> None:
        self._side = side
        self._group = f"members-{next(_numbers)}"
        self._path = path
        self._quick = members - slow
        self._others = others
        self._arrivals = Arrivals()
        self._wires = [
            # The slow ones come first: a loop over all members meets them at its start.
            Wire(self._arrivals, stall=STALL if number < slow else 0.0)
            for number in range(members)
        ]
        self._readers: list[Any] = []

    async def prepare(self) -> None:
        application = self._side.member(self._group)
        for wire in self._wires:
            await wire.open(application)
        if self._others:
            from benchmarks.apps.framework import hold_others

            self._readers = await hold_others(self._others)

    async def slice(self, seconds: float) -> Sample:
        publish, expect = self._side.publish, self._arrivals.expect
        count = 0
        watch = Stopwatch(seconds)
        while watch.running() or not count:
            arrived = expect(self._quick)
            await publish(self._group, self._path)
            await arrived
            count += self._quick
        if self._arrivals.missing:
            raise RuntimeError(f"{-self._arrivals.missing} frames arrived that nobody sent.")
        return {"count": count, **watch.read()}
