"""Faults of ``flush``, ``close`` and of the push side."""

import asyncio
from collections.abc import Callable
from typing import Any

from channels.testing.faulty.base import FaultyLayer


class FlushKeepsMessages(FaultyLayer, caught_by=("flush",)):
    """``flush`` ends the memberships and keeps the messages."""

    async def flush(self) -> None:
        for group in list(self.inner.groups):
            for channel in self.members(group):
                await self.group_discard(group, channel)


class FlushKeepsMembers(FaultyLayer, caught_by=("flush_ends_memberships",)):
    """``flush`` drops the messages and keeps the memberships."""

    async def flush(self) -> None:
        groups = {group: self.members(group) for group in self.inner.groups}
        await super().flush()
        for group, members in groups.items():
            for channel in members:
                await self.group_add(group, channel)


class ClosesOnce(FaultyLayer, caught_by=("close",)):
    """Raises when it is closed a second time."""

    closed: bool = False

    async def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


class DoesNotWake(FaultyLayer, caught_by=("inbox", "inbox_tells_of_each")):
    """Never calls ``wake``."""

    def attach(self, channel: str, wake: Callable[[], None]) -> Any:
        return super().attach(channel, lambda: None)


class WakesOnceForMany(FaultyLayer, caught_by=("inbox_tells_of_each",)):
    """Calls ``wake`` once for all messages of the same moment."""

    def attach(self, channel: str, wake: Callable[[], None]) -> Any:
        told = False

        def forget() -> None:
            nonlocal told
            told = False

        def wake_once() -> None:
            nonlocal told
            if not told:
                told = True
                # Long enough for what was sent with the first.
                asyncio.get_running_loop().call_later(0.05, forget)
                asyncio.get_running_loop().call_later(0.05, wake)

        return super().attach(channel, wake_once)


class _StaysOpen:
    """An inbox that cannot be closed."""

    def __init__(self, attached: Any) -> None:
        self.take = attached.take

    def close(self) -> None:
        """Do nothing: this is the fault."""


class InboxStays(FaultyLayer, caught_by=("inbox_leaves_its_groups",)):
    """An inbox that was closed stays in its groups."""

    def attach(self, channel: str, wake: Callable[[], None]) -> Any:
        return _StaysOpen(super().attach(channel, wake))
