"""Channel layers: messages between consumers, threads and processes.

The contract stands in :class:`BaseChannelLayer`.
"""

from typing import Any

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers.base import BaseChannelLayer
from channels.layers.log import Position
from channels.layers.manager import ChannelLayerManager
from channels.layers.memory import InMemoryChannelLayer
from channels.layers.sync import SyncLayer
from channels.missing_app import register_check

__all__ = [
    "BaseChannelLayer",
    "ChannelLayerManager",
    "InMemoryChannelLayer",
    "Position",
    "SyncLayer",
    "channel_layers",
    "get_channel_layer",
]


def get_channel_layer(alias: str = DEFAULT_CHANNEL_LAYER) -> Any:
    """The layer of an alias, or ``None`` where ``CHANNEL_LAYERS`` has no such entry.

    Raises:
        InvalidChannelLayerError: the entry does not describe a layer.
    """
    # The global is looked up at each call: test suites rebind it.
    try:
        return channel_layers[alias]
    except KeyError:
        if alias in channel_layers:
            raise  # the layer's own: a backend that is there and cannot be made
        return None


channel_layers: ChannelLayerManager = ChannelLayerManager()
"""The layers of this process. Test suites replace, clear and rebind it."""

register_check()
