"""From the ``CHANNEL_LAYERS`` setting to layers."""

from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from channels.exceptions import InvalidChannelLayerError


class ChannelLayerManager:
    """Makes layers from settings, one for each alias, when they are first asked for."""

    def __init__(self) -> None:
        self.backends: dict[str, Any] = {}
        """The layers made so far. Test suites clear and replace it."""
        setting_changed.connect(self._reset_backends)

    @property
    def configs(self) -> dict[str, dict[str, Any]]:
        """``CHANNEL_LAYERS``; empty where the project has none."""
        return getattr(settings, "CHANNEL_LAYERS", {})

    def make_backend(self, name: str) -> Any:
        """A new layer from the alias's ``BACKEND`` and ``CONFIG``.

        Raises:
            KeyError: no such alias.
            InvalidChannelLayerError: its entry has no ``BACKEND``, one that cannot be imported, or
                a ``ROUTING`` of Channels 1.
        """
        return self._make_backend(name, self.configs[name].get("CONFIG", {}))

    def make_test_backend(self, name: str) -> Any:
        """A new layer from the alias's ``BACKEND`` and ``TEST_CONFIG``.

        Raises:
            KeyError: no such alias.
            InvalidChannelLayerError: as :meth:`make_backend`, or there is no ``TEST_CONFIG``.
        """
        try:
            config = self.configs[name]["TEST_CONFIG"]
        except KeyError as error:
            if name not in self.configs:
                raise
            raise InvalidChannelLayerError(f"No TEST_CONFIG specified for {name}") from error
        return self._make_backend(name, config)

    def set(self, key: str, layer: Any) -> Any:
        """Put a layer in an alias's place and return the one that was there (``None`` if none was
        made yet)."""
        old = self.backends.get(key)
        self.backends[key] = layer
        return old

    def __getitem__(self, key: str) -> Any:
        if key not in self.backends:
            self.backends[key] = self.make_backend(key)
        return self.backends[key]

    def __contains__(self, key: str) -> bool:
        return key in self.configs

    def _make_backend(self, name: str, config: dict[str, Any]) -> Any:
        entry = self.configs[name]
        if "BACKEND" not in entry:
            missing = InvalidChannelLayerError(f"No BACKEND specified for {name}")
            missing.add_note(
                f"CHANNEL_LAYERS[{name!r}] is {entry!r}; give it a 'BACKEND' such as "
                "'channels.layers.InMemoryChannelLayer'."
            )
            raise missing
        if "ROUTING" in entry:
            raise InvalidChannelLayerError(
                f"ROUTING key found for {name} - this is no longer needed in Channels 2."
            )
        try:
            backend = import_string(entry["BACKEND"])
        except ImportError as error:
            failed = InvalidChannelLayerError(
                f"Cannot import BACKEND {entry['BACKEND']!r} specified for {name}"
            )
            failed.add_note(str(error))
            raise failed from error
        return backend(**config)

    def _reset_backends(self, setting: str, **kwargs: Any) -> None:
        if setting == "CHANNEL_LAYERS":
            self.backends = {}
