"""From the ``CHANNEL_LAYERS`` setting to layers."""

import threading
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from channels.exceptions import InvalidChannelLayerError
from channels.layers.backends import import_backend
from channels.layers.forks import forget_after_fork


class ChannelLayerManager:
    """Makes layers from settings, one for each alias, when they are first asked for: the same one
    for every thread."""

    def __init__(self) -> None:
        # Two threads that ask first must not get two in-memory layers: two worlds. Reentrant,
        # because a layer may be made of another.
        self._making = threading.RLock()
        self.backends: dict[str, Any] = {}
        """The layers made so far. Test suites clear and replace it."""
        setting_changed.connect(self._reset_backends)
        forget_after_fork(self)

    @property
    def configs(self) -> dict[str, dict[str, Any]]:
        """``CHANNEL_LAYERS``; empty where the project has none."""
        return getattr(settings, "CHANNEL_LAYERS", {})

    def make_backend(self, name: str) -> Any:
        """A new layer from the alias's ``BACKEND`` and ``CONFIG``.

        Raises:
            KeyError: no such alias.
            InvalidChannelLayerError: its entry has no ``BACKEND``, one that cannot be imported, or
                a ``ROUTING`` of Channels 1; or it is not a dictionary.
        """
        return self._make_backend(name, self._entry(name).get("CONFIG", {}))

    def make_test_backend(self, name: str) -> Any:
        """A new layer from the alias's ``BACKEND`` and ``TEST_CONFIG``.

        Raises:
            KeyError: no such alias.
            InvalidChannelLayerError: as :meth:`make_backend`, or there is no ``TEST_CONFIG``.
        """
        entry = self._entry(name)
        if "TEST_CONFIG" not in entry:
            raise InvalidChannelLayerError(f"No TEST_CONFIG specified for {name}")
        return self._make_backend(name, entry["TEST_CONFIG"])

    def set(self, key: str, layer: Any) -> Any:
        """Put a layer in an alias's place and return the one that was there (``None`` if none was
        made yet)."""
        old = self.backends.get(key)
        self.backends[key] = layer
        return old

    def __getitem__(self, key: str) -> Any:
        try:
            return self.backends[key]
        except KeyError:
            pass
        with self._making:
            if key not in self.backends:
                self.backends[key] = self.make_backend(key)
            return self.backends[key]

    def __contains__(self, key: str) -> bool:
        return key in self.configs

    def _entry(self, name: str) -> Mapping[str, Any]:
        entry = self.configs[name]
        if not isinstance(entry, Mapping):
            raise _invalid(
                f"CHANNEL_LAYERS[{name!r}] is not a dict", f"It is of type {type(entry).__name__}"
            )
        return entry

    def _make_backend(self, name: str, config: Mapping[str, Any]) -> Any:
        entry = self._entry(name)
        if "BACKEND" not in entry:
            raise _invalid(f"No BACKEND specified for {name}", f"It has the keys {sorted(entry)}")
        if "ROUTING" in entry:
            raise InvalidChannelLayerError(
                f"ROUTING key found for {name} - this is no longer needed in Channels 2."
            )
        try:
            backend = import_backend(entry["BACKEND"])
        except ImportError as error:
            failed = InvalidChannelLayerError(
                f"Cannot import BACKEND {entry['BACKEND']!r} specified for {name}"
            )
            failed.add_note(str(error))
            raise failed from error
        try:
            return backend(**config)
        except Exception as error:
            error.add_note(
                f"Raised by the BACKEND of CHANNEL_LAYERS[{name!r}], {entry['BACKEND']!r}."
            )
            raise

    def forget_inherited(self) -> None:
        """In a forked child: another thread of the parent may have been making a layer."""
        self._making = threading.RLock()

    def _reset_backends(self, setting: str, **kwargs: Any) -> None:
        if setting == "CHANNEL_LAYERS":
            self.backends = {}


def _invalid(text: str, found: str) -> InvalidChannelLayerError:
    error = InvalidChannelLayerError(text)
    # Never the entry itself: it may hold passwords and keys.
    error.add_note(
        f"{found}; it must be a dict such as {{'BACKEND': 'channels.layers.InMemoryChannelLayer'}}."
    )
    return error
