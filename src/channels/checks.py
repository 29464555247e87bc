"""System checks for the mistakes that are made when a project is set up.

They run with every management command. So they do not import the project's ASGI application (which
may read settings that a test is about to override), open no connection, and never raise. The one
check that does import the application runs with ``manage.py check --deploy``.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.core.exceptions import ImproperlyConfigured

from channels import conf
from channels.dotted_path import fault_without_import
from channels.draining.closing import drain_deadline, drain_seconds
from channels.draining.plan import Limits
from channels.layers import InMemoryChannelLayer
from channels.layers.backends import import_backend
from channels.routing import get_default_application

Check = Callable[..., list[CheckMessage]]

EXAMPLE_APPLICATION = 'such as ASGI_APPLICATION = "mysite.asgi.application"'
EXAMPLE_LAYER = "channels.layers.InMemoryChannelLayer"


def register_checks() -> None:
    """Add the checks to Django's. Doing it twice changes nothing."""
    for check in (
        check_distributions,
        check_app_order,
        check_application,
        check_channel_layers,
        check_settings,
        check_drain,
        check_workers,
    ):
        register(check, Tags.compatibility)
    for check in (check_application_import, check_deployed_layers):
        register(check, Tags.compatibility, deploy=True)


# Installation


def check_distributions(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """E001: ``channels`` and ``raceway`` are both installed, into the same folder."""
    upstream = _installed_version("channels")
    ours = _installed_version("raceway")
    if upstream is None or ours is None:
        return []
    return [
        Error(
            f"The distributions channels {upstream} and raceway {ours} are both installed. Both "
            'are the package "channels": the files of whichever was installed last are there, '
            "maybe mixed with those of the other.",
            hint=(
                "Keep one. With pip: pip uninstall -y channels && "
                "pip install --force-reinstall --no-deps raceway. "
                "With uv, so that packages which require channels do not bring it back: add "
                "override-dependencies = [\"channels ; python_version < '3'\"] to [tool.uv] in "
                "pyproject.toml, then uv sync --reinstall-package raceway."
            ),
            id="channels.E001",
        )
    ]


def _installed_version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
    except Exception:  # damaged metadata: it is there, and that is what counts
        return "(unknown version)"


def check_app_order(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W001: ``django.contrib.staticfiles`` stands first, so its ``runserver`` is the one."""
    if not _application_setting():
        return []
    for app in apps.get_app_configs():
        # Daphne brings a runserver that serves WebSockets too; the first of them is the one.
        if app.name in {"channels", "daphne"}:
            break
        if app.name == "django.contrib.staticfiles":
            return [
                Warning(
                    '"django.contrib.staticfiles" stands before "channels" in INSTALLED_APPS: '
                    "runserver is Django's own, which serves no WebSockets.",
                    hint='Move "channels" above "django.contrib.staticfiles" in INSTALLED_APPS.',
                    id="channels.W001",
                )
            ]
    return []


# ASGI_APPLICATION


def check_application(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W002: ``ASGI_APPLICATION`` is not set. E002: it names nothing that exists."""
    setting = _application_setting()
    if not setting:
        return [
            Warning(
                "ASGI_APPLICATION is not set: runserver serves no WebSockets, and runworker and "
                "the live test server have no application.",
                hint=f"Set it in the settings, {EXAMPLE_APPLICATION}. A project that uses channel "
                "layers alone can silence this with SILENCED_SYSTEM_CHECKS.",
                id="channels.W002",
            )
        ]
    fault = fault_without_import(setting)
    return [_application_error(setting, fault)] if fault else []


def check_application_import(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """E002, with ``--deploy``: importing ``ASGI_APPLICATION`` fails."""
    setting = _application_setting()
    if not setting or fault_without_import(setting):
        return []  # reported by check_application
    try:
        application: Any = get_default_application()
    except ImproperlyConfigured as error:
        return [_application_error(setting, f"{error}: {error.__cause__}")]
    except (Exception, SystemExit) as error:
        return [_application_error(setting, f"importing it raised {error!r}")]
    if not callable(application):
        return [_application_error(setting, f"it is {application!r}, which cannot be called")]
    return []


def _application_setting() -> Any:
    return getattr(settings, "ASGI_APPLICATION", None)


def _application_error(setting: Any, fault: str) -> Error:
    return Error(
        f"ASGI_APPLICATION is {setting!r}, but {fault}.",
        hint=f"Name a module and the application in it, {EXAMPLE_APPLICATION}.",
        id="channels.E002",
    )


# Settings


def check_channel_layers(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """E003: an entry of ``CHANNEL_LAYERS`` from which no layer can be made."""
    layers = _channel_layers()
    if not isinstance(layers, Mapping):
        return [
            _layer_error(
                f"CHANNEL_LAYERS is {layers!r}, which is not a dictionary.",
                f'Write CHANNEL_LAYERS = {{"default": {{"BACKEND": "{EXAMPLE_LAYER}"}}}}.',
            )
        ]
    return [error for alias, entry in layers.items() for error in _entry_errors(alias, entry)]


def _entry_errors(alias: Any, entry: Any) -> Iterator[Error]:
    where = f"CHANNEL_LAYERS[{alias!r}]"
    if not isinstance(entry, Mapping):
        yield _layer_error(
            f"{where} is {entry!r}, which is not a dictionary.",
            f'Write {{"BACKEND": "{EXAMPLE_LAYER}"}}, or the path of another layer.',
        )
        return
    for key in ("CONFIG", "TEST_CONFIG"):
        if not isinstance(entry.get(key, {}), Mapping):
            yield _layer_error(
                f"{where}[{key!r}] is {entry[key]!r}, which is not a dictionary.",
                "Write the backend's arguments by their names, such as {'capacity': 100}.",
            )
            return
    if "BACKEND" not in entry:
        yield _layer_error(
            f"{where} has no 'BACKEND'.",
            f"Add the dotted path of a layer class, such as {EXAMPLE_LAYER!r}.",
        )
        return
    path = entry["BACKEND"]
    try:
        backend = import_backend(path)
    except Exception as error:  # a module runs when it is imported
        yield _layer_error(
            f"{where}['BACKEND'] is {path!r}, which cannot be imported: {error!r}.",
            "Correct the dotted path, or install the package that it belongs to.",
        )
        return
    try:
        backend(**entry.get("CONFIG", {}))
    except Exception as error:
        yield _layer_error(
            f"{path} refuses {where}['CONFIG']: {error!r}.",
            "Give CONFIG the arguments that the backend takes, with values that it accepts.",
        )


def _layer_error(text: str, hint: str) -> Error:
    return Error(text, hint=hint, id="channels.E003")


def _channel_layers() -> Any:
    return getattr(settings, "CHANNEL_LAYERS", {})


def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """E004: ``CHANNELS`` has an unknown key or a value that its key does not accept."""
    return [
        Error(
            fault,
            hint="Correct CHANNELS in the settings, or remove the key to get its default.",
            id="channels.E004",
        )
        for fault in conf.faults()
    ]


# Production


def check_drain(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W006: the deadline of a drain comes before everybody could be told."""
    try:
        seconds, deadline = drain_seconds(), drain_deadline()
    except ImproperlyConfigured:
        return []  # E004
    limits = Limits.of(seconds, deadline)
    if seconds <= limits.cut:
        return []
    return [
        Warning(
            f"CHANNELS['DRAIN_SECONDS'] is {seconds:g}, but within DRAIN_DEADLINE_SECONDS of "
            f"{deadline:g} there are {limits.cut:g} seconds for it: the rest is for what has to "
            "end afterwards. So clients are told in that time.",
            hint="Raise DRAIN_DEADLINE_SECONDS, and the time after which your supervisor kills.",
            id="channels.W006",
        )
    ]


def check_workers(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W003: the in-memory layer with ``WEB_CONCURRENCY`` above 1, outside of DEBUG."""
    workers = _web_concurrency()
    if settings.DEBUG or workers is None or workers < 2:
        return []
    return [
        Warning(
            f"CHANNEL_LAYERS[{alias!r}] is the in-memory layer, and WEB_CONCURRENCY asks for "
            f"{workers} workers: a message reaches only the consumers in the process that sent "
            "it.",
            hint="Use a layer that connects processes, such as Redis, or run one worker.",
            id="channels.W003",
        )
        for alias in _in_memory_aliases()
    ]


def check_deployed_layers(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W004, with ``--deploy``: the in-memory layer where the number of workers is not known."""
    if _web_concurrency() is not None:
        return []  # one worker is fine, more are check_workers' business
    return [
        Warning(
            f"CHANNEL_LAYERS[{alias!r}] is the in-memory layer: a message reaches only the "
            "consumers in the process that sent it.",
            hint="Use a layer that connects processes, such as Redis. If the site runs as one "
            "process, set WEB_CONCURRENCY=1 in its environment to say so.",
            id="channels.W004",
        )
        for alias in _in_memory_aliases()
    ]


def _web_concurrency() -> int | None:
    """How many workers the environment asks for; None where it says nothing usable."""
    value = os.environ.get("WEB_CONCURRENCY", "").strip()
    return int(value) if value.isdecimal() else None


def _in_memory_aliases() -> Iterator[Any]:
    layers = _channel_layers()
    if not isinstance(layers, Mapping):
        return
    for alias, entry in layers.items():
        try:
            backend = import_backend(entry["BACKEND"])
        except Exception:  # noqa: S112 - reported by check_channel_layers
            continue
        if isinstance(backend, type) and issubclass(backend, InMemoryChannelLayer):
            yield alias
