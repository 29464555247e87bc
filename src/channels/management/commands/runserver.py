"""``manage.py runserver``: Django's development server, for HTTP and WebSocket."""

import argparse
import signal
import threading
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler, StaticFilesHandler
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.runserver import Command as RunserverCommand

from channels.management.autoreload import run_with_reloader
from channels.routing import get_default_application
from channels.server import (
    Address,
    Server,
    ServerOptions,
    ServerStartError,
    is_installed,
    listening_socket,
    make_server,
)
from channels.stop_signals import LEFTOVERS, end_process_within, stop_on_signals

if TYPE_CHECKING:
    import socket

STOP_TIMEOUT = 1.0
"""Seconds that consumers get for their ``disconnect`` when the server ends or reloads. They are
cancelled then, and get as long again."""

HANDSHAKE_TIMEOUT = 5.0
"""Seconds in which a consumer has to accept or deny a WebSocket."""

PATIENCE = 3 * STOP_TIMEOUT
"""Seconds after which the process ends whatever still runs in it, such as a blocked sync view."""


class Command(RunserverCommand):
    """Serves ``ASGI_APPLICATION``; without one, or without the extra ``server``, as Django does."""

    help = (
        "Starts a lightweight web server for development, which serves the ASGI application with "
        "HTTP and WebSocket, and static files."
    )
    server_cls: Any = RunserverCommand.server_cls
    bound: "BoundServer | None" = None

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--noasgi",
            action="store_false",
            dest="use_asgi",
            default=True,
            help="Run Django's own WSGI server, without WebSockets.",
        )
        parser.add_argument(
            "--http_timeout",
            type=seconds,
            default=None,
            help="Seconds that a response may take, after which the client gets a 503 "
            "(default: no limit).",
        )
        parser.add_argument(
            "--websocket_handshake_timeout",
            type=seconds,
            default=HANDSHAKE_TIMEOUT,
            help="Seconds in which a consumer must accept or deny a WebSocket; 0 is no limit "
            "(default: 5).",
        )
        if apps.is_installed("django.contrib.staticfiles"):
            parser.add_argument(
                "--nostatic",
                action="store_false",
                dest="use_static_handler",
                help="Tells Django to NOT automatically serve static files at STATIC_URL.",
            )
            parser.add_argument(
                "--insecure",
                action="store_true",
                dest="insecure_serving",
                help="Allows serving static files even if DEBUG is False.",
            )

    def run(self, **options: Any) -> None:
        if options["use_reloader"]:
            run_with_reloader(self.inner_run, self.stop, patience=PATIENCE, **options)
        else:
            self.inner_run(None, **options)

    def inner_run(self, *args: Any, **options: Any) -> None:
        wanted = options.get("use_asgi", True)
        missing = what_is_missing() if wanted else None
        self.use_asgi: bool = wanted and missing is None
        if self.use_asgi:
            # With threading, Django would derive a class of its own from server_cls.
            options["use_threading"] = False
            self.server_cls = self.bind_asgi_server
            self.server_options: ServerOptions = ServerOptions(
                root_path=settings.FORCE_SCRIPT_NAME or "",
                http_timeout=options.get("http_timeout"),
                websocket_handshake_timeout=options.get(
                    "websocket_handshake_timeout", HANDSHAKE_TIMEOUT
                ),
                stop_timeout=STOP_TIMEOUT,
                access_log_style=self.style,
            )
        elif missing is not None:
            self.stderr.write(self.style.WARNING(missing))
        try:
            super().inner_run(*args, **options)
        except ServerStartError as error:
            raise CommandError(str(error)) from error

    def get_handler(self, *args: Any, **options: Any) -> Any:
        """The application to serve, inside the one that serves static files where it is wanted."""
        inner: Any
        if self.use_asgi:
            static_handler: Any = ASGIStaticFilesHandler
            inner = get_default_application()
        else:
            static_handler = StaticFilesHandler
            inner = super().get_handler(*args, **options)
        return static_handler(inner) if serves_static(options) else inner

    def on_bind(self, server_port: int) -> None:
        super().on_bind(server_port)
        if self.use_asgi:
            self.stdout.write(f"Serving {application_setting()} with HTTP and WebSocket.")

    def bind_asgi_server(
        self, address: Address, handler_class: type, ipv6: bool = False
    ) -> "BoundServer":
        """Stands in for the class of Django's own server, whose ``handler_class`` is WSGI's."""
        self.bound = BoundServer(address, ipv6, self.server_options)
        return self.bound

    def stop(self) -> None:
        """End the server that another thread runs, and wait until it has ended."""
        if self.bound is not None:
            self.bound.stop()


class BoundServer:
    """A listening server, with as much of ``socketserver.BaseServer`` as Django's command uses."""

    def __init__(self, address: Address, ipv6: bool, options: ServerOptions) -> None:
        self.socket: socket.socket = listening_socket(*address, ipv6=ipv6)
        self.server_port: int = self.socket.getsockname()[1]
        self._options = options
        self._server: Server | None = None
        self._ended = threading.Event()

    def set_app(self, application: Any) -> None:
        self._server = make_server(application, sock=self.socket, options=self._options)

    def serve_forever(self) -> None:
        """Serve until :meth:`stop` or, in the main thread, a signal.

        Raises:
            KeyboardInterrupt: the signal was Ctrl-C; all connections have ended by now.
        """
        assert self._server is not None, "set_app() comes first"
        server = self._server
        received: list[signal.Signals] = []

        def on_signal(number: signal.Signals) -> None:
            received.append(number)
            end_process_within(PATIENCE, 0)
            server.stop()

        try:
            with stop_on_signals(on_signal):
                server.run()
        finally:
            self._ended.set()
        if received:
            end_process_within(LEFTOVERS, 0)
        if signal.SIGINT in received:
            raise KeyboardInterrupt

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._ended.wait(PATIENCE)


def application_setting() -> Any:
    return getattr(settings, "ASGI_APPLICATION", None)


def what_is_missing() -> str | None:
    """Why Django's own server runs instead of ours, in a line; None if nothing is missing."""
    if not application_setting():
        return (
            "ASGI_APPLICATION is not set, so this is Django's own server, without WebSockets. "
            'Set it in the settings, such as ASGI_APPLICATION = "mysite.asgi.application".'
        )
    if not is_installed():
        return (
            'The extra "server" is not installed, so this is Django\'s own server, without '
            "WebSockets. Install it: pip install 'raceway[server]'"
        )
    return None


def serves_static(options: dict[str, Any]) -> bool:
    """Whether static files are served: as Django's own command decides it."""
    wanted = options.get("use_static_handler", apps.is_installed("django.contrib.staticfiles"))
    return bool(wanted and (settings.DEBUG or options.get("insecure_serving", False)))


def seconds(text: str) -> float:
    """An option's value: a time of 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more.")
    return value
