"""The one system check that a project gets without ``channels`` in ``INSTALLED_APPS``: that it is
missing there.

All others are registered by the application itself (:mod:`channels.apps`). This one is registered
by what a project imports of the package, so it runs where something of the project (a model, a
signal handler) imports channel layers or consumers while Django starts. A project that imports them
in ``asgi.py`` alone shows nothing of them to ``manage.py check``.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004


def register_check() -> None:
    """Add the check to Django's. Doing it twice changes nothing."""
    register(check_installed, Tags.compatibility)


def check_installed(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W005: the settings are those of a project that uses Channels, and the application is not
    installed."""
    if apps.is_installed("channels"):
        return []
    used = [name for name in ("ASGI_APPLICATION", "CHANNEL_LAYERS") if getattr(settings, name, ())]
    if not used:
        return []
    return [
        Warning(
            f"{' and '.join(used)} {'is' if len(used) == 1 else 'are'} set, but "
            '"channels" is not in INSTALLED_APPS: there is no runworker, runserver serves no '
            "WebSockets, and the settings are not checked.",
            hint='Add "channels" to INSTALLED_APPS, above "django.contrib.staticfiles".',
            id="channels.W005",
        )
    ]
