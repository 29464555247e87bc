"""The server behind ``runserver`` and the live test server.

The interface is :class:`Server`. uvicorn, from the extra ``server``, implements it today, and
only :mod:`channels.server.uvicorn` and :mod:`channels.server.websocket` import it. In production,
run the ASGI application with any ASGI server. Of what is in here only the latter is of use there.
"""

import socket
from importlib.util import find_spec

from channels.server.base import (
    Address,
    MissingServerError,
    Server,
    ServerOptions,
    ServerStartError,
    listening_socket,
)
from channels.typing import ASGIApplication

__all__ = [
    "Address",
    "MissingServerError",
    "Server",
    "ServerOptions",
    "ServerStartError",
    "is_installed",
    "listening_socket",
    "make_server",
]

REQUIRED = ("uvicorn", "websockets")


def is_installed() -> bool:
    """Whether what the extra ``server`` brings can be imported."""
    return all(find_spec(name) is not None for name in REQUIRED)


def make_server(
    application: ASGIApplication,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ipv6: bool = False,
    sock: socket.socket | None = None,
    options: ServerOptions | None = None,
) -> Server:
    """A server for ``application``, not bound yet.

    Args:
        host, port, ipv6: where to listen; port 0 takes a free one.
        sock: a socket that is bound already, instead of these. It is the server's from now on.
        options: how connections are treated.

    Raises:
        MissingServerError: the extra ``server`` is not installed.
    """
    if not is_installed():
        missing = ", ".join(name for name in REQUIRED if find_spec(name) is None)
        raise MissingServerError(
            f"{missing} cannot be imported. Install what serves HTTP and WebSocket in development: "
            "pip install 'raceway[server]'"
        )
    from channels.server.uvicorn import UvicornServer

    return UvicornServer(
        application, host=host, port=port, ipv6=ipv6, sock=sock, options=options or ServerOptions()
    )
