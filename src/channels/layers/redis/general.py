"""General channels: each message to one receiver, in whichever process one waits.

Messages are taken into this process's hand, as many as receivers wait, acknowledged, handed over.
What is acknowledged and finds its receiver gone is given back, to the front. What is in hand when
the connection is lost is looked at again; what a dead process has in hand is free after a while.
"""

import asyncio
from collections import deque
from contextlib import suppress
from secrets import token_hex
from typing import NamedTuple

from channels.exceptions import BrokerUnavailableError
from channels.layers.drops import Drops
from channels.layers.redis.connection import ReplyError, logger
from channels.layers.redis.follows import PATIENCE
from channels.layers.redis.scripts import ACKNOWLEDGE, GIVE_BACK, TAKE
from channels.layers.redis.shard import Shard

MOST_TAKEN = 64
"""Messages that are taken at a time."""

LEASE = 10.0
"""Seconds after which what is in a process's hand is taken by others. It is there for two round
trips; a process that holds it longer is dead, or cut off, and then finds it gone."""

LINGER = 30.0
"""Seconds after the last receiver until the channel is no longer listened to."""


class Taken(NamedTuple):
    """A message that was taken."""

    position: bytes
    data: bytes


class GeneralChannel:
    """One general channel as one hub receives from it. Used on the hub's loop only."""

    def __init__(
        self, shard: Shard, key: bytes, name: str, *, reader: str, keep: int, drops: Drops
    ) -> None:
        self.key: bytes = key
        self.channel: bytes = shard.channel(key)
        self.name: str = name
        self._server = shard.server
        self._shard = shard
        self._reader = reader
        self._keep = keep
        self._drops = drops
        self._loop = asyncio.get_running_loop()
        self._waiters: deque[asyncio.Future[Taken]] = deque()
        self._taking: asyncio.Task[None] | None = None
        self._returning: set[asyncio.Task[None]] = set()
        self._more = True
        """Whether something may be there."""
        self._doubt = False
        """Whether something may be in hand that nobody here knows of."""
        self._looked = float("-inf")
        self._used = self._loop.time()
        self._timer: asyncio.TimerHandle = self._loop.call_later(LEASE / 2, self._look)
        shard.listen(self)

    @property
    def idle(self) -> bool:
        return not (self._waiters or self._taking or self._returning)

    async def receive(self) -> bytes:
        """Wait for a message.

        Cancellation: what was taken for this call goes to another receiver.
        """
        waiter: asyncio.Future[Taken] = self._loop.create_future()
        self._waiters.append(waiter)
        self._used = self._loop.time()
        self._more = True
        self._go_on()
        try:
            return (await waiter).data
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self._hand_over(waiter.result())
            else:
                with suppress(ValueError):  # it was passed over already
                    self._waiters.remove(waiter)
            raise

    def heard(self) -> None:
        """A message was put into the channel, or may have been while nothing was heard of it."""
        self._more = True
        self._go_on()

    def up(self) -> None:
        """The connection came back."""
        self._go_on()

    async def close(self) -> None:
        """Give back what was handed to receivers that have gone. Bounded."""
        self._timer.cancel()
        if self._taking is not None:
            self._taking.cancel()
        self._shard.ignore(self)
        if self._returning:
            await asyncio.wait(self._returning, timeout=1)

    def _go_on(self) -> None:
        if self._taking is None and self._waiters and self._more:
            self._server.want()
            if self._server.up:
                self._taking = self._loop.create_task(self._take())

    def _look(self) -> None:
        """Look again now and then while somebody waits, and leave when nobody has for long."""
        now = self._loop.time()
        if self._waiters:
            self._used = now
            self._looked = float("-inf")
            self.heard()
        elif self.idle and now - self._used >= LINGER:
            self._shard.ignore(self)
            return
        self._timer = self._loop.call_later(LEASE / 2, self._look)

    async def _take(self) -> None:
        try:
            while self._waiters and self._more:
                self._more = False
                for taken in await self._acknowledged(await self._in_hand()):
                    self._hand_over(taken)
        except BrokerUnavailableError:
            # Whatever was being done, its outcome is looked at when the connection is back.
            self._more = self._doubt = True
            self._loop.call_later(0.2, self._go_on)
        except ReplyError as error:
            logger.error("%s: cannot take from %r: %s", self._server.name, self.name, error)
            self._more = self._doubt = True
            self._loop.call_later(LEASE / 4, self._go_on)
        finally:
            self._taking = None
        self._go_on()

    async def _in_hand(self) -> list[Taken]:
        most = min(len(self._waiters), MOST_TAKEN)
        now = self._loop.time()
        # Hands of the dead are looked into now and then.
        look = now - self._looked >= LEASE / 2
        doubt, self._doubt = self._doubt, True  # until the answer is here
        args = (self._reader, most, self._keep, int(LEASE * 1000) if look else "")
        expired, rows = await self._server.run(
            TAKE,
            self.key,
            *args,
            "1" if doubt else "0",
            # What an attempt has taken whose answer was lost is in our hand.
            again=(*args, "1"),
            deadline=self._loop.time() + PATIENCE,
        )
        self._doubt = False
        if look:
            self._looked = now
        if expired:
            self._drops.count("expired", expired, f"channel {self.name!r}")
            self._drops.report()
        if len(rows) >= most:
            self._more = True
        return [Taken(*row) for row in rows]

    async def _acknowledged(self, taken: list[Taken]) -> list[Taken]:
        """Those that are ours to hand over."""
        if not taken:
            return []
        taken_at = self._loop.time()
        positions = [each.position for each in taken]
        lost = False
        while True:
            try:
                again, answer = await self._server.run(
                    ACKNOWLEDGE,
                    self.key,
                    self._reader,
                    1 if lost else 0,
                    *positions,
                    again=(self._reader, 1, *positions),
                    deadline=self._loop.time() + PATIENCE,
                )
            except BrokerUnavailableError:
                lost = True
                await asyncio.sleep(0.1)
                self._server.want()
                continue
            break
        # An acknowledgement whose answer was lost is found done: by us, as long as nobody else
        # could have taken the message.
        done_before = again and self._loop.time() - taken_at < LEASE - 1
        return [each for each, mine in zip(taken, answer, strict=True) if mine or done_before]

    def _hand_over(self, taken: Taken) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(taken)
                return
        task = self._loop.create_task(self._give_back(taken))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _give_back(self, taken: Taken) -> None:
        word = f"{self._reader}.{token_hex(8)}"
        args = (self.channel, self._server.publish_command, word)
        # As long as it is worth anything: it is nowhere else.
        deadline = self._loop.time() + self._keep / 1000
        try:
            await self._server.run(GIVE_BACK, self.key, *args, taken.position, deadline=deadline)
        except (BrokerUnavailableError, ReplyError) as error:
            logger.warning("A message of %r could not be given back: %s", self.name, error)
            return
        with suppress(BrokerUnavailableError, ReplyError):
            await self._server.run(
                GIVE_BACK, self.key, *args, "", deadline=self._loop.time() + PATIENCE
            )
