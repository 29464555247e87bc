"""Which application serves a connection: by protocol, by path, by channel name.

Every router is an ASGI application itself, so routers nest in each other and in middleware.
"""

import contextlib
import logging
from collections.abc import Awaitable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls.exceptions import Resolver404
from django.urls.resolvers import RegexPattern, RoutePattern, URLPattern, URLResolver

from channels.denial import deny
from channels.draining.requests import Request
from channels.layers.senders import begin_sender
from channels.lifespan import serve_lifespan
from channels.live import live_here
from channels.threads import strand
from channels.typing import ASGIApplication, Message, Receive, Scope, Send

if TYPE_CHECKING:

    class _ExtendedURLPattern(URLPattern):  # pyright: ignore[reportUnusedClass]
        """A route to an ASGI application. The published stubs have it, so typed code imports it."""

        callback: Any


logger: logging.Logger = logging.getLogger("django.channels.routing")

SHOWN_ROUTES = 20
"""How many routes the note of a missing route lists."""

SHOWN_PATH = 200
"""How many characters of a path that has no route are logged: the client chose it."""


class _NoRouteError(ValueError):
    """The outermost router has no route. Its own class, so that nobody's ValueError is caught."""


class _NoNestedRouteError(Resolver404):
    """A nested router has no route, so the router above tries its next one.

    Its own class: a ``Resolver404`` that an application raises is not a router's to catch.
    """


def get_default_application() -> ASGIApplication:
    """The application that the setting ``ASGI_APPLICATION`` names, imported at each call.

    Raises:
        ImproperlyConfigured: the setting is missing, is no dotted path, or names nothing that can
            be imported. The import's own error is its ``__cause__``.
    """
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    path, _, name = dotted.rpartition(".") if isinstance(dotted, str) else ("", "", "")
    if not path:
        missing = ImproperlyConfigured("Cannot find ASGI_APPLICATION setting.")
        missing.add_note(
            f"ASGI_APPLICATION is {dotted!r}. Set it to the dotted path of the ASGI application, "
            'such as "mysite.asgi.application".'
        )
        raise missing
    try:
        module = import_module(path)
    except ImportError as error:
        broken = ImproperlyConfigured(f"Cannot import ASGI_APPLICATION module {path!r}")
        broken.add_note(f"ASGI_APPLICATION is {dotted!r}; importing {path!r} said: {error}")
        raise broken from error
    try:
        application: ASGIApplication = getattr(module, name)
    except AttributeError as error:
        absent = ImproperlyConfigured(f"Cannot find {name!r} in ASGI_APPLICATION module {path}")
        absent.add_note(f"ASGI_APPLICATION is {dotted!r}, and {module!r} defines no {name!r}.")
        raise absent from error
    return application


class ProtocolTypeRouter:
    """Chooses the application by ``scope["type"]``: ``http``, ``websocket``, ``channel``, …

    Three things it does itself. It answers ``lifespan`` where the mapping names no application for
    it; with or without one, connections are drained at SIGTERM and channel layers closed at the
    shutdown (:mod:`channels.lifespan`). While the process drains, a WebSocket is denied with a 503.
    And a WebSocket whose path has no route in the :class:`URLRouter` below is denied: one INFO
    line, then a 404 where the server can send one (the ``websocket.http.response`` extension), else
    a close before the handshake, which clients see as a 403. Every other exception passes through,
    and so does the missing route of any other protocol.
    """

    application_mapping: Mapping[str, ASGIApplication]

    def __init__(self, application_mapping: Mapping[str, ASGIApplication]) -> None:
        self.application_mapping = application_mapping

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve one connection; what the chosen application returns is passed on.

        Raises:
            ValueError: the mapping has nothing for the scope's type.
        """
        kind = scope["type"]
        if kind == "lifespan":
            # It lasts as long as the process and is no connection: no strand for it.
            application = self.application_mapping.get(kind)
            return await serve_lifespan(application, scope, receive, send)
        if kind not in self.application_mapping:
            raise self._no_application(kind)
        application = self.application_mapping[kind]
        begin_sender()  # what the server's own task has sent is of another
        live = live_here()
        async with strand():
            if kind == "websocket":
                if live.ending:
                    return await _deny(scope, receive, send, 503)
                listening = _Listening(receive)
                try:
                    return await application(scope, listening, send)
                except _NoRouteError:
                    if listening.begun:
                        # Somebody took the opening event, and may have accepted: it is too late
                        # for a denial.
                        raise
                logger.info(
                    "WebSocket denied, no route for path %.*r", SHOWN_PATH, scope.get("path")
                )
                return await _deny(scope, receive, send, 404)
            if kind == "http" and live.watches_requests:
                return await Request(live, receive, send).serve(application, scope)
            return await application(scope, receive, send)

    def _no_application(self, kind: Any) -> ValueError:
        error = ValueError(f"No application configured for scope type {kind!r}")
        known = ", ".join(repr(name) for name in self.application_mapping) or "no protocol at all"
        example = "get_asgi_application()" if kind == "http" else "…"
        error.add_note(
            f"The ProtocolTypeRouter knows {known}. To serve this one too, add {kind!r}: {example}"
        )
        return error


class URLRouter:
    """Chooses the application by path, with Django's ``path()`` and ``re_path()``.

    Routes are tried in order. The application finds the match in ``scope["url_route"]``, a dict of
    ``args`` (tuple) and ``kwargs`` (dict), and what is left of the path in
    ``scope["path_remaining"]``. A router that is itself the target of a route matches against that
    rest, and the args and kwargs of both add up; where it has no route either, the router above
    tries its next one.

    ``include()`` is refused: nest routers. The routes that are passed are never changed, so one
    list may serve several routers.
    """

    _path_routing = True
    """Marks targets that match the rest of the path themselves: a ``path()`` that leads to one
    matches a prefix, as with ``include()``, and not the whole path."""

    routes: Sequence[URLPattern | URLResolver]

    def __init__(self, routes: Sequence[URLPattern | URLResolver]) -> None:
        """Check the routes.

        Raises:
            ImproperlyConfigured: something in ``routes`` is not a route to an application.
            ValueError: the pattern of a route to a nested router is neither ``path()`` nor
                ``re_path()``.
        """
        self.routes = routes
        self._prefixes: dict[Any, RegexPattern | RoutePattern] = {}
        for route in routes:
            callback = _checked_callback(route)
            if getattr(callback, "_path_routing", False) is True:
                self._prefixes[route] = _as_prefix(route.pattern)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve one connection; what the application returns is passed on.

        Raises:
            ValueError: no route matches (``str()`` of it starts with "No route found for path"), or
                the scope has no path. A nested router raises a ``Resolver404`` for a missing route.
        """
        tried = 0
        while True:
            tried, application, inner_scope = self._match(scope, tried)
            try:
                return await application(inner_scope, receive, send)
            except _NoNestedRouteError:
                continue

    def _match(self, scope: Scope, tried: int) -> tuple[int, ASGIApplication, Scope]:
        """The first route that matches after those that were ``tried``: how many have been by then,
        where it leads, and with what scope."""
        # A function of its own, because what it needs must not live as long as the connection.
        path = self._path(scope)
        outer = scope.get("url_route", {})
        routes: Sequence[Any] = self.routes[tried:]
        for number, route in enumerate(routes, tried + 1):
            pattern: Any = self._prefixes.get(route, route.pattern)
            match = pattern.match(path)
            if match is None:
                continue
            remaining, args, kwargs = match
            return (
                number,
                route.callback,
                {
                    **scope,
                    "path_remaining": remaining,
                    # What path() was given as its third argument wins over the path, as in Django.
                    "url_route": {
                        "args": (*outer.get("args", ()), *args),
                        "kwargs": {**outer.get("kwargs", {}), **kwargs, **route.default_args},
                    },
                },
            )
        raise self._no_route(path, nested="path_remaining" in scope)

    def _path(self, scope: Scope) -> str:
        """What is left to match, without the leading slash."""
        path: str | None = scope.get("path_remaining", scope.get("path"))
        if path is None:
            error = ValueError("No 'path' key in connection scope, cannot route URLs")
            error.add_note(
                f"The scope is of type {scope.get('type')!r}. A URLRouter serves protocols that "
                "have paths, such as http and websocket; for channels use a ChannelNameRouter."
            )
            raise error
        if "path_remaining" not in scope:
            root = scope.get("root_path", "").rstrip("/")
            if not (path == root or path.startswith(f"{root}/") or not root):
                raise self._no_route(path, nested=False, root=root)
            path = path[len(root) :]
        return path.lstrip("/")

    def _no_route(self, path: str, *, nested: bool, root: str = "") -> Exception:
        error = (_NoNestedRouteError if nested else _NoRouteError)(
            f"No route found for path {path!r}."
        )
        if root:
            error.add_note(f"The path does not begin with the server's root_path, {root!r}.")
        else:
            shown = [repr(str(route.pattern)) for route in self.routes[:SHOWN_ROUTES]]
            more = len(self.routes) - len(shown)
            error.add_note(
                f"Routes tried, in this order: {', '.join(shown) or 'none'}"
                f"{f' and {more} more' if more else ''}. They are matched without the leading "
                "slash, and a slash at the end counts."
            )
        return error


class ChannelNameRouter:
    """Chooses the application by ``scope["channel"]``: what a worker runs for each channel."""

    application_mapping: Mapping[str, ASGIApplication]

    def __init__(self, application_mapping: Mapping[str, ASGIApplication]) -> None:
        self.application_mapping = application_mapping

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve one channel; what the chosen application returns is passed on.

        Raises:
            ValueError: the scope names no channel, or one that is not in the mapping.
        """
        if "channel" not in scope:
            error = ValueError(
                "ChannelNameRouter got a scope without a 'channel' key. "
                "Did you make sure it's only being used for 'channel' type messages?"
            )
            error.add_note(
                f"The scope is of type {scope.get('type')!r}. Put this router under the 'channel' "
                "key of a ProtocolTypeRouter."
            )
            raise error
        name = scope["channel"]
        if name not in self.application_mapping:
            known = ", ".join(repr(known) for known in self.application_mapping) or "no channel"
            error = ValueError(f"No application configured for channel name {name!r}")
            error.add_note(f"The ChannelNameRouter knows {known}.")
            raise error
        return await self.application_mapping[name](scope, receive, send)


def _checked_callback(route: Any) -> Any:
    """The application that ``route`` leads to."""
    if not hasattr(route, "pattern") or not hasattr(route, "callback"):
        raise ImproperlyConfigured(
            f"{route!r} is not a route. URLRouter takes a list of path() and re_path()."
        )
    callback = route.callback
    if not callback and isinstance(route, URLResolver):
        raise ImproperlyConfigured(
            f"{route}: include() is not supported in URLRouter. "
            "Use nested URLRouter instances instead."
        )
    if isinstance(callback, type) and hasattr(callback, "as_asgi"):
        raise ImproperlyConfigured(
            f"{route!r} leads to the class {callback.__name__}. A route needs an application: "
            f"pass {callback.__name__}.as_asgi()."
        )
    return callback


def _as_prefix(pattern: Any) -> RegexPattern | RoutePattern:
    """The same pattern, made to match the beginning of a path."""
    # The source, and not str() of the pattern, because it may be a lazy translation.
    if isinstance(pattern, RegexPattern):
        return type(pattern)(pattern._regex, pattern.name, is_endpoint=False)  # type: ignore[attr-defined]
    if isinstance(pattern, RoutePattern):
        return type(pattern)(pattern._route, pattern.name, is_endpoint=False)  # type: ignore[attr-defined]
    raise ValueError(f"Unsupported pattern type: {type(pattern)}")


class _Listening:
    """A ``receive`` that knows whether anybody has called it."""

    # No coroutine of its own for each message, and no closure's cells for each connection.
    __slots__ = ("_receive", "begun")

    def __init__(self, receive: Receive) -> None:
        self.begun: bool = False
        self._receive = receive

    def __call__(self) -> Awaitable[Message]:
        self.begun = True
        return self._receive()


async def _deny(scope: Scope, receive: Receive, send: Send, status: int) -> None:
    if (await receive())["type"] != "websocket.disconnect":
        # The client may leave while it is told: servers then raise a kind of OSError.
        with contextlib.suppress(OSError):
            await deny(scope, send, status)
