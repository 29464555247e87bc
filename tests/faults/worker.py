"""One process of a load: ``python -m tests.faults.worker CONFIGURATION``.

It has members, and tasks that send numbered messages. It is told what to do in lines of JSON and
answers each with one.
"""

import asyncio
import json
import logging
import random
import sys
from collections import defaultdict
from typing import Any

from tests.faults.account import Received, ranges

# Tasks that send at the same time, so that a cut connection has something under way.
SENDERS = 4


class Member:
    """What somebody who receives has got."""

    def __init__(self) -> None:
        self.received: dict[str, Received] = defaultdict(Received)
        self.gaps: list[Any] = []

    def attach(self, layer: Any, channel: str) -> None:
        """Be told of messages, as a consumer is, and take them at once."""
        self._inbox = layer.attach(channel, self._take)

    def _take(self) -> None:
        while (snapshot := self._inbox.take()) is not None:
            self.note(snapshot.message())

    def note(self, message: dict[str, Any]) -> None:
        if message["type"] == "group.gap":
            self.gaps.append([message["group"], message["missed"]])
        else:
            self.received[f"{message['way']} {message['sender']}"].note(message["number"])

    def report(self) -> dict[str, Any]:
        return {way: received.report() for way, received in self.received.items()}


class Worker:
    """See the module."""

    def __init__(self, config: dict[str, Any]) -> None:
        from channels.layers.redis import RedisChannelLayer

        self.name: str = config["name"]
        self.layer: Any = RedisChannelLayer(hosts=config["hosts"], **config["options"])
        self.pause: float = config["pause"]
        self.members: dict[str, Member] = {}
        self.returned: dict[str, list[int]] = defaultdict(list)
        self.raised: dict[str, list[int]] = defaultdict(list)
        self.errors: set[str] = set()
        self.background: list[asyncio.Task[None]] = []
        self.sending: list[asyncio.Task[None]] = []
        self.stop = asyncio.Event()
        self.never_read: list[Any] = []

    async def join(self, groups: list[str], members: int) -> list[str]:
        """Members of every group; the names of their channels."""
        for _ in range(members):
            channel = await self.layer.new_channel()
            self.members[channel] = member = Member()
            member.attach(self.layer, channel)
            for group in groups:
                await self.layer.group_add(group, channel)
        return list(self.members)

    async def join_deaf(self, groups: list[str]) -> str:
        """A member that never takes a message."""
        channel: str = await self.layer.new_channel("deaf")
        self.never_read.append(self.layer.attach(channel, lambda: None))
        for group in groups:
            await self.layer.group_add(group, channel)
        return channel

    async def receive_cancelled(self, groups: list[str], seed: int) -> str:
        """A member that waits in ``receive()`` and is cancelled at random points all the time."""
        channel: str = await self.layer.new_channel()
        for group in groups:
            await self.layer.group_add(group, channel)
        self.members[channel] = member = Member()
        self.background.append(asyncio.create_task(self._receive(channel, member, seed)))
        return channel

    async def take_jobs(self, channel: str, seed: int | None) -> str:
        """One of those that wait for work on a general channel; with ``seed`` a cancelled one."""
        name = f"{self.name}.job.{len(self.background)}"
        self.members[name] = member = Member()
        self.background.append(asyncio.create_task(self._receive(channel, member, seed)))
        return name

    async def _receive(self, channel: str, member: Member, seed: int | None) -> None:
        random_ = random.Random(seed)
        while True:
            task = asyncio.create_task(self.layer.receive(channel))
            try:
                # Not any more when nothing more is sent: what is there has to arrive, and who is
                # cancelled before two round trips are over gets nothing.
                if seed is not None and not self.stop.is_set():
                    for _ in range(random_.randrange(6)):
                        await asyncio.sleep(0)
                    if random_.random() < 0.7:
                        await asyncio.wait([task], timeout=random_.random() * 0.01)
                    task.cancel()
                await asyncio.wait([task])
            finally:
                task.cancel()
            if not task.cancelled():
                member.note(task.result())

    async def send(self, ways: list[str]) -> None:
        """Begin to send, by every way: ``group:name`` or ``channel:name``."""
        self.stop.clear()
        tasks = [asyncio.create_task(self._send(number, ways)) for number in range(SENDERS)]
        self.sending += tasks

    async def _send(self, number: int, ways: list[str]) -> None:
        from channels.exceptions import BrokerUnavailableError, ChannelFull

        sender = f"{self.name}.{number}"
        counter = 0
        while not self.stop.is_set():
            for way in ways:
                kind, _, name = way.partition(":")
                message = {"type": "load", "way": way, "sender": sender, "number": counter}
                call = self.layer.group_send if kind == "group" else self.layer.send
                try:
                    await call(name, message)
                except (BrokerUnavailableError, ChannelFull) as error:
                    self.errors.add(repr(error))
                    self.raised[f"{way} {sender}"].append(counter)
                else:
                    self.returned[f"{way} {sender}"].append(counter)
            counter += 1
            await asyncio.sleep(self.pause)

    async def finish_sending(self) -> dict[str, Any]:
        self.stop.set()
        await asyncio.gather(*self.sending)
        return {
            "returned": {way: ranges(found) for way, found in self.returned.items()},
            "raised": {way: ranges(found) for way, found in self.raised.items()},
            "errors": sorted(self.errors),
        }

    async def report(self) -> dict[str, Any]:
        return {
            "got": {channel: member.report() for channel, member in self.members.items()},
            "gaps": {channel: member.gaps for channel, member in self.members.items()},
            "drops": dict(self.layer.drops.counts),
        }

    async def end(self) -> None:
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        await self.layer.close()


async def _main(config: dict[str, Any]) -> None:
    worker = Worker(config)
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    # Until whoever started it goes.
    while line := await reader.readline():
        name, arguments = json.loads(line)
        answer = await getattr(worker, name)(*arguments)
        print(json.dumps(answer), flush=True)
        if name == "end":
            return


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(_main(json.loads(sys.argv[1])), debug=False)
