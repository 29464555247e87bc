"""What ASGI middleware of a project is derived from."""

from typing import Any

from channels.threads import strand
from channels.typing import ASGIApplication


class BaseMiddleware:
    """Wraps an application and gives it a scope of its own.

    One instance serves every connection: keep nothing of a connection on it, put it into the scope.
    A subclass overrides ``__call__``, works on ``scope`` and ends with
    ``return await super().__call__(scope, receive, send)``.
    """

    inner: ASGIApplication

    def __init__(self, inner: ASGIApplication) -> None:
        self.inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve one connection; what ``inner`` returns or raises is passed on.

        ``inner`` gets a copy of ``scope`` (one level deep): what it adds is not seen outside.
        """
        async with strand():
            return await self.inner(dict(scope), receive, send)
