"""``manage.py runworker``: consumers for the messages of general channels."""

import logging
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from channels import DEFAULT_CHANNEL_LAYER
from channels.exceptions import InvalidChannelLayerError
from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer
from channels.routing import get_default_application
from channels.worker import Worker, require_channel_name

logger: logging.Logger = logging.getLogger("django.channels.worker")


class Command(BaseCommand):
    """Runs a worker until SIGINT or SIGTERM. Exit code 0 means that no message was cut short."""

    help = (
        "Runs the consumers of ASGI_APPLICATION for the messages of the given channels. SIGINT and "
        "SIGTERM end it after the message in hand."
    )
    worker_class: type[Worker] = Worker
    """What does the work; subclasses of the command may name their own."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--layer",
            default=DEFAULT_CHANNEL_LAYER,
            help=f"Alias of the channel layer to receive from (default: {DEFAULT_CHANNEL_LAYER}).",
        )
        parser.add_argument("channels", nargs="+", help="Channels to listen on.")

    def handle(self, *args: Any, **options: Any) -> None:
        self.verbosity: int = options.get("verbosity", 1)
        self.channel_layer: Any = layer_of(options.get("layer", DEFAULT_CHANNEL_LAYER))
        # Each once: two receivers would make the channel's messages overtake each other.
        channels = list(dict.fromkeys(options["channels"]))
        for channel in channels:
            try:
                require_channel_name(self.channel_layer, channel)
            except TypeError as error:
                raise CommandError(f"{channel!r} is no channel. {_with_notes(error)}") from error
        if isinstance(self.channel_layer, InMemoryChannelLayer):
            self.stderr.write(
                self.style.WARNING(
                    "This is the in-memory layer: the worker gets nothing that other processes "
                    "send. Use a layer that connects processes, such as Redis."
                )
            )
        worker = self.worker_class(
            application=application_or_error(),
            channels=channels,
            channel_layer=self.channel_layer,
        )
        logger.info("Running worker for channels %s", channels)
        try:
            worker.run()
        except KeyboardInterrupt:
            raise CommandError("Interrupted with a message in hand, which is lost.") from None
        logger.info("Worker for channels %s has ended", channels)


def layer_of(alias: str) -> Any:
    """The layer of an alias.

    Raises:
        CommandError: there is none, or its settings are wrong.
    """
    try:
        layer = get_channel_layer(alias)
    except InvalidChannelLayerError as error:
        raise CommandError(_with_notes(error)) from error
    if layer is not None:
        return layer
    configured = list(channel_layers.configs)
    if not configured:
        raise CommandError(
            "You do not have any CHANNEL_LAYERS configured. Add one to the settings, for example "
            'CHANNEL_LAYERS = {"default": {"BACKEND": "...", "CONFIG": {...}}}.'
        )
    raise CommandError(
        f"CHANNEL_LAYERS has no {alias!r}. It has {', '.join(map(repr, configured))}; choose one "
        "with --layer."
    )


def application_or_error() -> Any:
    """``ASGI_APPLICATION``.

    Raises:
        CommandError: it is not set, or names nothing that can be imported.
    """
    try:
        return get_default_application()
    except ImproperlyConfigured as error:
        raise CommandError(_with_notes(error)) from error


def _with_notes(error: Exception) -> str:
    """The error's text with what was added to it: a CommandError shows no notes."""
    return " ".join([str(error), *getattr(error, "__notes__", [])])
