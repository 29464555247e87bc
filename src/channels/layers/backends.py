"""The class that a ``BACKEND`` names."""

import logging
from collections.abc import Mapping
from typing import Any

from django.utils.module_loading import import_string

logger: logging.Logger = logging.getLogger("django.channels.layers")

REDIS = "channels.layers.redis.RedisChannelLayer"

STAND_INS: Mapping[str, str] = {
    "channels_redis.core.RedisChannelLayer": REDIS,
    "channels_redis.pubsub.RedisPubSubChannelLayer": REDIS,
}
"""What stands in for a class of a package that is not installed, so that settings written for
Channels need no change. A package that is installed is used."""

_told: set[str] = set()


def import_backend(path: str) -> Any:
    """Import a layer's class by its dotted path, or what stands in for it.

    Raises:
        ImportError: there is no such class, or what it needs is missing.
    """
    try:
        return import_string(path)
    except ModuleNotFoundError as error:
        package, _, _ = path.partition(".")
        if path not in STAND_INS or error.name != package:
            raise
    backend = import_string(STAND_INS[path])
    if path not in _told:
        _told.add(path)
        logger.info(
            "BACKEND %r: %s is not installed, so this is Raceway's %s. Write that in "
            "CHANNEL_LAYERS when you like.",
            path,
            package,
            STAND_INS[path],
        )
    return backend
