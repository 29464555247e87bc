"""Real-time Django: consumers, routing, channel layers.

Raceway implements the programming model of Django Channels under Channels' own import name.
"""

__version__ = "4.3.2"
"""The upstream API level that is implemented. Packages compare it as a string; Raceway's own
version is that of the distribution (``importlib.metadata.version("raceway")``)."""

DEFAULT_CHANNEL_LAYER = "default"
"""The alias that :func:`channels.layers.get_channel_layer` uses when none is given."""
