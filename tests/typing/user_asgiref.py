"""An application whose author annotates with :mod:`asgiref.typing`, in both directions."""

from asgiref.typing import (
    ASGI3Application,
    ASGIApplication,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    Scope,
)
from django.urls import path

from channels.auth import AuthMiddlewareStack
from channels.middleware import BaseMiddleware
from channels.routing import (
    ChannelNameRouter,
    ProtocolTypeRouter,
    URLRouter,
    get_default_application,
)
from channels.security.websocket import AllowedHostsOriginValidator, OriginValidator
from channels.sessions import CookieMiddleware, SessionMiddlewareStack
from channels.testing import WebsocketCommunicator
from tests.typing.user_consumers import Chat, SyncEcho


async def plain(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await send({"type": "websocket.close", "code": 1000, "reason": None})


class Header(BaseMiddleware):
    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        async def counted() -> ASGIReceiveEvent:
            return await receive()

        await super().__call__(scope, counted, send)


class Wrapper:
    """Takes an application and is one."""

    def __init__(self, inner: ASGI3Application) -> None:
        self.inner = inner

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await self.inner(scope, receive, send)


def stack(inner: ASGIApplication) -> ASGI3Application:
    """Takes their wider union, which has the applications of ASGI 2 in it."""
    return CookieMiddleware(AuthMiddlewareStack(Header(inner)))


routes = URLRouter([path("", Chat.as_asgi())])
router = ProtocolTypeRouter(
    {
        "http": plain,
        "websocket": AllowedHostsOriginValidator(
            OriginValidator(SessionMiddlewareStack(Wrapper(stack(plain))), ["example.com"])
        ),
        "channel": ChannelNameRouter({"echo": SyncEcho.as_asgi()}),
    }
)
as_asgi3: list[ASGI3Application] = [
    router,
    routes,
    get_default_application(),
    Chat.as_asgi(),
    Chat(),
    Header(plain),
    AuthMiddlewareStack(plain),
    AllowedHostsOriginValidator(plain),
    ChannelNameRouter({}),
]
as_either: ASGIApplication = router


async def serve(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    for application in as_asgi3:
        await application(scope, receive, send)
    await router(scope, receive, send)
    await Chat.as_asgi()(scope, receive, send)
    WebsocketCommunicator(plain, "/")
