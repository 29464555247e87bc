"""Which web pages may open a WebSocket.

Browsers let any page connect to any host, with the visitor's cookies, and only tell the server the
page's origin. A site that trusts its cookies has to look at it.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import ParseResult, urlparse

from django.conf import settings
from django.utils.http import is_same_domain

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.security.denials import DenialLog
from channels.typing import ASGIApplication

DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class OriginValidator:
    """Passes WebSockets on whose ``Origin`` header is in a list; denies the others with a 403.

    An allowed origin is ``[scheme://]host[:port]``. Without a scheme every scheme fits, and without
    a port too every port; with a scheme the port defaults to the scheme's. A host that begins with
    a dot stands for the domain and all its subdomains. ``*`` fits everything, a missing header
    included.

    A header that is repeated has to be allowed each time. One that is no origin (garbage, empty,
    ``null``) fits ``*`` alone. A denial is logged on ``django.channels.security`` as a WARNING,
    once a minute for each origin.

    Subclasses override :meth:`valid_origin` or what it calls.
    """

    application: ASGIApplication
    allowed_origins: Iterable[str]
    allow_missing_origin: bool = False

    def __init__(
        self,
        application: ASGIApplication,
        allowed_origins: Iterable[str],
        *,
        allow_missing_origin: bool = False,
    ) -> None:
        """``allow_missing_origin`` admits clients that send no Origin at all.

        Browsers always send one; native applications and tools do not.
        """
        self.application = application
        self.allowed_origins = allowed_origins
        self.allow_missing_origin = allow_missing_origin

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve or deny one connection.

        Raises:
            ValueError: the connection is not a WebSocket.
        """
        if scope["type"] != "websocket":
            error = ValueError("You cannot use OriginValidator on a non-WebSocket connection")
            error.add_note(
                f"The scope is of type {scope['type']!r}. Put the validator under the 'websocket' "
                "key of a ProtocolTypeRouter."
            )
            raise error
        origin = tuple(value for name, value in scope.get("headers", ()) if name == b"origin")
        candidates: list[ParseResult | None] = [_parsed(v.decode("latin1")) for v in origin]
        if all(self.valid_origin(candidate) for candidate in candidates or [None]):
            return await self.application(scope, receive, send)
        self._denials.denied(origin, self.allowed_origins)
        return await WebsocketDenier()(scope, receive, send)

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        """Whether this origin may connect; ``None``: there is no Origin header."""
        if parsed_origin is None and "*" not in self.allowed_origins:
            return self.allow_missing_origin
        return self.validate_origin(parsed_origin)

    def validate_origin(self, parsed_origin: ParseResult | None) -> bool:
        """Whether the origin fits one of :attr:`allowed_origins`."""
        return any(
            pattern == "*" or self.match_allowed_origin(parsed_origin, pattern)
            for pattern in self.allowed_origins
        )

    def match_allowed_origin(self, parsed_origin: ParseResult | None, pattern: str) -> bool:
        """Whether the origin fits ``pattern``, which is not ``*``."""
        if parsed_origin is None or parsed_origin.hostname is None:
            return False
        wanted = _parsed_pattern(pattern)
        # What has no host after all may be a bare IPv6 address.
        if not is_same_domain(parsed_origin.hostname, wanted.hostname or pattern.lower()):
            return False
        if not wanted.scheme:
            return wanted.port is None or wanted.port == self.get_origin_port(parsed_origin)
        return wanted.scheme == parsed_origin.scheme and self.get_origin_port(
            wanted
        ) == self.get_origin_port(parsed_origin)

    def get_origin_port(self, origin: ParseResult) -> int | None:
        """The port of ``origin``, or the one its scheme stands for; ``None`` if that is unknown."""
        return origin.port if origin.port is not None else DEFAULT_PORTS.get(origin.scheme)

    @property
    def _denials(self) -> DenialLog:
        # Made when it is first needed, for subclasses whose __init__ does without super().
        log: DenialLog = self.__dict__.setdefault("_denial_log", DenialLog())
        return log


def AllowedHostsOriginValidator(  # noqa: N802 - upstream's name
    application: ASGIApplication, *, allow_missing_origin: bool = False
) -> OriginValidator:
    """An :class:`OriginValidator` for ``ALLOWED_HOSTS``, which is read now and not again.

    With ``DEBUG`` and no allowed hosts, pages of this machine may connect.
    """
    allowed_hosts = settings.ALLOWED_HOSTS
    if settings.DEBUG and not allowed_hosts:
        allowed_hosts = ["localhost", "127.0.0.1", "[::1]"]
    return OriginValidator(application, allowed_hosts, allow_missing_origin=allow_missing_origin)


class WebsocketDenier(AsyncWebsocketConsumer):
    """Denies every WebSocket, which clients see as a 403."""

    async def connect(self) -> None:
        await self.close()


def _parsed(url: str) -> ParseResult:
    """The parts of an origin or a pattern; all of them are empty where it cannot be taken apart."""
    if not url.isprintable() or " " in url:
        # urlparse() overlooks some of these, and no browser sends any.
        return urlparse("")
    try:
        parsed = urlparse(url)
        _ = parsed.port  # raises where it is no number between 0 and 65535
    except ValueError:
        return urlparse("")
    return parsed


def _parsed_pattern(pattern: str) -> ParseResult:
    pattern = pattern.lower()
    # Without the slashes, `localhost:8000` would be the scheme `localhost`.
    return _parsed(pattern if "://" in pattern else f"//{pattern}")
