"""``python -m benchmarks.drivers``: what a publish of the Redis layer costs by each driver.

The same script with the same arguments over redis-py's asyncio client, coredis, valkey-glide and
the layer's own connection; and, instead of the script, a MULTI/EXEC transaction. One process, one
server, slices that alternate. Needs this package on the path; a driver that is not installed is
named and left out.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple

from redis.asyncio import Redis

from benchmarks.broker import Broker
from benchmarks.clocks import Stopwatch
from benchmarks.numbers import duration, short
from channels.layers.redis.connection import Commands
from channels.layers.redis.entries import parse_hosts
from channels.layers.redis.scripts import PUBLISH

BASELINE = "redis-py"
TASKS = (1, 50)
WARM_UP = 0.1

CAPACITY, KEEP_MS = b"100", b"60000"
ENTRY_ID, PAYLOAD = b"0123456789ab", b"x" * 200

Send = Callable[[], Awaitable[object]]


class Log(NamedTuple):
    """A log of its own for each contender, so that its end tells how often it was appended to."""

    port: int
    key: bytes
    channel: bytes
    epoch: bytes

    def script_args(self) -> tuple[bytes, ...]:
        """What the layer passes to publish.lua for a group whose epoch it knows."""
        always, first_attempt = b"1", b""
        return (
            *(ENTRY_ID, PAYLOAD, CAPACITY, KEEP_MS, self.channel),
            *(b"PUBLISH", always, self.epoch, first_attempt),
        )

    def transaction(self) -> tuple[tuple[bytes, ...], ...]:
        """The script's commands without its decisions: the announcement cannot say the position,
        the entry not the server's time, and a log of another epoch is not begun again."""
        return (
            (
                *(b"XADD", self.key, b"NOMKSTREAM", b"MAXLEN", b"~", CAPACITY),
                *(self.epoch + b"-*", b"i", ENTRY_ID, b"t", b"0", b"d", PAYLOAD),
            ),
            (b"PEXPIRE", self.key, KEEP_MS),
            (b"PUBLISH", self.channel, ENTRY_ID + b" " + PAYLOAD),
        )


Contender = Callable[[Log], AbstractAsyncContextManager[Send]]


@asynccontextmanager
async def redis_py(log: Log) -> AsyncIterator[Send]:
    sha, args = PUBLISH.sha.decode(), log.script_args()
    async with Redis(host="127.0.0.1", port=log.port) as client:
        yield lambda: client.evalsha(sha, 1, log.key, *args)


@asynccontextmanager
async def redis_py_transaction(log: Log) -> AsyncIterator[Send]:
    commands = log.transaction()
    async with Redis(host="127.0.0.1", port=log.port) as client:

        async def send() -> None:
            pipeline = client.pipeline(transaction=True)
            for command in commands:
                pipeline.execute_command(*command)
            await pipeline.execute()

        yield send


@asynccontextmanager
async def with_coredis(log: Log) -> AsyncIterator[Send]:
    coredis: Any = import_module("coredis")
    sha, keys, args = PUBLISH.sha, [log.key], list(log.script_args())
    async with coredis.Redis(host="127.0.0.1", port=log.port) as client:
        yield lambda: client.evalsha(sha, keys=keys, args=args)


@asynccontextmanager
async def with_glide(log: Log) -> AsyncIterator[Send]:
    glide: Any = import_module("glide")
    address = glide.NodeAddress("127.0.0.1", log.port)
    script, keys, args = glide.Script(PUBLISH.source), [log.key], list(log.script_args())
    client = await glide.GlideClient.create(glide.GlideClientConfiguration([address]))
    try:
        yield lambda: client.invoke_script(script, keys=keys, args=args)
    finally:
        await client.close()


@asynccontextmanager
async def own_commands(port: int) -> AsyncIterator[Commands]:
    (host,) = parse_hosts([f"redis://127.0.0.1:{port}"])
    commands = Commands(host.connect, host.name)
    await commands.ready(asyncio.get_running_loop().time() + 10)
    try:
        yield commands
    finally:
        commands.close()


@asynccontextmanager
async def own(log: Log) -> AsyncIterator[Send]:
    args = (b"EVALSHA", PUBLISH.sha, 1, log.key, *log.script_args())
    async with own_commands(log.port) as commands:
        yield lambda: commands.call(*args)


@asynccontextmanager
async def own_transaction(log: Log) -> AsyncIterator[Send]:
    queued = log.transaction()
    async with own_commands(log.port) as commands:

        def send() -> Awaitable[object]:
            # Put into the buffer in one go: nothing of another task comes between them.
            commands.call(b"MULTI")
            for command in queued:
                commands.call(*command)
            return commands.call(b"EXEC")

        yield send


CONTENDERS: dict[str, tuple[str, Contender]] = {
    BASELINE: ("redis", redis_py),
    "coredis": ("coredis", with_coredis),
    "valkey-glide": ("valkey-glide", with_glide),
    "own connection": ("raceway", own),
    "redis-py, transaction": ("redis", redis_py_transaction),
    "own connection, transaction": ("raceway", own_transaction),
}
"""The distribution of each, and how it publishes. The baseline comes first."""


@dataclass(frozen=True)
class Sample:
    """One slice: publishes a second, and seconds of CPU for each of them here and in the server."""

    rate: float
    client: float
    server: float


async def measure(send: Send, tasks: int, seconds: float, broker: Broker) -> tuple[int, Sample]:
    """Publish for a while from so many tasks, each waiting for its answer before the next."""
    before = broker.cpu()
    clock = Stopwatch(seconds)

    async def publish() -> int:
        count = 0
        while clock.running():
            await send()
            count += 1
        return count

    count = sum(await asyncio.gather(*(publish() for _ in range(tasks))))
    took = clock.read()
    used = broker.cpu() - before
    return count, Sample(count / took["wall"], took["cpu"] / count, used / count)


async def open_log(port: int, name: str) -> Log:
    key = b"asgi:{g:%s}" % name.replace(" ", "-").encode()
    log = Log(port, key, key + b":announcements", b"")
    async with Redis(host="127.0.0.1", port=port) as client:
        await client.script_load(PUBLISH.source)
        # The first entry, offset 1, draws the epoch.
        position, _ = await client.evalsha(PUBLISH.sha.decode(), 1, key, *log.script_args())
    return log._replace(epoch=position.partition(b"-")[0])


async def check(log: Log, name: str, published: int) -> None:
    """What was counted is in the log."""
    async with Redis(host="127.0.0.1", port=log.port) as client:
        newest: Any = await client.xrevrange(log.key, count=1)
    position = newest[0][0]
    if position != b"%s-%d" % (log.epoch, published + 1):
        raise AssertionError(f"{name} published {published} times, its log ends at {position!r}")


Results = dict[int, dict[str, list[Sample]]]
"""By the number of tasks and the contender: a sample of each pair of slices."""


async def compare(broker: Broker, seconds: float, pairs: int) -> tuple[Results, list[str]]:
    """Measure whoever is installed; the names of the others come second."""
    missing: list[str] = []
    async with AsyncExitStack() as stack:
        sends: dict[str, Send] = {}
        logs: dict[str, Log] = {}
        for name, (_, contender) in CONTENDERS.items():
            log = await open_log(broker.port, name)
            try:
                sends[name] = await stack.enter_async_context(contender(log))
            except ModuleNotFoundError as error:
                missing.append(f"{name} (no module {error.name!r})")
            else:
                logs[name] = log
        published = dict.fromkeys(sends, 0)
        results: Results = {tasks: {name: [] for name in sends} for tasks in TASKS}
        for tasks in TASKS:
            for name, send in sends.items():
                count, _ = await measure(send, tasks, min(WARM_UP, seconds), broker)
                published[name] += count
            for pair in range(pairs):
                # To and fro, so that what gets slower or faster with time favours nobody.
                for name in list(sends)[:: -1 if pair % 2 else 1]:
                    count, sample = await measure(sends[name], tasks, seconds, broker)
                    published[name] += count
                    results[tasks][name].append(sample)
        for name, log in logs.items():
            await check(log, name, published[name])
    return results, missing


def table(samples: dict[str, list[Sample]]) -> str:
    """Medians of each contender; ratios to the baseline are medians over the pairs of slices."""
    head = ("publishes/s", "CPU each", "server's CPU", "speed", "CPU", "server's")
    lines = [f"{'':30}" + "".join(f"{words:>14}" for words in head)]
    for name, taken in samples.items():
        pairs = list(zip(taken, samples[BASELINE], strict=True))
        cells = (
            short(statistics.median(one.rate for one in taken)),
            duration(statistics.median(one.client for one in taken)),
            duration(statistics.median(one.server for one in taken)),
            f"{statistics.median(one.rate / base.rate for one, base in pairs):.2f}x",
            f"{statistics.median(one.client / base.client for one, base in pairs):.2f}x",
            f"{statistics.median(one.server / base.server for one, base in pairs):.2f}x",
        )
        lines.append(f"{name:30}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)


def versions(names: list[str]) -> str:
    """What was measured, without this package, which may be on the path uninstalled."""
    found = dict.fromkeys(CONTENDERS[name][0] for name in names)
    return ", ".join(f"{name} {version(name)}" for name in (*found, "hiredis") if name != "raceway")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drivers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a slice (%(default)s)")
    parser.add_argument("--pairs", type=int, default=10, help="slices of each (%(default)s)")
    options = parser.parse_args()
    if options.seconds <= 0 or options.pairs < 1:
        parser.error("--seconds and --pairs must be above 0")
    broker = Broker()
    try:
        results, missing = asyncio.run(compare(broker, options.seconds, options.pairs))
    finally:
        broker.stop()
    print(f"Python {sys.version.split()[0]}, {versions(list(results[TASKS[0]]))}")
    for name in missing:
        print(f"left out: {name}")
    for tasks, samples in results.items():
        print(f"\n{tasks} task{'s' if tasks > 1 else ''}; ratios to {BASELINE}")
        print(table(samples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
