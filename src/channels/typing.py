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
    """A callable that serves one connection: ``await application(scope, receive, send)``.

    Any callable is accepted, because everybody types these three differently: Django's handler,
    middleware without annotations, and :mod:`asgiref.typing`, whose ``ASGIApplication`` is a union
    with the applications of ASGI 2, which take the scope alone. For the same reason ``__call__`` of
    consumers, routers and middleware takes :data:`~typing.Any`: they are applications by asgiref's
    types too, and a subclass may use whichever types it likes.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
