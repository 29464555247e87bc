"""The shapes that cross the ASGI border, by the names that the specification gives them."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

Scope: TypeAlias = dict[str, Any]
"""What is known of a connection when it opens."""

Message: TypeAlias = dict[str, Any]
"""One event, from the server, from the layer or to the client. ``type`` says which."""

Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class ASGIApplication(Protocol):
    """A callable that serves one connection.

    Loose in its parameters, because everybody types them differently: Django's handler, asgiref's
    own types, middleware without annotations.
    """

    def __call__(self, scope: Any, receive: Any, send: Any, /) -> Awaitable[Any]: ...
