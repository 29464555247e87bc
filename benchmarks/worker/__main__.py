"""``python -m benchmarks.worker CONTENDER LOOP``: one side, in-process, on one event loop."""

import asyncio
import gc
import os
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.apps.side import Side, load
from benchmarks.event_loops import loop_factory
from benchmarks.lines import Lines, Message, answer_to
from benchmarks.machine import versions
from benchmarks.worker.crossing import Members, Publisher, Sends
from benchmarks.worker.echo import Echo, Neighbours
from benchmarks.worker.fanout import Fanout
from benchmarks.worker.joins import Joins
from benchmarks.worker.workload import Workload

WORKLOADS: dict[str, Callable[..., Workload]] = {
    "echo": Echo,
    "neighbours": Neighbours,
    "fanout": Fanout,
    "joins": Joins,
    "members": Members,
    "publisher": Publisher,
    "sends": Sends,
}


class Desk:
    """Takes the harness's questions: ``prepare``, then ``slice`` as often as wanted.

    A measured run gives each lane a worker of its own; a smoke run shares one, to be quick.
    """

    def __init__(self, side: Side) -> None:
        self._side = side
        self._workloads: dict[int, Workload] = {}

    async def handle(self, message: Message) -> Message:
        answer: Message = await getattr(self, message["do"])(**message["with"])
        return answer

    async def prepare(self, *, lane: int, workload: str, options: dict[str, Any]) -> Message:
        self._workloads[lane] = WORKLOADS[workload](self._side, **options)
        return await self._workloads[lane].prepare() or {}

    async def slice(self, *, lane: int, seconds: float) -> Message:
        # Garbage of the slice before must not be collected at the cost of this one.
        gc.collect()
        return await self._workloads[lane].slice(seconds)


async def work(lines: Lines, side: Side) -> None:
    desk = Desk(side)
    lines.write({"versions": versions()})
    # Reading blocks the loop, on purpose: what waits for its turn must not use the CPU.
    while (message := lines.read()) is not None:
        lines.write(await answer_to(message, desk.handle))
    # Thousands of open connections would each say goodbye.
    os._exit(0)


def main(contender: str, loop: str) -> None:
    lines = Lines()
    side = load(contender)
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        runner.run(work(lines, side))


if __name__ == "__main__":
    main(*sys.argv[1:])
