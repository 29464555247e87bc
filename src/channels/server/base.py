"""What ``runserver`` and the live test server need of a server, whichever one does the work."""

import errno
import socket
import sys
from dataclasses import dataclass
from typing import Literal, Protocol

from django.core.management.color import Style

Address = tuple[str, int]

BACKLOG = 2048
"""Connections that may wait for the server to take them; asyncio's own 100 is less than a page of
browser tests opens at once."""


class ServerStartError(Exception):
    """The server came up, but the application refused to: its lifespan start-up failed."""


class MissingServerError(ImportError):
    """What ``channels.server`` stands on is not installed. The text names the extra."""


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How a server treats every connection. Times are in seconds."""

    root_path: str = ""
    """``scope["root_path"]``; paths stay as the client sent them."""

    event_loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    """``auto`` is uvloop where it is installed, else asyncio's own."""

    http_timeout: float | None = None
    """After this time an unanswered request gets a 503, and a response in progress is cut."""

    websocket_handshake_timeout: float | None = None
    """After this time a WebSocket that was neither accepted nor denied is denied."""

    access_log_style: Style | None = None
    """Colours of the access log, ``no_style()`` for none. Without it there is no access log."""

    stop_timeout: float = 2.0
    """How long applications may take to end after :meth:`Server.stop` before they are cancelled."""


class Server(Protocol):
    """One listening socket and the loop that serves it.

    The socket listens from :meth:`bind` on, so that clients which come before :meth:`run` wait
    instead of being refused. A server is used once.
    """

    @property
    def address(self) -> Address:
        """Host and port that are listened on; the port is a real one also if 0 was asked for."""
        ...

    def bind(self) -> None:
        """Open the listening socket. A second call does nothing.

        Raises:
            OSError: the address is in use, not permitted or not of this machine.
        """

    def run(self) -> None:
        """Serve in this thread, on an event loop of its own, until :meth:`stop`.

        Raises:
            OSError: as :meth:`bind`, which is called first.
            ServerStartError: the application's lifespan start-up failed.
        """

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait until another thread's :meth:`run` serves; False after ``timeout`` seconds.

        Raises what :meth:`run` raised, if it did not come that far.
        """
        ...

    def stop(self) -> None:
        """End :meth:`run`, from any thread, from a signal handler, before or after it began.

        WebSockets are closed with 1012, responses in progress are cut, and both applications are
        told by their disconnect event. :meth:`run` returns when they have ended. Those that have
        not after ``stop_timeout`` are cancelled, and left behind half a second later. A second
        call does nothing.
        """


def listening_socket(host: str, port: int, *, ipv6: bool = False) -> socket.socket:
    """A TCP socket that listens on ``host`` and ``port``; port 0 takes a free one.

    Raises:
        OSError: the address is in use, not permitted or not of this machine.
    """
    if not 0 <= port <= 65535:
        # bind() would raise OverflowError, which no caller expects of an address.
        raise OSError(errno.EADDRNOTAVAIL, f"port {port} is not between 0 and 65535")
    listener = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            # On Windows the same option would let two servers share the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Here and not in the loop: two sockets can be bound to one port, one can listen.
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
