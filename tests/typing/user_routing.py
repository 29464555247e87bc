"""Routers, origins, sessions and users as projects put them together and derive from them."""

import re
from typing import TYPE_CHECKING, Any, assert_type
from urllib.parse import ParseResult

from django.contrib.auth.models import AnonymousUser
from django.urls import path, re_path
from django.urls.resolvers import URLPattern

from channels.auth import AuthMiddleware, AuthMiddlewareStack, UserLazyObject, get_user
from channels.consumer import AsyncConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.middleware import BaseMiddleware
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from channels.security.websocket import (
    AllowedHostsOriginValidator,
    OriginValidator,
    WebsocketDenier,
)
from channels.sessions import (
    CookieMiddleware,
    InstanceSessionWrapper,
    SessionMiddleware,
    SessionMiddlewareStack,
)
from channels.typing import ASGIApplication, Message, Receive, Scope, Send
from tests.typing.user_consumers import Chat, Feed, SyncEcho

if TYPE_CHECKING:
    from collections.abc import Callable

    # There for code that was typed against the published stubs, where they are private too.
    from channels.consumer import (
        _ASGIApplicationProtocol,  # pyright: ignore[reportPrivateUsage]
        _ChannelScope,  # pyright: ignore[reportPrivateUsage]
    )
    from channels.routing import _ExtendedURLPattern  # pyright: ignore[reportPrivateUsage]

websocket_urlpatterns: list[URLPattern] = [
    path("ws/", Chat.as_asgi()),
    path("ws/<slug:room>/", Chat.as_asgi(welcome="hello"), {"extra": 1}, name="room"),
    re_path(r"^ws/(?P<room>\w+)/$", Chat.as_asgi(), name="room-by-expression"),
]
nested = URLRouter([path("inner/", URLRouter(websocket_urlpatterns)), path("feed", Feed.as_asgi())])


class Protocols(ProtocolTypeRouter):
    def __init__(self, extra: ASGIApplication | None = None) -> None:
        super().__init__({"websocket": nested, "http": extra or nested})


class Names(ChannelNameRouter):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        return await super().__call__(scope, receive, send)


class Fallback(URLRouter):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        try:
            return await super().__call__(scope, receive, send)
        except ValueError:
            return await WebsocketDenier()(scope, receive, send)


class TokenAuth(AuthMiddleware):
    def populate_scope(self, scope: Scope) -> None:
        scope["user"] = UserLazyObject()

    async def resolve_scope(self, scope: Scope) -> None:
        scope["user"]._wrapped = await get_user(scope)


class QueryUser(BaseMiddleware):
    def __init__(self, inner: ASGIApplication, default: str = "") -> None:
        super().__init__(inner)
        self.default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        scope = dict(scope, user=AnonymousUser(), token=self.default)
        return await self.inner(scope, receive, send)


def QueryUserStack(inner: ASGIApplication) -> ASGIApplication:
    return QueryUser(AuthMiddlewareStack(inner))


class HeaderSession(InstanceSessionWrapper):
    cookie_response_message_types = ["http.response.start", "websocket.accept"]

    async def resolve_session(self) -> None:
        await super().resolve_session()
        self.scope["session"] = self.session_store("key")

    async def send(self, message: Message) -> None:
        CookieMiddleware.set_cookie(message, "seen", "1", max_age=60, samesite="strict")
        CookieMiddleware.delete_cookie(message, "old", path="/", domain=None)
        await super().send(message)


class HeaderSessions(SessionMiddleware):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        wrapper = HeaderSession(scope, send)
        await wrapper.resolve_session()
        return await self.inner(wrapper.scope, receive, wrapper.send)


class OwnOrigins(OriginValidator):
    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        return parsed_origin is None or super().valid_origin(parsed_origin)

    def match_allowed_origin(self, parsed_origin: ParseResult | None, pattern: str) -> bool:
        return parsed_origin is not None and bool(re.match(pattern, parsed_origin.geturl()))


class Denier(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.close(code=4403)


def describe(
    route: "_ExtendedURLPattern", scope: "_ChannelScope", application: "_ASGIApplicationProtocol"
) -> type[AsyncConsumer]:
    callback: Callable[..., object] = route.callback
    assert callback is application
    assert scope["type"] == "websocket"
    return application.consumer_class


application = Protocols(
    AllowedHostsOriginValidator(
        OwnOrigins(SessionMiddlewareStack(HeaderSessions(TokenAuth(QueryUserStack(nested)))), ["*"])
    )
)
fallback = Fallback(websocket_urlpatterns)
by_name = Names({"thumbnails": SyncEcho.as_asgi(size=3)})
assert_type(Chat.as_asgi().consumer_initkwargs, dict[str, Any])
assert_type(application.application_mapping["http"], ASGIApplication)
