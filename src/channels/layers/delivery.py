"""The mailboxes of this process and who reads them: where a message meets its receiver.

A mailbox has one *listener* (a consumer, told by a call that something arrived) or any number of
*waiters* (``receive()`` callers, woken one for a message). Both may live on any event loop of any
thread; a message is put under the lock, and readers are woken after it, on their own loops.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, TypeAlias

from channels.exceptions import TooManyGroupsError
from channels.layers.deadlines import Deadlines
from channels.layers.drops import Drops
from channels.layers.groups import Memberships
from channels.layers.mailbox import Mailbox
from channels.layers.rules import CLOSE, CLOSING, DROP_NEWEST, DROP_OLDEST, SMALL_FRAME, Rules
from channels.layers.snapshot import Snapshot


class Reader(NamedTuple):
    """Somebody to call, on a loop of their own, when a message is there."""

    loop: asyncio.AbstractEventLoop
    wake: Callable[[], None]


Awake: TypeAlias = dict[asyncio.AbstractEventLoop, list[Callable[[], None]]]
"""Whom to call on each loop."""


class Box(Mailbox[Snapshot]):
    """A mailbox with its readers."""

    __slots__ = ("listener", "rules", "told_at", "waiters")

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.listener: Reader | None = None
        self.rules: Rules | None = None
        """Those of the consumer that reads it; else the layer's policy counts."""
        self.waiters: deque[Reader] | None = None
        self.told_at: float = float("-inf")
        """When a waiter was last told of a message. Until it runs it is in no other table."""

    @property
    def unread(self) -> bool:
        """Whether nobody is there to read it."""
        return self.listener is None and not self.waiters

    def next_reader(self, now: float) -> Reader | None:
        """Whom to tell of one new message: the one who waits longest, else the listener."""
        if self.waiters:
            self.told_at = now
            return self.waiters.popleft()
        return self.listener

    def fits(self, snapshot: Snapshot) -> bool:
        """Whether the bytes of a message may be added to those that wait."""
        most = None if self.rules is None else self.rules.most_bytes
        if most is None or snapshot.frame_bytes <= SMALL_FRAME or not self.items:
            return True
        sizes = [item.frame_bytes for _, item in self.items]
        waiting = sum(size for size in sizes if size > SMALL_FRAME)
        return not waiting or waiting + snapshot.frame_bytes <= most

    def drop_oldest(self, snapshot: Snapshot) -> int:
        """Make room for a message at the expense of older ones; how many."""
        dropped = 0
        while self.full() or not self.fits(snapshot):
            try:
                self.items.pop(0)
            except IndexError:  # the reader, who needs no lock, was quicker
                break
            dropped += 1
        return dropped

    def leave(self, loop: asyncio.AbstractEventLoop) -> None:
        """Strike out the readers that live on ``loop``."""
        if self.listener is not None and self.listener.loop is loop:
            self.listener = None
        if self.waiters:
            self.waiters = deque(reader for reader in self.waiters if reader.loop is not loop)


class Delivery:
    """Mailboxes by channel name. A mailbox is there while it has mail or a reader.

    Args:
        capacity_of: how many messages a channel holds.
        expiry: seconds that a message may wait.
        clock: seconds; only differences count.
        drops: where messages are counted that nobody read in time.
        on_full: what becomes of a message that finds no room, see :class:`Rules`.
    """

    def __init__(
        self,
        capacity_of: Callable[[str], int],
        expiry: float,
        clock: Callable[[], float],
        drops: Drops,
        on_full: str = DROP_NEWEST,
    ) -> None:
        self.boxes: dict[str, Box] = {}
        # Reentrant, because a layer holds it around several calls that belong together.
        self.lock: threading.RLock = threading.RLock()
        self._capacity_of = capacity_of
        self._expiry = expiry
        self.clock: Callable[[], float] = clock
        self.drops: Drops = drops
        self._on_full = on_full
        # Mailboxes with mail that nobody waits for: without a look from time to time the mail of
        # receivers that never come back would stay for ever.
        self._unread: Deadlines[str] = Deadlines(expiry)

    def put(self, channel: str, snapshot: Snapshot) -> bool:
        """Put a message into one mailbox; ``False`` where it is full."""
        with self.lock:
            full, awake = self.fill((channel,), snapshot)
        self.wake(awake)
        return not full

    def fill(
        self,
        channels: Iterable[str],
        snapshot: Snapshot,
        leave_out: Callable[[str], bool] | None = None,
    ) -> tuple[list[str], Awake]:
        """Put a message into many mailboxes; return the channels that were full, and the readers to
        :meth:`wake` once the lock is free again. Call it with the lock.

        Args:
            leave_out: asked about each channel that nobody reads; ``True`` for none of the message.
        """
        now = self.clock()
        expires_at = now + self._expiry
        item = (expires_at, snapshot)
        full: list[str] = []
        awake: Awake = {}
        last_loop: asyncio.AbstractEventLoop | None = None
        calls: list[Callable[[], None]] = []
        unread = 0
        small = snapshot.frame_bytes <= SMALL_FRAME
        find = self.boxes.get
        for channel in channels:
            box = find(channel)
            if box is not None and (listener := box.listener) is not None and not box.waiters:
                # A consumer's mailbox that has room: the path of all members of a large room.
                items = box.items
                if len(items) < box.capacity and small:
                    items.append(item)
                    loop, call = listener
                    if loop is not last_loop:
                        calls = awake.setdefault(loop, [])
                        last_loop = loop
                    calls.append(call)
                    continue
            if (
                leave_out is not None
                and (box is None or (box.listener is None and not box.waiters))
                and leave_out(channel)
            ):
                continue
            if box is None:
                box = self._open(channel)
            if not self._put(channel, box, item, now, awake):
                full.append(channel)
                self._settle(channel, box, now)
                continue
            reader = box.next_reader(now)
            if reader is not None:
                awake.setdefault(reader.loop, []).append(reader.wake)
            else:
                unread += 1
                self._unread.watch(channel, now)
        self._sweep(now, 2 * (unread + 1))
        return full, awake

    def _put(
        self, channel: str, box: Box, item: tuple[float, Snapshot], now: float, awake: Awake
    ) -> bool:
        """Put a message into a mailbox, or do what its policy says where it is full; whether the
        message is there now."""
        expires_at, snapshot = item
        if box.fits(snapshot) and box.put(snapshot, expires_at, now):
            return True
        box.drop_expired(now)
        rules = box.rules
        on_full = self._on_full if rules is None else rules.on_full
        if on_full == DROP_OLDEST and (dropped := box.drop_oldest(snapshot)):
            self.drops.count("full", dropped, f"channel {channel!r}")
        if box.fits(snapshot) and box.put(snapshot, expires_at, now):
            return True
        if snapshot.type == CLOSING and box.qsize() == box.capacity:
            # One more, so that a consumer that does not keep up can still be closed.
            box.items.append(item)
            return True
        if on_full == CLOSE and rules is not None and rules.overflow and box.listener is not None:
            awake.setdefault(box.listener.loop, []).append(rules.overflow)
        return False

    def wake(self, awake: Awake) -> None:
        """Call each reader on its loop, with one callback for each loop.

        Call it without the lock: the readers' code is not ours.
        """
        if not awake:
            return
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        for loop, calls in awake.items():
            # In the loop's next round, here as elsewhere: a send runs nothing of its receivers, and
            # an event of a client that is ready by now comes first.
            call_soon = loop.call_soon if loop is here else loop.call_soon_threadsafe
            try:
                call_soon(_wake_all, calls)
            except RuntimeError:
                self._forget_loop(loop)

    async def receive(self, channel: str) -> Snapshot:
        """Wait for a message.

        Cancellation: a message leaves the mailbox in the same step in which this returns, so a
        cancelled caller has taken nothing, and one that was already woken passes the call on.
        """
        loop = asyncio.get_running_loop()
        while True:
            with self.lock:
                box = self.boxes.get(channel)
                snapshot = None if box is None else self.take(channel, box)
                if snapshot is not None:
                    return snapshot
                box = self.boxes.get(channel) or self._open(channel)
                woken = loop.create_future()
                waiter = Reader(loop, partial(_resolve, woken))
                if box.waiters is None:
                    box.waiters = deque()
                box.waiters.append(waiter)
            try:
                await woken
            except BaseException:  # cancelled, or closed with its loop
                self._abandon(channel, box, waiter)
                raise

    def take_early(self, channel: str) -> Snapshot | None:
        """The oldest of several messages that wait. ``None`` for fewer, or where it has expired:
        that is for :meth:`receive`, which keeps account of mailboxes that become empty."""
        box = self.boxes.get(channel)
        if box is None or len(box.items) < 2:
            return None
        with self.lock:
            items = box.items
            if len(items) < 2 or items[0][0] <= self.clock():
                return None
            return items.pop(0)[1]

    def listen(self, channel: str, wake: Callable[[], None]) -> Box:
        """Have ``wake`` called on the running loop whenever ``channel`` gets a message, and soon if
        it has one already."""
        loop = asyncio.get_running_loop()
        with self.lock:
            box = self.boxes.get(channel) or self._open(channel)
            box.listener = Reader(loop, wake)
            if not box.empty():
                loop.call_soon(wake)
            return box

    def ignore(self, channel: str, box: Box) -> None:
        """End what :meth:`listen` began, and drop what was not read."""
        with self.lock:
            box.listener = None
            # Counted and not logged: that somebody left with mail unread is everyday life.
            self.drops.count("closed", box.qsize())
            box.clear()
            self._settle(channel, box, self.clock())

    def take(self, channel: str, box: Box) -> Snapshot | None:
        """The oldest message of ``box``, or ``None``."""
        now = self.clock()
        with self.lock:
            snapshot = box.take(now)
            self._settle(channel, box, now)
            return snapshot

    def last_read(self, channel: str, now: float) -> float:
        """When somebody was last seen to read the channel: ``now`` while somebody does, the
        beginning of time where its mailbox does not remember."""
        box = self.boxes.get(channel)
        if box is None:
            return float("-inf")
        return box.told_at if box.unread else now

    def listened_to(self, channel: str) -> bool:
        """Whether a consumer owns the channel."""
        box = self.boxes.get(channel)
        return box is not None and box.listener is not None

    def check_groups(self, group: str, channel: str, memberships: Memberships) -> None:
        """
        Raises:
            TooManyGroupsError: the channel's consumer may be in no further group.
        """
        box = self.boxes.get(channel)
        most = None if box is None or box.rules is None else box.rules.most_groups
        if most is not None and memberships.count(channel, group) >= most:
            raise TooManyGroupsError(group, channel, most)

    def drop_expired(self) -> None:
        """Look at every mailbox now, instead of when its reader or its time comes."""
        now = self.clock()
        with self.lock:
            for channel, box in list(self.boxes.items()):
                box.drop_expired(now)
                self._settle(channel, box, now)

    def clear(self) -> None:
        """Drop all mail. Readers keep their mailboxes."""
        now = self.clock()
        with self.lock:
            for channel, box in list(self.boxes.items()):
                box.clear()
                self._settle(channel, box, now)

    def _open(self, channel: str) -> Box:
        box = self.boxes[channel] = Box(self._capacity_of(channel))
        return box

    def _settle(self, channel: str, box: Box, now: float) -> None:
        """After mail or readers left a mailbox: close it, keep it under watch, or neither."""
        if box.expired:
            self.drops.count("expired", box.expired, f"channel {channel!r}")
            box.expired = 0
        if not box.unread or self.boxes.get(channel) is not box:
            return
        if box.empty():
            del self.boxes[channel]
            self._unread.forget(channel)
        else:
            self._unread.watch(channel, now)

    def _sweep(self, now: float, most: int) -> None:
        """Look at some mailboxes that were left unread for as long as a message may wait.

        Two looks for each mailbox that a send left unread keep up with all that sends can add, and
        no send pays for more than it touches.
        """
        for _ in range(most):
            channel = self._unread.pop_due(now)
            if channel is None:
                return
            box = self.boxes.get(channel)
            if box is not None:
                box.drop_expired(now)
                self._settle(channel, box, now)

    def _abandon(self, channel: str, box: Box, waiter: Reader) -> None:
        successor: Reader | None = None
        now = self.clock()
        with self.lock:
            if box.waiters and waiter in box.waiters:
                box.waiters.remove(waiter)
            elif not box.empty():
                # It was told of a message and cancelled before it looked: somebody else must look.
                successor = box.next_reader(now)
            self._settle(channel, box, now)
        if successor is not None:
            self.wake({successor.loop: [successor.wake]})

    def _forget_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """A loop was closed with readers on it: what they were told of is for others.

        Looks at every mailbox, but only once for each loop that ends this way.
        """
        now = self.clock()
        awake: Awake = {}
        with self.lock:
            for channel, box in list(self.boxes.items()):
                box.leave(loop)
                for _ in range(box.qsize()):
                    reader = box.next_reader(now)
                    if reader is None:
                        break
                    awake.setdefault(reader.loop, []).append(reader.wake)
                self._settle(channel, box, now)
        self.wake(awake)


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _wake_all(calls: list[Callable[[], None]]) -> None:
    for wake in calls:
        try:
            wake()
        except Exception as error:
            # One reader's fault keeps no other from being told.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "A reader of a channel could not be woken", "exception": error}
            )
