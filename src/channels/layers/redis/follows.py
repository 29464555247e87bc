"""The logs that this process follows on one server: announcements in, readings where they are due.

What a follower makes of either is decided in :mod:`channels.layers.following`.
"""

import asyncio
from typing import Any, NamedTuple, Protocol

from channels.exceptions import BrokerUnavailableError
from channels.layers.following import Entry, Follower, Gap, Heard, Reading
from channels.layers.redis.cluster import ClusterServer
from channels.layers.redis.connection import ReplyError, logger
from channels.layers.redis.scripts import FOLLOW
from channels.layers.redis.server import Server

MOST_READINGS = 128
"""Logs that are read at a time after a connection came back."""

MOST_ENTRIES = 500
"""Entries that one reading brings; what is left takes another."""

PATIENCE = 1.0
"""Seconds that a reading waits for a connection that is being opened."""

PAUSE = 0.2
"""Seconds before a reading that failed is tried again."""

LONGEST_REST = 30.0
"""Seconds between looks at a log that is silent, at most."""


class Reader(Protocol):
    """Whom a log's entries are for. Called on the loop, must not raise."""

    def deliver(self, entry: "Entry[Stored]") -> None:
        """The next entry."""

    def expired(self, count: int) -> None:
        """So many entries were read that had waited too long."""

    def missed(self, count: int | None) -> None:
        """A gap, here in the order of the entries."""

    def asks(self) -> None:
        """The log is about to be read."""

    def read(self, epoch: int, offset: int, *, to_end: bool) -> None:
        """It was read, and what is new in it was delivered. The follower stands there; whether that
        is the log's end."""


class Stored(NamedTuple):
    """What an entry holds."""

    data: bytes
    expired: bool


class Follow:
    """One log that is followed."""

    __slots__ = ("_waiters", "active", "channel", "follower", "key", "quiet", "reader")

    def __init__(self, key: bytes, channel: bytes, reader: Reader, *, from_start: bool) -> None:
        self.key: bytes = key
        self.channel: bytes = channel
        self.reader: Reader = reader
        self.follower: Follower[Stored] = Follower(from_start=from_start)
        self.active: bool = True
        self.quiet: bool = True
        """Whether nothing was announced since the last look."""
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def live(self) -> bool:
        """Whether every entry appended from now on will be delivered."""
        return not self.follower.reading

    async def wait_until_live(self, deadline: float) -> bool:
        """``False`` where it was not in time."""
        while self.follower.reading:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                async with asyncio.timeout_at(deadline):
                    await waiter
            except TimeoutError:
                return False
            finally:
                self._waiters.discard(waiter)
        return True

    def tell(self) -> None:
        """Those that wait: it is live."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


class Follows:
    """All logs that are followed on one server, by the channel on which they are announced.

    Args:
        keep: milliseconds that a log is kept after its last use.
        refresh_busy: whether a log that is written to needs to be kept by its followers, too.
    """

    def __init__(self, server: Server | ClusterServer, keep: int, *, refresh_busy: bool) -> None:
        self.by_channel: dict[bytes, Follow] = {}
        self.epochs: dict[bytes, bytes] = {}
        """By log, the epoch that it was last seen in; of logs that are not followed, too."""
        self.server_time: int = 0
        """The newest of the server's times (milliseconds) that was seen."""
        self._server = server
        self._keep = keep
        self._refresh_busy = refresh_busy
        self._loop = asyncio.get_running_loop()
        self._unread: dict[Follow, None] = {}
        self._reading: asyncio.Task[None] | None = None
        self._rest = max(0.1, min(LONGEST_REST, keep / 2000))
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def follow(
        self, key: bytes, channel: bytes, reader: Reader, *, from_start: bool = False
    ) -> Follow:
        """Begin to follow a log. It is live once it is subscribed to and read."""
        follow = self.by_channel[channel] = Follow(key, channel, reader, from_start=from_start)
        self._server.subscribe(channel)
        self._server.want()
        if self._timer is None:
            self._timer = self._loop.call_later(self._rest, self._look)
        return follow

    def unfollow(self, follow: Follow) -> None:
        """Hear no more of a log. At once, though announcements may still be under way."""
        follow.active = False
        self._unread.pop(follow, None)
        if self.by_channel.get(follow.channel) is follow:
            del self.by_channel[follow.channel]
            # Whoever sends to it again learns it again: nothing stays of groups that are over.
            self.epochs.pop(follow.key, None)
            self._server.unsubscribe(follow.channel)

    def subscribed(self, channel: bytes) -> None:
        """From now on everything is announced to us; what was before is in the log."""
        follow = self.by_channel.get(channel)
        if follow is not None:
            follow.follower.doubt()
            self._read_soon(follow)

    def look(self, follow: Follow) -> None:
        """Find out now whether a log has gone on."""
        if follow.follower.doubt():
            self._read_soon(follow)

    def heard(self, channel: bytes, announcement: bytes) -> None:
        """An announcement came."""
        follow = self.by_channel.get(channel)
        if follow is None:
            return
        follow.quiet = False
        head, _, data = announcement.partition(b" ")
        epoch, offset, entry_id = head.split(b"-", 2)
        entry = Entry(int(epoch), int(offset), entry_id, Stored(data, False))
        heard = follow.follower.hear(entry)
        if heard is Heard.NEXT:
            follow.reader.deliver(entry)
        elif heard is Heard.HOLE:
            self._read_soon(follow)

    def read_on(self) -> None:
        """Read what is to be read, if there is a connection for it."""
        if self._unread and self._reading is None and self._server.up:
            self._reading = self._loop.create_task(self._read_some())

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._reading is not None:
            self._reading.cancel()

    def _look(self) -> None:
        """Keep the logs, and find out whether one has gone on without a word to us.

        Pub/sub may lose an announcement without anybody noticing; an offset does not lie.
        """
        for follow in self.by_channel.values():
            if (follow.quiet or self._refresh_busy) and follow.follower.doubt():
                self._unread[follow] = None
            follow.quiet = True
        self.read_on()
        self._timer = self._loop.call_later(self._rest, self._look)

    def _read_soon(self, follow: Follow) -> None:
        self._unread[follow] = None
        self.read_on()

    async def _read_some(self) -> None:
        due = list(self._unread)[:MOST_READINGS]
        for follow in due:
            del self._unread[follow]
        try:
            await asyncio.gather(*map(self._read, due))
        finally:
            self._reading = None
            # Told when this task is over: who waited for it may be about to end the loop.
            self._loop.call_soon(self._read_on_after, due)

    def _read_on_after(self, done: list[Follow]) -> None:
        for follow in done:
            if follow.live:
                follow.tell()
        if not self._closed:
            self.read_on()

    async def _read(self, follow: Follow) -> None:
        follower = follow.follower
        if not follower.reading:
            return  # asked for twice, and the first one saw everything
        follower.starts()
        follow.reader.asks()
        since: tuple[int | str, int] = follower.epoch, follower.offset
        if not follower.epoch:
            since = "0" if follower.from_start else "", 0
        try:
            reply = await self._server.run(
                FOLLOW,
                follow.key,
                *since,
                self._keep,
                MOST_ENTRIES,
                deadline=self._loop.time() + PATIENCE,
            )
        except BrokerUnavailableError:
            # read_on() is called when a connection is back, but that may be another node's.
            self._loop.call_later(PAUSE, self._try_again, follow)
            return
        except ReplyError as error:
            # It cannot be read now (out of memory, for one); the next look tries again.
            logger.error("%s: the log %r cannot be read: %s", self._server.name, follow.key, error)
            self._loop.call_later(self._rest, self._try_again, follow)
            return
        if follow.active:
            self._take_in(follow, reply)

    def _try_again(self, follow: Follow) -> None:
        if follow.active and not self._closed:
            self._read_soon(follow)

    def _take_in(self, follow: Follow, reply: Any) -> None:
        epoch, offset, newest, now, rows = reply
        self.server_time = max(self.server_time, now)
        oldest = now - self._keep
        outcome = follow.follower.read(
            Reading(epoch, offset, newest, [_entry(row, oldest) for row in rows])
        )
        expired = 0
        for event in outcome.events:
            if isinstance(event, Gap):
                follow.reader.missed(event.missed)
            elif event.item.expired:
                expired += 1
            else:
                follow.reader.deliver(event)
        if expired:
            follow.reader.expired(expired)
        follower = follow.follower
        follow.reader.read(follower.epoch, follower.offset, to_end=not outcome.read_again)
        if outcome.read_again:
            self._unread[follow] = None


def _entry(row: Any, oldest: int) -> Entry[Stored]:
    position, (_, entry_id, _, time, _, data) = row
    epoch, _, offset = position.partition(b"-")
    return Entry(int(epoch), int(offset), entry_id, Stored(data, int(time) < oldest))
