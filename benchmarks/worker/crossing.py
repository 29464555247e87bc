"""Messages that cross from one process to another by way of a broker.

Two workers: the members of a group live in one, the other publishes. Beside the broker the two
talk over a socket of their own: how many messages are about to come, and that all have arrived.
"""

import asyncio
import json
from time import monotonic, perf_counter
from typing import Any

from benchmarks.apps.side import Side
from benchmarks.clocks import Stopwatch, percentile
from benchmarks.worker.wire import Arrivals, Wire
from benchmarks.worker.workload import Sample

GROUP = "crossing"

BATCH = 10
"""Messages that are on their way at the same time."""

PATIENCE = 60.0
"""Seconds after which a message that has not come will not come."""

PACE = 0.01
"""Seconds between two messages where their latency is measured."""


class TimedWire(Wire):
    """A client to whom every frame says when it was sent, by the clock that all processes share."""

    def __init__(self, arrivals: Arrivals, took: list[float]) -> None:
        super().__init__(arrivals)
        self._took = took
        self.send = self._timed_send

    async def _timed_send(self, event: dict[str, Any]) -> None:
        if event["type"] == "websocket.send":
            self._took.append(monotonic() - float(event["text"]))
        await self._send(event)


class Members:
    """``members`` connections of one group. A slice lasts as long as the publisher's connection;
    the unit is a member reached."""

    def __init__(self, side: Side, *, members: int) -> None:
        self._side = side
        self._arrivals = Arrivals()
        self._took: list[float] = []
        self._wires = [TimedWire(self._arrivals, self._took) for _ in range(members)]
        self._publishers: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.Queue()
        )
        self._server: asyncio.Server | None = None

    async def prepare(self) -> Sample:
        application = self._side.member(GROUP)
        for wire in self._wires:
            await wire.open(application)
        self._server = await asyncio.start_server(self._welcome, "127.0.0.1", 0)
        return {"port": self._server.sockets[0].getsockname()[1]}

    async def slice(self, seconds: float) -> Sample:
        self._took.clear()
        count = 0
        watch = Stopwatch()
        reader, writer = await self._publishers.get()
        while line := await reader.readline():
            expected = json.loads(line) * len(self._wires)
            arrived = self._arrivals.expect(expected)
            writer.write(b"ready\n")
            await asyncio.wait_for(arrived, PATIENCE)
            writer.write(b"all there\n")
            count += expected
        writer.close()
        return {
            "count": count,
            **watch.read(),
            "p50": percentile(self._took, 0.5),
            "p99": percentile(self._took, 0.99),
        }

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._publishers.put_nowait((reader, writer))


class Publisher:
    """Sends to the group; the next batch goes out when every member has the last one.

    Args:
        port: where :class:`Members` listens.
        paced: one message every hundredth of a second instead.
    """

    def __init__(self, side: Side, *, port: int, paced: bool) -> None:
        self._side = side
        self._port = port
        self._paced = paced

    async def prepare(self) -> None:
        """The layer connects when it is first used, which the slice that warms up does."""

    async def slice(self, seconds: float) -> Sample:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        count = 0
        watch = Stopwatch(seconds)
        while watch.running() or not count:
            began = perf_counter()
            size = 1 if self._paced else BATCH
            writer.write(json.dumps(size).encode() + b"\n")
            await reader.readline()
            await asyncio.gather(*(self._publish() for _ in range(size)))
            await asyncio.wait_for(reader.readline(), PATIENCE)
            count += size
            if self._paced:
                await asyncio.sleep(PACE - (perf_counter() - began))
        writer.close()
        await writer.wait_closed()
        return {"count": count, **watch.read()}

    async def _publish(self) -> None:
        await self._side.publish(GROUP, "handler", str(monotonic()))


class Sends:
    """``tasks`` tasks that send to a group as fast as they can; the unit is a send."""

    def __init__(self, side: Side, *, tasks: int) -> None:
        self._side = side
        self._tasks = tasks

    async def prepare(self) -> None:
        """See :meth:`Publisher.prepare`."""

    async def slice(self, seconds: float) -> Sample:
        watch = Stopwatch(seconds)
        counts = await asyncio.gather(*(self._send(watch) for _ in range(self._tasks)))
        return {"count": sum(counts), **watch.read()}

    async def _send(self, watch: Stopwatch) -> int:
        count = 0
        while watch.running() or not count:
            await self._side.publish(GROUP, "handler")
            count += 1
        return count
