"""Which limits there are, in which unit, and what they are without a word from the project. Pure.

:class:`Limits` is the one place: ``CHANNELS["LIMITS"]``, ``connection_limits`` of a consumer class
and of ``as_asgi()`` take its keys, the system checks and the reference page read it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

DELAY = "delay"
DROP = "drop"
CLOSE = "close"
RATE_ACTIONS = (DELAY, DROP, CLOSE)

POLICIES = ("drop_newest", "drop_oldest", "close")

KIB = 1024
MIB = 1024 * KIB


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _limit(default: Any, accepts: Callable[[Any], bool], wanted: str, optional: bool = True) -> Any:
    return field(
        default=default,
        metadata={
            "accepts": (lambda value: value is None or accepts(value)) if optional else accepts,
            "wanted": f"{wanted}, or None for no limit" if optional else wanted,
        },
    )


_count = partial(_limit, accepts=_is_count)
_number = partial(_limit, accepts=_is_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection may do. ``None`` is no limit."""

    message_bytes: int | None = _count(MIB, wanted="a number of bytes above 0")
    """Bytes of one WebSocket message. A larger one closes the connection with 1009."""
    body_bytes: int | None = _count(16 * MIB, wanted="a number of bytes above 0")
    """Bytes of the body that an ``AsyncHttpConsumer`` collects. A larger one is answered 413."""
    messages_per_second: float | None = _number(10_000, wanted="a number of messages above 0")
    """WebSocket messages from the client, in the long run."""
    bytes_per_second: float | None = _number(64 * MIB, wanted="a number of bytes above 0")
    """Bytes of WebSocket messages from the client, in the long run."""
    burst_seconds: float = _number(10.0, wanted="a number of seconds above 0", optional=False)
    """How many seconds' worth of both rates may come at once."""
    rate_action: str = _limit(
        DELAY, lambda value: value in RATE_ACTIONS, f"one of {RATE_ACTIONS}", optional=False
    )
    """What becomes of a message over the rate: it waits (and the client with it), is dropped, or
    closes the connection with 1008."""
    connections_per_user: int | None = _count(100, wanted="a number of connections above 0")
    """Open connections of one signed-in user to this process."""
    connections_per_address: int | None = _count(1000, wanted="a number of connections above 0")
    """Open connections from one address (IPv6: from one /64 network) to this process."""
    groups_per_connection: int | None = _count(1000, wanted="a number of groups above 0")
    """Groups that a connection may be in at once."""
    waiting_bytes: int | None = _count(16 * MIB, wanted="a number of bytes above 0")
    """Bytes of memory of the finished frames that wait for a client that reads too slowly."""
    on_full: str | None = _limit(
        None,
        lambda value: value is None or value in POLICIES,
        f"one of {POLICIES}, or None for the layer's own",
        optional=False,
    )
    """What becomes of a message that finds the connection's mailbox full."""
    accept_seconds: float | None = _number(10.0, wanted="a number of seconds above 0")
    """Seconds from the connect event until the application has accepted or denied."""

    def but(self, overrides: Mapping[str, Any], source: str) -> "Limits":
        """These limits with some of them replaced. ``source`` begins the error messages.

        Raises:
            ValueError: ``overrides`` has a key or a value that there is not.
        """
        found = faults(overrides, source)
        if found:
            raise ValueError(" ".join(found))
        return replace(self, **overrides)


NAMES = tuple(limit.name for limit in fields(Limits))


def faults(overrides: Any, source: str) -> list[str]:
    """Everything that is wrong with a dictionary of limits, a sentence each."""
    if not isinstance(overrides, Mapping):
        return [f"{source} is {overrides!r:.200}; it must be a dictionary of limits."]
    found = [
        f"{source} has no key {name!r:.200}; it knows {', '.join(NAMES)}."
        for name in overrides
        if name not in NAMES
    ]
    found += [
        f"{source}[{limit.name!r}] is {overrides[limit.name]!r:.200}; "
        f"it must be {limit.metadata['wanted']}."
        for limit in fields(Limits)
        if limit.name in overrides and not limit.metadata["accepts"](overrides[limit.name])
    ]
    return found
