"""The options of channels_redis that mean nothing here, and values that no option may have.

Both layers of channels_redis 4.3 are covered, so that their ``CONFIG`` can stay as it is.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from channels.exceptions import InvalidChannelLayerError

logger: logging.Logger = logging.getLogger("django.channels.layers")


class _Upstream(NamedTuple):
    default: Any
    reason: str


WITHOUT_MEANING: Mapping[str, _Upstream] = {
    "group_expiry": _Upstream(
        86400, "a membership lasts as long as the consumer and its process, never longer or shorter"
    ),
    "random_prefix_length": _Upstream(12, "messages need no random prefix to be told apart"),
    "serializer_format": _Upstream(
        "msgpack", "override serialize() and deserialize() in a subclass for another format"
    ),
    "on_disconnect": _Upstream(
        None, "the layer connects again by itself; channels_redis 4.3 does not call it either"
    ),
    "on_reconnect": _Upstream(
        None, "missed messages are delivered or reported as a gap: define group_gap() in consumers"
    ),
}
"""Options that are accepted for compatibility, and why they change nothing."""

_named: set[tuple[str, ...]] = set()


def warn_without_meaning(given: Mapping[str, Any]) -> None:
    """Name the options that were given and mean nothing, in one WARNING.

    Options at upstream's default are not named, nor is the same set of options twice in a process:
    the system checks make every layer, too.
    """
    names = tuple(
        name
        for name, upstream in WITHOUT_MEANING.items()
        if given.get(name) is not None and given[name] != upstream.default
    )
    if not names or names in _named:
        return
    _named.add(names)
    logger.warning(
        "Options of CHANNEL_LAYERS that have no effect in Raceway's Redis layer: %s. "
        "Take them out of CONFIG.",
        "; ".join(f"{name} ({WITHOUT_MEANING[name].reason})" for name in names),
    )


def check_values(
    *, prefix: Any, expiry: Any, capacity: Any, send_timeout: Any, on_outage: Any
) -> None:
    """Refuse what would fail at the first message.

    Raises:
        InvalidChannelLayerError: a value is not of the kind that its option wants.
    """
    if not isinstance(prefix, str) or set(prefix) & set("{}"):
        raise _wrong("prefix", prefix, "a string without braces, such as 'asgi'")
    for name, value in (("expiry", expiry), ("send_timeout", send_timeout)):
        if not _is_number(value) or not 0 < value < float("inf"):
            raise _wrong(name, value, "a number of seconds above 0")
    if not isinstance(capacity, int) or isinstance(capacity, bool) or capacity < 1:
        raise _wrong("capacity", capacity, "a whole number above 0")
    if on_outage not in ("wait", "raise"):
        raise _wrong("on_outage", on_outage, "'wait' or 'raise'")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong(name: str, value: Any, wanted: str) -> InvalidChannelLayerError:
    return InvalidChannelLayerError(f"{name} is {value!r:.100}; it must be {wanted}.")
