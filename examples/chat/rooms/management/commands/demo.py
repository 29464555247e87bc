"""``manage.py demo``: the example site with one command."""

import os
import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError, call_command
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV

HOST = "127.0.0.1"


class Command(BaseCommand):
    help = "Prepare the database and serve the example site on 127.0.0.1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "port",
            nargs="?",
            default=os.environ.get("PORT") or "8000",
            help="TCP port, 1 to 65535 (default: PORT from the environment, else 8000).",
        )

        parser.add_argument(
            "--noreload",
            action="store_false",
            dest="use_reloader",
            help="Do not restart the server when a file changes.",
        )

    def handle(self, *args: Any, port: str, use_reloader: bool, **options: Any) -> None:
        # The autoreloader runs this command again in a child, at each change of a file: by then
        # everything is prepared, and the port is taken by ourselves.
        if os.environ.get(DJANGO_AUTORELOAD_ENV) != "true":
            require_free(read_port(port))
            call_command("migrate", verbosity=0)
            url = self.style.SUCCESS(f"http://{HOST}:{port}/")
            self.stdout.write(
                f"\nThe chat is at {url} - open it in two windows.\nCtrl-C stops it.\n"
            )
        call_command("runserver", f"{HOST}:{port}", use_reloader=use_reloader)


def read_port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise CommandError(f"The port is {text!r}; it must be a number from 1 to 65535.")


def require_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            # As the server does: a port whose last connections are fading away is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as exc:
            raise CommandError(
                f"Cannot serve on {HOST}:{port}: {exc.strerror}. Stop what uses the port, "
                f"or choose another one, for example PORT={port + 1 if port < 65535 else 8000}."
            ) from exc
