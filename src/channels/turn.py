"""Whose turn it is: one handler at a time on a connection."""

import asyncio
from collections import deque


class Turn:
    """A mutex that is handed on in the order of asking, and costs no await while it is free.

    With two parties that both have work, the order of asking makes them alternate.
    """

    __slots__ = ("_queue", "taken")

    def __init__(self) -> None:
        self.taken: bool = False
        self._queue: deque[asyncio.Future[None]] | None = None

    def take_nowait(self) -> bool:
        """Take the turn if nobody has it."""
        if self.taken:
            return False
        self.taken = True
        return True

    async def take(self) -> None:
        """Wait for the turn. Cancellation: a turn that was just handed over is handed on."""
        if self.take_nowait():
            return
        if self._queue is None:
            self._queue = deque()
        waiter = asyncio.get_running_loop().create_future()
        self._queue.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self.give_back()
            elif waiter in self._queue:  # give_back() may have passed it over already
                self._queue.remove(waiter)
            raise

    def give_back(self) -> None:
        """Hand the turn to whoever waits longest."""
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.taken = False
