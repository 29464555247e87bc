"""How much a client may send: token buckets that look at the clock only now and then.

A bucket hands its tokens out in chunks. While a chunk lasts, a message costs two subtractions and
two comparisons (2 % of an echo between two coroutines); the clock is read, and the bucket filled
up, when the chunk is used up. A chunk is taken off the size of the bucket, so that the burst is
never exceeded: a client gets between 15/16 of it and all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from channels.limits.values import CLOSE, DELAY, Limits
from channels.typing import Message, Receive

CHUNKS = 16
LEAST_IN_CHUNKS = 256
"""Smaller buckets are exact: a sixteenth of them is not worth it."""

TOO_BIG = 1009
POLICY_VIOLATION = 1008

UNLIMITED = 1 << 62
"""As many tokens as nobody ever uses."""


class Bucket:
    """A token bucket: ``burst`` tokens at most, ``rate`` new ones a second. Pure.

    Args:
        most: tokens that a chunk may have at most.
    """

    __slots__ = ("_at", "_chunk", "_rate", "_size", "_tokens")

    def __init__(self, rate: float, burst: float, now: float, most: int = UNLIMITED) -> None:
        self._rate = rate
        self._chunk = min(int(burst / CHUNKS), most) if burst >= LEAST_IN_CHUNKS else 0
        self._size = max(burst, 1.0) - self._chunk
        self._tokens = self._size
        self._at = now

    def draw(self, left: int, cost: int, now: float) -> int:
        """Make up for ``left``, which is below zero since ``cost`` was taken off it, and add a
        chunk, as far as the tokens go; what the caller has left then."""
        # What was owed before this cost is paid first; it is no reason to lose what has come since.
        room = self._size + max(0, -(left + cost))
        self._tokens = min(room, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        drawn = min(self._chunk - left, int(self._tokens))
        self._tokens -= drawn
        return left + drawn

    def seconds_for(self, tokens: int) -> float:
        """How long it takes until that many more have come."""
        return max(0.0, tokens - self._tokens) / self._rate


class Guard(Protocol):
    """Acts on what a meter finds."""

    def report(self, limit: str) -> None:
        """A message was not admitted: it is more than the limit of this name allows."""

    def close(self, code: int, reason: str) -> None:
        """A limit wants the connection closed. Called once."""


class Meter:
    """Watches what one client sends.

    A message passes when a token of the message bucket is left and the byte bucket is not empty; if
    it has more bytes than there are, the next message owes them. So a byte limit below the size of
    a message slows a client down and never locks it out.

    Args:
        guard: who is to act on what it finds.
        clock: seconds; only differences count.
        sleep: waits for a number of seconds.
    """

    __slots__ = (
        "_byte_bucket",
        "_bytes_left",
        "_clock",
        "_closing",
        "_delay",
        "_guard",
        "_limits",
        "_message_bucket",
        "_messages_left",
        "_sleep",
    )

    def __init__(
        self,
        limits: Limits,
        *,
        guard: Guard,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._limits = limits
        self._guard = guard
        self._clock = clock
        self._sleep = sleep
        # Filled by the first message: most connections of a large site say nothing.
        self._messages_left: int = 0
        self._bytes_left: int = 0
        self._message_bucket: Bucket | None = None
        self._byte_bucket: Bucket | None = None
        self._delay: float | None = None
        self._closing = False

    def admits(self, message: Message) -> bool:
        """Count a message. One that is not admitted goes to :meth:`hold_back`."""
        # The path of every message from a client: no call that can be done without, and no clock.
        text = message.get("text")
        if text is not None:
            size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        else:
            data = message.get("bytes")
            size = 0 if data is None else len(data)
        self._messages_left = messages_left = self._messages_left - 1
        # Never more than a message may have, so that too large a message is noticed here too.
        self._bytes_left = bytes_left = self._bytes_left - size
        if messages_left >= 0 and bytes_left >= 0:
            return True
        return self._admits_after_all(message, size)

    async def hold_back(self, message: Message, receive: Receive) -> Message:
        """What is to be handled in place of a message that was not admitted: itself, after a while,
        or a later one.

        Cancellation: the message is lost.
        """
        while True:
            if self._delay is not None:
                await self._sleep(self._delay)
                self._delay = None
                return message
            # A server that always has the next message ready must not keep the loop to itself.
            await asyncio.sleep(0)
            message = await receive()
            if self.admits(message):
                return message

    def _admits_after_all(self, message: Message, size: int) -> bool:
        if message.get("type") != "websocket.receive":
            self._messages_left += 1
            return True
        if self._closing:
            return False
        most = self._limits.message_bytes
        if most is not None and size > most:
            self._refuse("message_bytes", TOO_BIG, "Message too big")
            return False
        self._draw(size)
        if self._messages_left < 0:
            self._exceeded("messages_per_second", size, "Too many messages")
            return False
        if self._bytes_left + size <= 0 < size:
            self._exceeded("bytes_per_second", size, "Too many bytes")
            return False
        return True

    def _draw(self, size: int) -> None:
        """Fill up what is used up."""
        now, limits = self._clock(), self._limits
        most = limits.message_bytes or UNLIMITED
        if self._messages_left < 0:
            rate = limits.messages_per_second
            if rate is None:
                self._messages_left = UNLIMITED
            else:
                if self._message_bucket is None:
                    self._message_bucket = Bucket(rate, rate * limits.burst_seconds, now)
                self._messages_left = self._message_bucket.draw(self._messages_left, 1, now)
        if self._bytes_left < 0:
            rate = limits.bytes_per_second
            if rate is None:
                self._bytes_left = most
            else:
                if self._byte_bucket is None:
                    self._byte_bucket = Bucket(rate, rate * limits.burst_seconds, now, most)
                self._bytes_left = self._byte_bucket.draw(self._bytes_left, size, now)

    def _exceeded(self, limit: str, size: int, reason: str) -> None:
        action = self._limits.rate_action
        if action == CLOSE:
            self._refuse(limit, POLICY_VIOLATION, reason)
            return
        self._guard.report(limit)
        if action == DELAY:
            waits = [0.0]
            if self._message_bucket is not None:
                waits.append(self._message_bucket.seconds_for(-self._messages_left))
            if self._byte_bucket is not None:
                waits.append(self._byte_bucket.seconds_for(-(self._bytes_left + size)))
            self._delay = max(waits)
        else:
            # What is dropped costs nothing, or a client that goes on would never get through.
            self._messages_left += 1
            self._bytes_left = min(self._bytes_left + size, self._limits.message_bytes or UNLIMITED)

    def _refuse(self, limit: str, code: int, reason: str) -> None:
        self._closing = True
        self._guard.report(limit)
        self._guard.close(code, reason)
