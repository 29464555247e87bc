"""Handlers of one connection that overlap: what ``max_concurrency`` above 1 asks for."""

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from channels.boundaries import BOUNDARIES, is_ending
from channels.ending import Ending
from channels.threads import use_strand
from channels.typing import Message

if TYPE_CHECKING:
    from channels.strands import Strand


class Overlap(Ending):
    """The part of a :class:`~channels.connection.Connection` that begins handlers and does not wait
    for them.

    Who begins one has the turn, so handlers begin in the order of their events; while no slot is
    free, it keeps the turn, and the server holds the client up.
    """

    __slots__ = ("_slots",)

    def __init__(self, consumer: Any, *args: Any, **options: Any) -> None:
        super().__init__(consumer, *args, **options)
        self._slots: asyncio.Semaphore | None = None
        most: int = consumer.max_concurrency
        if most > 1:
            self._overlaps = True
            self._slots = asyncio.Semaphore(most)
            self._overlapping = set()

    async def _overlap(self, message: Message) -> None:
        """Begin a handler when fewer than ``max_concurrency`` are in hand. The first event and the
        end overlap with nothing."""
        assert self._slots is not None and self._overlapping is not None  # noqa: PT018
        if message.get("type") in BOUNDARIES:
            if self._overlapping:
                if is_ending(message):
                    self._depart(message)
                await asyncio.wait(self._overlapping)
            await self._handle(message)
            return
        await self._slots.acquire()
        task = self.loop.create_task(self._guard(functools.partial(self._in_slot, message)))
        self._overlapping.add(task)
        task.add_done_callback(self._free_slot)

    async def _in_slot(self, message: Message) -> None:
        strand: Strand | None = None
        if self._strand is not None:
            # A strand is serial: one for each of those that overlap.
            strand = self._strand.sibling()
            use_strand(strand)
            if self._siblings is None:
                self._siblings = []
            self._siblings.append(strand)
        try:
            await self._handle(message)
        finally:
            if strand is not None and self._siblings is not None and not strand.busy:
                self._siblings.remove(strand)
                await strand.end()

    def _free_slot(self, task: "asyncio.Task[None]") -> None:
        assert self._slots is not None and self._overlapping is not None  # noqa: PT018
        self._overlapping.discard(task)
        self._slots.release()
