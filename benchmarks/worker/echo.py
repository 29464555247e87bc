"""Round trips of one connection, alone or beside others that run sync code."""

import asyncio
from time import perf_counter

from benchmarks.apps.side import Side
from benchmarks.apps.texts import JSON_TEXT, TEXT
from benchmarks.clocks import Stopwatch, percentile, percentile_by_time
from benchmarks.worker.wire import Client
from benchmarks.worker.workload import Sample

BATCH = 20
"""Round trips between two looks at the clock."""


class Echo:
    """One client that waits for the answer to a frame before it sends the next."""

    def __init__(self, side: Side, *, application: str) -> None:
        self._application = side.APPLICATIONS[application]
        self._text = JSON_TEXT if application == "json-echo" else TEXT
        self._client = Client()

    async def prepare(self) -> None:
        await self._client.wire.open(self._application)

    async def slice(self, seconds: float) -> Sample:
        round_trip, text = self._client.round_trip, self._text
        count = 0
        watch = Stopwatch(seconds)
        while watch.running() or not count:
            for _ in range(BATCH):
                await round_trip(text)
            count += BATCH
        return {"count": count, **watch.read()}


class Neighbours:
    """An async echo whose round trips are timed, while ``count`` others are never without work."""

    def __init__(self, side: Side, *, application: str, count: int) -> None:
        self._echo_application = side.APPLICATIONS["echo"]
        self._application = side.APPLICATIONS[application] if count else None
        self._client = Client()
        self._others = [Client() for _ in range(count)]
        self._busy = False

    async def prepare(self) -> None:
        await self._client.wire.open(self._echo_application)
        await asyncio.gather(*(other.wire.open(self._application) for other in self._others))

    async def slice(self, seconds: float) -> Sample:
        self._busy = True
        others = [asyncio.ensure_future(self._keep_busy(other)) for other in self._others]
        await asyncio.sleep(0)  # the others are at it when the first round trip begins
        took: list[float] = []
        watch = Stopwatch(seconds)
        while watch.running() or not took:
            start = perf_counter()
            await self._client.round_trip(TEXT)
            took.append(perf_counter() - start)
        sample = watch.read()
        self._busy = False
        await asyncio.gather(*others)
        return {
            "count": len(took),
            **sample,
            "p50": percentile(took, 0.5),
            "p99": percentile(took, 0.99),
            "p99_time": percentile_by_time(took, 0.99),
        }

    async def _keep_busy(self, other: Client) -> None:
        while self._busy:
            await other.round_trip(TEXT)
