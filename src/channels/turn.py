"""Whose turn it is: one handler at a time on a connection."""

import asyncio
from collections import deque


class Turn:
    """A mutex that is handed on in the order of asking, and costs no await while it is free.

    With two parties that both have work, the order of asking makes them alternate.
    """

    __slots__ = ("taken", "waiting")

    def __init__(self) -> None:
        self.taken: bool = False
        self.waiting: deque[asyncio.Future[None]] | None = None
        """Who has asked for it. Where nobody has, to clear :attr:`taken` is to give it back."""

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
        if self.waiting is None:
            self.waiting = deque()
        waiter = asyncio.get_running_loop().create_future()
        self.waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self.give_back()
            elif waiter in self.waiting:  # give_back() may have passed it over already
                self.waiting.remove(waiter)
            raise

    def give_back(self) -> None:
        """Hand the turn to whoever waits longest."""
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.taken = False
