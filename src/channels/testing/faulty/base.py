"""The wrapper that every broken layer is made from."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar

from channels.layers import BaseChannelLayer, InMemoryChannelLayer
from channels.typing import Message

FAULTS: list[type["FaultyLayer"]] = []
"""Every broken layer, in the order of the checks."""


class FaultyLayer(BaseChannelLayer):
    """Passes everything on to an in-memory layer. A subclass breaks one thing.

    Args:
        shared: the layer to pass on to. Two faulty layers that share one stand for two processes.
        options: those of :class:`~channels.layers.InMemoryChannelLayer`, if there is no ``shared``.
    """

    extensions: ClassVar[list[str]] = InMemoryChannelLayer.extensions
    caught_by: ClassVar[frozenset[str]]
    """The checks that have to find this fault; all others must not."""

    def __init_subclass__(cls, *, caught_by: tuple[str, ...]) -> None:
        cls.caught_by = frozenset(caught_by)
        FAULTS.append(cls)

    def __init__(self, *, shared: InMemoryChannelLayer | None = None, **options: Any) -> None:
        self.inner: InMemoryChannelLayer = self.make_inner(**options) if shared is None else shared
        self.own: set[str] = set()
        """The channels that were made here."""

    @classmethod
    def make_inner(cls, **options: Any) -> InMemoryChannelLayer:
        """The layer that all is passed on to."""
        return InMemoryChannelLayer(**options)

    async def send(self, channel: str, message: Message) -> None:
        await self.inner.send(channel, message)

    async def receive(self, channel: str) -> Message:
        return await self.inner.receive(channel)

    async def new_channel(self) -> str:
        name = await self.inner.new_channel()
        self.own.add(name)
        return name

    async def flush(self) -> None:
        await self.inner.flush()

    async def close(self) -> None:
        await self.inner.close()

    async def group_add(self, group: str, channel: str) -> None:
        await self.inner.group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await self.inner.group_discard(group, channel)

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> Any:
        return await self.inner.group_send(group, message, exclude=exclude)

    def attach(self, channel: str, wake: Callable[[], None]) -> Any:
        return self.inner.attach(channel, wake)

    # What the faults look at.

    def waiting(self, channel: str) -> list[Any]:
        """The messages that wait in a channel, oldest first, as the in-memory layer keeps them."""
        box = self.inner.channels.get(channel)
        return [] if box is None else box.items  # pyright: ignore[reportPrivateUsage]

    def members(self, group: str) -> list[str]:
        """The channels in a group."""
        return list(self.inner.groups.get(group, ()))

    def swap_last_two(self, channel: str) -> None:
        """Let the message that came last overtake the one before it."""
        waiting = self.waiting(channel)
        if len(waiting) > 1:
            waiting[-1], waiting[-2] = waiting[-2], waiting[-1]


def is_general(channel: str) -> bool:
    """Whether any process may receive from a channel."""
    return "!" not in channel
