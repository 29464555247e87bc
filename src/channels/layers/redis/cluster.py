"""A Cluster with the face of one server: each key's commands and announcements at its node.

All of a group is one key, so every command is for one slot. Who has the slot is learnt from the
nodes: as a table (``CLUSTER SLOTS``) at the beginning, when a connection is lost and now and then;
and from each answer that says where else to go. None of that is the truth about what was delivered,
which is the log; it only has to become right again.

While a slot moves, its keys go over one by one. A key that has gone is served by the new node
(``ASK``), while the old one keeps the subscriptions until the slot is handed over: what is
announced at the new node then reaches nobody. So whoever was sent on by an ``ASK`` announces at the
old node once more. Followers skip what they know, and those who hear neither read the log when the
old node ends their subscription.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection

from channels.exceptions import BrokerUnavailableError
from channels.layers.redis.connection import (
    FOREVER,
    Commands,
    ConnectionLostError,
    Open,
    ReplyError,
    logger,
)
from channels.layers.redis.scripts import Script
from channels.layers.redis.server import NOT_NOW, PAUSE, Announce, Listener
from channels.layers.redis.shard_subscriber import ShardSubscriber
from channels.layers.redis.slots import (
    SLOTS,
    Address,
    Owners,
    Redirection,
    owners,
    redirection,
    slot_of,
)

REST = 15.0
"""Seconds between looks at the table when all is well: a node that was cut off from the others, and
from us not, would never say that it has lost its slots."""

HASTE = 0.5
"""Seconds between looks while a node that is wanted cannot be reached: another may have what it
had."""

PATIENCE = 2.0
"""Seconds that a node has to tell its table before another one is asked."""

KEPT = 30.0
"""Seconds that a node without slots keeps its connection after its last use: one that is being
filled has none yet, and is asked once for each key that went there."""

MOST_WAITING = 10_000
"""Callers that may wait for the first table at a time."""

MOST_REDIRECTIONS = 4
"""Times in a row that a command is sent on before there is a pause between them."""

OpenAt = Callable[[Address], Awaitable[AbstractConnection]]
"""Opens a connection to a node; see :data:`~channels.layers.redis.connection.Open`."""


class NodeCommands(Commands):
    """The connection to one node for commands; says when it was lost."""

    def __init__(self, open_connection: Open, name: str, on_lost: Callable[[], None]) -> None:
        super().__init__(open_connection, name)
        self._on_lost = on_lost

    @property
    def missing(self) -> bool:
        """Whether it is wanted and not there."""
        return self._connecting is not None

    def went_down(self) -> None:
        super().went_down()
        if not self.closed:
            self._on_lost()


class Node:
    """One node: its connections, which open when they are first used."""

    def __init__(
        self, address: Address, commands: NodeCommands, subscriber: ShardSubscriber
    ) -> None:
        self.address: Address = address
        self.commands: NodeCommands = commands
        self.subscriber: ShardSubscriber = subscriber
        self.used: float = 0.0
        """When, on the loop's clock."""

    @property
    def missing(self) -> bool:
        return self.commands.missing or self.subscriber.missing

    def close(self) -> None:
        self.commands.close()
        self.subscriber.close()


class ClusterServer:
    """See :class:`~channels.layers.redis.server.Server`, whose methods these are.

    Args:
        open_at: opens a connection to the node at an address.
        seeds: nodes to ask first; one that answers is enough.
        name: what the log calls the Cluster.
        listener: told of announcements.
    """

    publish_command: bytes = b"SPUBLISH"

    def __init__(
        self, open_at: OpenAt, seeds: Iterable[Address], name: str, listener: Listener
    ) -> None:
        self.name: str = name
        self._open_at = open_at
        self._seeds = [Address(*seed) for seed in seeds]
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._nodes: dict[Address, Node] = {}
        self._owners: Owners = [None] * SLOTS
        self._known = False
        self._places: dict[bytes, Node | None] = {}
        """Every channel that is wanted, and the node that was asked for it."""
        self._refusals: dict[bytes, int] = {}
        """How often in a row a channel was refused."""
        self._learning: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    # The face of a server.

    @property
    def up(self) -> bool:
        """Whether some node takes commands."""
        return any(node.commands.up for node in self._nodes.values())

    def want(self) -> None:
        """Find out who has what, unless that is known."""
        if not self._known:
            self._learn()

    async def run(
        self,
        script: Script,
        key: bytes,
        *args: Any,
        again: tuple[Any, ...] | None = None,
        deadline: float = FOREVER,
        patient: bool = True,
        announce: Announce | None = None,
    ) -> Any:
        """Run a script on the node that has ``key``, until it was run for certain.

        Args:
            announce: what the script announced, to announce it where the subscribers are if it was
                run elsewhere.

        Raises:
            BrokerUnavailableError: not before the deadline. It may have been run.
            ReplyError: the script, or the node, refused.
        """
        slot = slot_of(key)
        asked: Node | None = None  # a node that sent us on for once
        node: Node | None = None
        redirections = 0
        while True:
            if node is None:
                node = await self._owner(slot, deadline, patient)
            try:
                await self._ready(node, deadline, patient)
                reply = await self._evaluate(node, script, key, args, asking=asked is not None)
            except ConnectionLostError as error:
                self._check(deadline, error)
                if again is not None:
                    args = again
            except _Elsewhere:
                pass
            except ReplyError as error:
                there = redirection(str(error), node.address)
                if there is None and error.code not in NOT_NOW:
                    raise
                self._check(deadline, error)
                redirections += 1
                asked, node = await self._go(node, there, redirections)
                continue
            else:
                if asked is not None and announce is not None and asked.commands.up:
                    _forget(asked.commands.call(b"SPUBLISH", *announce(reply)))
                return reply
            node = asked = None

    async def _go(
        self, node: Node, there: Redirection | None, times: int
    ) -> tuple[Node | None, Node | None]:
        """What follows from a refusal: who sends us on for once, if that is it, and whom to ask
        next; ``None`` for the owner."""
        if there is None:
            self._learn()
            await asyncio.sleep(PAUSE)
            return None, None
        if times % MOST_REDIRECTIONS == 0:
            await asyncio.sleep(PAUSE)
        if there.for_once:
            return node, self._node(there.address)
        self._moved(there.slot, there.address)
        return None, self._node(there.address)

    def subscribe(self, channel: bytes) -> None:
        """Hear what is announced on a channel; ``on_subscribed`` tells from when on."""
        if channel not in self._places:
            self._places[channel] = None
            self._place(channel)

    def unsubscribe(self, channel: bytes) -> None:
        node = self._places.pop(channel, None)
        self._refusals.pop(channel, None)
        if node is not None:
            node.subscriber.leave(channel)

    async def delete_keys(self, pattern: bytes) -> None:
        """Delete every key whose name matches a glob, on every node."""
        deadline = self._loop.time() + 10
        for address in {await self._address(slot, deadline) for slot in range(SLOTS)}:
            commands = self._node(address).commands
            await commands.ready(deadline)
            cursor: Any = b"0"
            while True:
                cursor, keys = await commands.call(
                    b"SCAN", cursor, b"MATCH", pattern, b"COUNT", 1000
                )
                # One by one: they are in as many slots.
                await asyncio.gather(*(commands.call(b"UNLINK", key) for key in keys))
                if int(cursor) == 0:
                    break

    def close(self) -> None:
        """Close the connections. Commands under way raise."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._learning is not None:
            self._learning.cancel()
        for node in self._nodes.values():
            node.close()
        self._tell_waiters()

    # Commands.

    async def _owner(self, slot: int, deadline: float, patient: bool) -> Node:
        return self._node(await self._address(slot, deadline, patient))

    async def _address(self, slot: int, deadline: float, patient: bool = True) -> Address:
        """Who has a slot, after finding out if need be."""
        while (address := self._owners[slot]) is None:
            if self._closed:
                raise BrokerUnavailableError(f"The layer's connection to {self.name} was closed.")
            self._learn()
            if len(self._waiters) >= MOST_WAITING:
                raise self._unavailable(f"and {MOST_WAITING} calls wait for it already")
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.add(waiter)
            try:
                async with asyncio.timeout_at(deadline):
                    await waiter
            except TimeoutError:
                raise self._unavailable("until the call's deadline") from self._failure
            finally:
                self._waiters.discard(waiter)
            if self._owners[slot] is None and not patient:
                raise self._unavailable("and the layer is told not to wait (on_outage='raise')")
        return address

    async def _ready(self, node: Node, deadline: float, patient: bool) -> None:
        """Wait for a node.

        Raises:
            _Elsewhere: its slots are another's meanwhile, or may be.
        """
        node.used = self._loop.time()
        while not node.commands.clear:
            soon = self._loop.time() + HASTE
            try:
                await node.commands.ready(min(deadline, soon), patient=patient)
            except BrokerUnavailableError:
                in_vain = self._loop.time() >= soon or node.commands.closed
                if deadline <= soon or not patient or self._closed or not in_vain:
                    raise
                self._learn()
                raise _Elsewhere from None

    async def _evaluate(
        self, node: Node, script: Script, key: bytes, args: Sequence[Any], *, asking: bool
    ) -> Any:
        commands = node.commands
        # Valid for the very next command; nothing comes between two calls without an await.
        if asking:
            _forget(commands.call(b"ASKING"))
        try:
            return await commands.call(b"EVALSHA", script.sha, 1, key, *args)
        except ReplyError as error:
            if error.code != "NOSCRIPT":
                raise
        if asking:
            _forget(commands.call(b"ASKING"))
        return await commands.call(b"EVAL", script.source, 1, key, *args)

    def _check(self, deadline: float, error: Exception) -> None:
        if self._loop.time() >= deadline:
            raise BrokerUnavailableError(
                f"{self.name} did not answer before the call's deadline: {error} The message may "
                "have arrived."
            ) from error

    def _unavailable(self, reason: str) -> BrokerUnavailableError:
        return BrokerUnavailableError(
            f"No node of {self.name} says who has the key, {reason}"
            + (f": {self._failure}" if self._failure is not None else ".")
        )

    # Subscriptions.

    def _place(self, channel: bytes) -> None:
        """Have the owner's node tell us, and no other."""
        if channel not in self._places or self._closed:
            return
        address = self._owners[slot_of(channel)]
        if address is None:
            self._learn()  # which places it
            return
        node, before = self._node(address), self._places[channel]
        if before is not None and before is not node:
            before.subscriber.leave(channel)
        self._places[channel] = node
        node.subscriber.join(channel)
        self._look_again(HASTE)

    def _subscribed(self, channel: bytes) -> None:
        self._refusals.pop(channel, None)
        if channel in self._places:
            self._listener.on_subscribed(channel)

    def _refused(self, address: Address, channel: bytes, error: str) -> None:
        """A node does not have the channel's slot, or has nothing to say now."""
        node = self._places.get(channel)
        if node is None or node.address != address:
            return
        self._places[channel] = None
        self._refusals[channel] = refusals = self._refusals.get(channel, 0) + 1
        redirected = redirection(error, node.address)
        if redirected is not None:
            self._moved(redirected.slot, redirected.address)
        else:
            if error.partition(" ")[0] not in NOT_NOW:
                logger.error("%s refuses a subscription: %s", node.commands.name, error)
            self._learn()
        if redirected is not None and refusals < MOST_REDIRECTIONS:
            self._place(channel)
        else:
            self._loop.call_later(PAUSE * min(refusals, 20), self._place, channel)

    # Who has what.

    def _node(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            name = f"{self.name} at {address}"

            async def open_connection() -> AbstractConnection:
                return await self._open_at(address)

            node = self._nodes[address] = Node(
                address,
                NodeCommands(open_connection, name, self._learn),
                ShardSubscriber(
                    open_connection,
                    name,
                    on_message=self._listener.on_message,
                    on_subscribed=self._subscribed,
                    on_refused=lambda channel, error: self._refused(address, channel, error),
                ),
            )
            node.commands.when_up(self._listener.on_up)
            node.used = self._loop.time()
        return node

    def _moved(self, slot: int, address: Address) -> None:
        """A node's word for one slot. Where one has moved, others may have."""
        if self._owners[slot] != address:
            self._owners[slot] = address
            self._look_again(HASTE)

    def _look_again(self, seconds: float) -> None:
        """Look at the table in so many seconds, or earlier if that was planned."""
        if self._closed:
            return
        when = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        self._learn()

    def _learn(self) -> None:
        """Ask for the table, unless that is under way."""
        if self._learning is None and not self._closed:
            self._learning = self._loop.create_task(self._ask_for_table())

    async def _ask_for_table(self) -> None:
        try:
            found = await self._table()
        finally:
            self._learning = None
        if found is not None:
            self._failure = None
            self._known = True
            self._take_over(found)
        missing = any(node.missing for node in self._nodes.values())
        most = HASTE if found is None or missing or None in self._owners else REST
        # A random part of it, so that all processes do not come at once.
        self._look_again(random.uniform(most / 2, most))  # noqa: S311
        self._tell_waiters()

    async def _table(self) -> Owners | None:
        """The table of the first node that tells it: those first to which there is a connection."""
        known = list(self._nodes.values())
        random.shuffle(known)
        there = [node.address for node in known if node.commands.up]
        for address in dict.fromkeys([*there, *self._seeds, *self._nodes]):
            commands = self._node(address).commands
            try:
                async with asyncio.timeout(PATIENCE):
                    await commands.ready(self._loop.time() + PATIENCE, patient=False)
                    return owners(await commands.call(b"CLUSTER", b"SLOTS"), address)
            except (BrokerUnavailableError, ConnectionLostError, ReplyError, TimeoutError) as error:
                self._failure = error
        return None

    def _take_over(self, found: Owners) -> None:
        if found != self._owners:
            self._owners = found
            for channel, place in list(self._places.items()):
                if place is None or found[slot_of(channel)] != place.address:
                    self._place(channel)
        old = self._loop.time() - KEPT
        in_use = {*found, *(node.address for node in self._places.values() if node is not None)}
        for address in self._nodes.keys() - in_use:
            # Also a seed under a name that the nodes do not use.
            if self._nodes[address].used < old or self._nodes[address].missing:
                self._nodes.pop(address).close()

    def _tell_waiters(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


class _Elsewhere(Exception):  # noqa: N818 - not an error
    """The node cannot be reached: who has its slots is looked up again."""


def _forget(answer: "asyncio.Future[Any]") -> None:
    """Leave an answer to itself: what follows tells what became of it."""
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())
