"""Orders to every process that serves connections, such as to close those of a user.

They go through the ``default`` channel layer, as messages to one group that each process is a
member of: one membership for each event loop, however many connections it has. Layers that reach no
other process (the in-memory layer) are not used, and those that cannot tell of a message
(``attach``) neither.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from channels.exceptions import InvalidChannelLayerError
from channels.layers import get_channel_layer
from channels.layers.loop_end import Watch, at_loop_end
from channels.typing import Message

if TYPE_CHECKING:
    from channels.layers.base import Inbox

logger: logging.Logger = logging.getLogger("django.channels")

GROUP = "_channels.control"

PATIENCE = 1.0
"""Seconds that the first connection of a loop waits for the process to be a member."""

Obey = Callable[[Message], None]


def control_layer() -> Any:
    """The layer that orders go through, or ``None``."""
    layer = get_channel_layer()
    extensions = getattr(layer, "extensions", ())
    return layer if isinstance(extensions, Collection) and "processes" in extensions else None


class Member:
    """The membership of one event loop."""

    def __init__(self, layer: Any, obey: Obey) -> None:
        self.layer: Any = layer
        self._obey = obey
        self._inbox: Inbox | None = None
        self._end: Watch | None = None
        self._joining: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Be a member, or give up waiting for it after a second: a broker that is slow or gone
        keeps nobody from connecting. Whoever comes next tries again where it failed."""
        if self._inbox is not None:
            return
        if self._joining is None:
            self._joining = asyncio.create_task(self._join())
        await asyncio.wait([self._joining], timeout=PATIENCE)

    def leave(self) -> None:
        """End the membership."""
        self._end = None  # it holds the loop, and the table of members must not
        if self._inbox is not None:
            self._inbox.close()
            self._inbox = None

    async def _join(self) -> None:
        inbox: Inbox | None = None
        try:
            channel = await self.layer.new_channel()
            inbox = self.layer.attach(channel, self._read)
            if inbox is not None:
                await self.layer.group_add(GROUP, channel)
                self._inbox, inbox = inbox, None
                self._end = at_loop_end(self._leave_at_end)
        except Exception:
            logger.warning(
                "This process cannot be told to close connections: %s did not let it join.",
                type(self.layer).__name__,
                exc_info=True,
            )
        finally:
            self._joining = None
            if inbox is not None:
                inbox.close()

    async def _leave_at_end(self) -> None:
        self.leave()

    def _read(self) -> None:
        """A message was put into the mailbox. Called on the loop, in a callback of its own."""
        while self._inbox is not None and (snapshot := self._inbox.take()) is not None:
            try:
                self._obey(snapshot.message())
            except Exception:
                logger.exception("An order to this process could not be obeyed.")


_members: WeakKeyDictionary[asyncio.AbstractEventLoop, Member] = WeakKeyDictionary()


async def join(obey: Obey) -> None:
    """See to it that this process gets the orders. Costs two look-ups where it does already."""
    try:
        layer = control_layer()
    except InvalidChannelLayerError:
        return  # for the consumers that use it to complain of
    if layer is None:
        return
    loop = asyncio.get_running_loop()
    member = _members.get(loop)
    if member is None or member.layer is not layer:
        if member is not None:
            member.leave()
        member = _members[loop] = Member(layer, obey)
    await member.join()
