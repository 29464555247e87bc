"""``manage.py runworker`` over a broker: general channels between processes."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from channels.exceptions import ChannelFull
from channels.layers.redis import RedisChannelLayer
from tests.redis_servers import Server, redis_server
from tests.server.process import Process, manage

PROJECT = Path(__file__).parent / "project"
RUNS = "Running worker for channels"


@pytest.fixture
def server() -> Iterator[Server]:
    with redis_server("redis", keeps_data=True) as found:
        yield found


class Site:
    """Sends work from this process, starts workers, and gets what they report."""

    def __init__(self, server: Server, layer: RedisChannelLayer, channel: str) -> None:
        self.server = server
        self.layer = layer
        self._channel = channel
        self._number = 0

    def worker(self, name: str, *channels: str) -> AbstractContextManager[Process]:
        return manage(
            "runworker",
            *(channels or ("work",)),
            project=PROJECT,
            BROKER=self.server.url,
            WORKER=name,
        )

    async def send(self, number: int, kind: str = "work.do", channel: str = "work") -> list[int]:
        numbers = list(range(self._number, self._number + number))
        self._number += number
        for n in numbers:
            await self.layer.send(channel, {"type": kind, "n": n})
        return numbers

    async def reports(self, number: int) -> list[Any]:
        async with asyncio.timeout(30):
            return [await self.layer.receive(self._channel) for _ in range(number)]

    async def nothing_more(self) -> bool:
        try:
            await asyncio.wait_for(self.layer.receive(self._channel), 0.2)
        except TimeoutError:
            return True
        return False


@pytest.fixture
async def site(server: Server) -> AsyncIterator[Site]:
    layer = RedisChannelLayer(hosts=[server.url], capacity=1000)
    channel = await layer.new_channel()
    await layer.group_add("results", channel)
    yield Site(server, layer, channel)
    await layer.close()


async def wait_for(worker: Process, text: str) -> None:
    await asyncio.to_thread(worker.wait_for, text)


async def end(worker: Process, number: signal.Signals = signal.SIGTERM) -> None:
    """Send a signal; see that the worker ends at once and has nothing to complain of."""
    worker.send(number)
    await ended(worker)


async def ended(worker: Process) -> None:
    status, took = await asyncio.to_thread(worker.end)
    assert (status, "Traceback" in worker.text) == (0, False), worker.text
    assert "Warning" not in worker.text, worker.text
    assert took < 8, "it waited for something"


def numbers(reports: list[Any]) -> list[int]:
    return [report["n"] for report in reports]


@pytest.mark.parametrize("channel", ["work", "syncwork"])
async def test_what_was_sent_before_it_ran_and_what_is_sent_meanwhile(
    site: Site, channel: str
) -> None:
    before = await site.send(50, channel=channel)
    with site.worker("one", channel) as worker:
        assert numbers(await site.reports(50)) == before
        meanwhile = await site.send(50, channel=channel)
        assert numbers(await site.reports(50)) == meanwhile
        assert await site.nothing_more()
        await end(worker)
    # Those of this process; nothing of the worker's.
    left = await asyncio.to_thread(site.server.clients)
    assert len(left) == 2


async def test_each_message_to_one_of_the_workers(site: Site) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(site.worker(name)) for name in ("one", "two", "three")]
        for worker in workers:
            await wait_for(worker, RUNS)
        sent = await site.send(300)
        reports = await site.reports(300)
        assert sorted(numbers(reports)) == sent
        assert await site.nothing_more()
        shares = Counter(report["worker"] for report in reports)
        assert set(shares) == {"one", "two", "three"}, shares
        for worker in workers:
            await end(worker)


async def test_it_ends_after_the_message_in_hand_and_the_next_one_goes_on(site: Site) -> None:
    with site.worker("one") as worker:
        held = await site.send(1, "work.hold")
        await wait_for(worker, f"holding {held[0]}")
        rest = await site.send(20)
        worker.send(signal.SIGTERM)
        await wait_for(worker, "ends after 1 message")
        worker.say("")
        await ended(worker)
    assert [(r["n"], r["worker"]) for r in await site.reports(1)] == [(held[0], "one")]
    assert await site.nothing_more()
    with site.worker("two") as worker:
        assert numbers(await site.reports(20)) == rest
        assert await site.nothing_more()
        await end(worker, signal.SIGINT)


async def test_a_killed_worker_costs_the_message_in_hand_and_no_other(site: Site) -> None:
    with ExitStack() as stack:
        victim = stack.enter_context(site.worker("victim"))
        await wait_for(victim, RUNS)
        held = await site.send(1, "work.hold")
        await wait_for(victim, f"holding {held[0]}")
        rest = await site.send(50)
        victim.send(signal.SIGKILL)
        heir = stack.enter_context(site.worker("heir"))
        assert numbers(await site.reports(50)) == rest
        assert await site.nothing_more()
        await end(heir)


async def test_a_broker_that_goes_and_comes_back(site: Site) -> None:
    with site.worker("one") as worker:
        first = await site.send(10)
        assert numbers(await site.reports(10)) == first
        await asyncio.to_thread(site.server.restart)
        second = await site.send(50)
        assert numbers(await site.reports(50)) == second
        assert await site.nothing_more()
        await end(worker)


async def test_connections_that_are_cut(site: Site) -> None:
    with site.worker("one") as worker:
        await wait_for(worker, RUNS)
        sent: list[int] = []
        for _ in range(10):
            sent += await site.send(20)
            await asyncio.to_thread(site.server.kill_clients)
        got = numbers(await site.reports(200))
        assert got == sent
        assert await site.nothing_more()
        await end(worker)


async def test_a_broker_that_is_away_when_it_starts(site: Site) -> None:
    await asyncio.to_thread(site.server.stop)
    with site.worker("one") as worker:
        await wait_for(worker, "No connection to redis://")
        await asyncio.to_thread(site.server.start)
        sent = await site.send(5)
        assert numbers(await site.reports(5)) == sent
        await end(worker)


async def test_it_ends_while_the_broker_is_away(site: Site) -> None:
    with site.worker("one") as worker:
        sent = await site.send(1)
        assert numbers(await site.reports(1)) == sent
        await asyncio.to_thread(site.server.stop)
        await end(worker)
    await asyncio.to_thread(site.server.start)


async def test_a_full_channel(site: Site) -> None:
    layer = RedisChannelLayer(hosts=[site.server.url], capacity=10)
    for n in range(10):
        await layer.send("work", {"type": "work.do", "n": n})
    with pytest.raises(ChannelFull):
        await layer.send("work", {"type": "work.do", "n": 10})
    await layer.close()
    with site.worker("one") as worker:
        assert numbers(await site.reports(10)) == list(range(10))
        assert await site.nothing_more()
        await end(worker)
