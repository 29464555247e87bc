"""What one mailbox may hold, and what becomes of a message that finds it full. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from channels.exceptions import InvalidChannelLayerError, TooManyGroupsError
from channels.limits.values import POLICIES

DROP_NEWEST = "drop_newest"
"""The new message is lost."""
DROP_OLDEST = "drop_oldest"
"""The oldest messages are lost, as many as the new one needs."""
CLOSE = "close"
"""The new message is lost, and the consumer is told to end."""

CLOSING = "channels.close"
"""The type of the message that ends a consumer. It finds room where others do not."""

SMALL_FRAME = 4096
"""Bytes of memory up to which a finished frame counts as a message and no more. So a mailbox takes
no more than ``capacity`` times this, and the bytes that are counted."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Those of one mailbox. Many mailboxes share one object."""

    on_full: str = DROP_NEWEST
    most_bytes: int | None = None
    """Bytes of memory that finished frames larger than :data:`SMALL_FRAME` may take together. One
    may wait whatever its size."""
    most_groups: int | None = None
    """Groups that the channel may be in at once."""
    overflow: Callable[[], None] | None = None
    """Ends the consumer, by :data:`CLOSE`. Called on its loop."""


def note_refusal(error: TooManyGroupsError) -> None:
    """Count and log that a consumer may join no further group. Call it without a lock."""
    # Here, because that module is one of those which need a part of this package first.
    from channels.limits.rejections import rejections, shown

    rejections.note(
        "groups_per_connection",
        f"Limit groups_per_connection={error.most}, group_add was refused",
        lambda: f"channel {shown(error.channel)}, group {shown(error.group)}",
    )


def checked_policy(on_full: str) -> str:
    """
    Raises:
        InvalidChannelLayerError: it is none of :data:`POLICIES`.
    """
    if on_full not in POLICIES:
        raise InvalidChannelLayerError(f"on_full is {on_full!r:.200}; it must be one of {POLICIES}")
    return on_full
