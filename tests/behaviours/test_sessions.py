"""CookieMiddleware, SessionMiddleware, InstanceSessionWrapper."""

import datetime as dt
from http.cookies import SimpleCookie
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.exceptions import SuspiciousOperation
from django.test.utils import override_settings
from django.utils.functional import LazyObject

from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.middleware import BaseMiddleware
from channels.sessions import (
    CookieMiddleware,
    InstanceSessionWrapper,
    SessionMiddleware,
    SessionMiddlewareStack,
)
from channels.testing import HttpCommunicator, WebsocketCommunicator
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, http_scope, seen_by

database = pytest.mark.django_db(transaction=True)


def kept(seen: dict[str, Any]) -> Any:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        seen.update(scope)

    return app


# BaseMiddleware


@behaviour("Middleware: BaseMiddleware keeps the application as .inner and returns its result")
async def test_base_middleware() -> None:
    async def app(scope: Message, receive: Any, send: Any) -> str:
        return "result"

    middleware = BaseMiddleware(app)
    assert middleware.inner is app
    assert await middleware({"type": "x"}, None, None) == "result"


@behaviour("Middleware: BaseMiddleware copies the scope, so that changes stay inside")
async def test_base_middleware_copies() -> None:
    async def app(scope: Message, receive: Any, send: Any) -> Message:
        scope["inside"] = True
        return scope

    outer = {"type": "x"}
    assert await BaseMiddleware(app)(outer, None, None) == {"type": "x", "inside": True}
    assert outer == {"type": "x"}


@behaviour("Middleware: a subclass sets scope keys and calls super().__call__")
async def test_base_middleware_subclass() -> None:
    seen: dict[str, Any] = {}

    class Token(BaseMiddleware):
        async def __call__(self, scope: Message, receive: Any, send: Any) -> Any:
            return await super().__call__({**scope, "token": "t"}, receive, send)

    await seen_by(Token(kept(seen)), {"type": "websocket"})
    assert seen == {"type": "websocket", "token": "t"}


# CookieMiddleware


@behaviour("Cookies: scope['cookies'] is a dict in the format of request.COOKIES")
async def test_cookies() -> None:
    seen: dict[str, Any] = {}
    headers = [(b"host", b"x"), (b"cookie", b'a=1; b="two words"; c=x%20y')]
    await seen_by(CookieMiddleware(kept(seen)), http_scope(headers=headers))
    assert seen["cookies"] == {"a": "1", "b": "two words", "c": "x%20y"}


@behaviour("Cookies: without a cookie header scope['cookies'] is empty")
async def test_no_cookies() -> None:
    seen: dict[str, Any] = {}
    await seen_by(CookieMiddleware(kept(seen)), http_scope())
    assert seen["cookies"] == {}


@behaviour("Cookies: a scope without headers is ValueError")
async def test_cookies_without_headers() -> None:
    with pytest.raises(ValueError) as caught:
        await seen_by(CookieMiddleware(kept({})), {"type": "channel"})
    assert str(caught.value) == (
        "CookieMiddleware was passed a scope that did not have a headers key "
        "(make sure it is only passed HTTP or WebSocket connections)"
    )


@behaviour("Cookies: several cookie headers, as HTTP/2 sends them")
@differs(upstream="are read up to the first", ours="are joined")
async def test_several_cookie_headers() -> None:
    seen: dict[str, Any] = {}
    headers = [(b"cookie", b"a=1"), (b"cookie", b"b=2")]
    await seen_by(CookieMiddleware(kept(seen)), http_scope(headers=headers))
    assert seen["cookies"] == expected(upstream={"a": "1"}, ours={"a": "1", "b": "2"})


def cookie_of(message: Message, key: str) -> Any:
    jar: SimpleCookie = SimpleCookie()
    for name, value in message["headers"]:
        assert name.lower() == b"set-cookie"
        jar.load(value.decode())
    return jar[key]


@behaviour(
    "Cookies: CookieMiddleware.set_cookie(message, key, value, ...) adds a Set-Cookie header"
)
def test_set_cookie() -> None:
    message: Message = {"type": "http.response.start", "status": 200}
    CookieMiddleware.set_cookie(
        message,
        "key",
        "value",
        max_age=60,
        path="/p",
        domain="example.com",
        secure=True,
        httponly=True,
        samesite="Strict",
    )
    cookie = cookie_of(message, "key")
    assert cookie.value == "value"
    assert cookie["max-age"] == "60"
    assert cookie["expires"]
    assert cookie["path"] == "/p"
    assert cookie["domain"] == "example.com"
    assert cookie["secure"] is True
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Strict"


@behaviour("Cookies: set_cookie's defaults are path '/', samesite 'lax', no expiry")
def test_set_cookie_defaults() -> None:
    message: Message = {"headers": []}
    CookieMiddleware.set_cookie(message, "key")
    cookie = cookie_of(message, "key")
    assert (cookie.value, cookie["path"], cookie["samesite"]) == ("", "/", "lax")
    assert (cookie["expires"], cookie["max-age"], cookie["domain"]) == ("", "", "")
    assert not cookie["secure"]
    assert not cookie["httponly"]


def cookie_until(when: dt.datetime) -> Any:
    message: Message = {"headers": []}
    CookieMiddleware.set_cookie(message, "key", expires=when)
    return cookie_of(message, "key")


@behaviour("Cookies: set_cookie(expires=naive datetime in UTC) becomes max-age")
def test_set_cookie_naive() -> None:
    when = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100)
    assert 98 <= int(cookie_until(when.replace(tzinfo=None))["max-age"]) <= 101


@behaviour("Cookies: set_cookie(expires=aware datetime)")
@differs(
    upstream="is documented and AttributeError since Django 5 removed timezone.utc",
    ours="becomes max-age",
)
def test_set_cookie_aware() -> None:
    when = dt.datetime.now(dt.timezone(dt.timedelta(hours=5))) + dt.timedelta(seconds=100)
    age: Any
    try:
        age = 98 <= int(cookie_until(when)["max-age"]) <= 101
    except AttributeError as error:
        age = type(error)
    assert age is expected(upstream=AttributeError, ours=True)


@behaviour("Cookies: set_cookie(expires='...') is kept as it is")
def test_set_cookie_expires_text() -> None:
    message: Message = {"headers": []}
    CookieMiddleware.set_cookie(message, "key", expires="Thu, 01-Jan-2037 00:00:00 GMT")
    assert cookie_of(message, "key")["expires"] == "Thu, 01-Jan-2037 00:00:00 GMT"


@behaviour("Cookies: set_cookie(samesite=...) outside strict, lax, none is AssertionError")
def test_set_cookie_samesite() -> None:
    with pytest.raises(AssertionError, match="samesite must be either 'strict', 'lax' or 'none'"):
        CookieMiddleware.set_cookie({}, "key", samesite="never")


@behaviour("Cookies: delete_cookie(message, key, path, domain) expires it")
def test_delete_cookie() -> None:
    message: Message = {}
    CookieMiddleware.delete_cookie(message, "key", path="/p", domain="example.com")
    cookie = cookie_of(message, "key")
    assert (cookie.value, cookie["max-age"]) == ("", "0")
    assert cookie["expires"] == "Thu, 01-Jan-1970 00:00:00 GMT"
    assert (cookie["path"], cookie["domain"]) == ("/p", "example.com")


# SessionMiddleware


@behaviour("Sessions: SessionMiddleware outside of CookieMiddleware is ValueError")
async def test_session_without_cookies() -> None:
    with pytest.raises(ValueError) as caught:
        await seen_by(SessionMiddleware(kept({})), http_scope())
    assert str(caught.value) == (
        "No cookies in scope - SessionMiddleware needs to run inside of CookieMiddleware."
    )


@behaviour("Sessions: scope['session'] is a LazyObject around the engine's SessionStore")
@database
async def test_session_lazy() -> None:
    seen: dict[str, Any] = {}
    scope = http_scope()
    await seen_by(SessionMiddlewareStack(kept(seen)), scope)
    assert isinstance(seen["session"], LazyObject)
    assert isinstance(seen["session"]._wrapped, SessionStore)
    assert "session" not in scope


async def stored(**values: Any) -> str:
    def save() -> str:
        session = SessionStore()
        session.update(values)
        session.save()
        return str(session.session_key)

    return await sync_to_async(save)()


def cookie_header(key: str, name: str = "sessionid") -> list[tuple[bytes, bytes]]:
    return [(b"cookie", f"{name}={key}".encode())]


@behaviour("Sessions: the session of the cookie is loaded, under SESSION_COOKIE_NAME")
@database
async def test_session_loaded() -> None:
    key = await stored(colour="blue")
    got: list[Any] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        got.append(await sync_to_async(scope["session"].get)("colour"))

    with override_settings(SESSION_COOKIE_NAME="mine"):
        scope = http_scope(headers=cookie_header(key, "mine"))
        await seen_by(SessionMiddlewareStack(app), scope)
    await seen_by(SessionMiddlewareStack(app), http_scope(headers=cookie_header(key, "other")))
    assert got == ["blue", None]


class Counts(AsyncHttpConsumer):
    """Counts visits in the session and answers with the status it was made with."""

    def __init__(self, status: int = 200, touch: bool = True) -> None:
        super().__init__()
        self.status, self.touch = status, touch

    async def handle(self, body: bytes) -> None:
        if self.touch:
            self.scope["session"]["visits"] = self.scope["session"].get("visits", 0) + 1
        await self.send_response(self.status, b"")


async def visit(app: Any, headers: Any = None) -> dict[str, Any]:
    # The store may be loaded in any thread; Django's guard is about blocking, not about this.
    client = HttpCommunicator(SessionMiddlewareStack(app), "GET", "/", headers=headers)
    response = await client.get_response()
    await client.wait()
    return response


@pytest.fixture
def may_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions are read in async handlers here, for the sake of short tests."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


@behaviour("Sessions: a changed session is saved on http.response.start, and the cookie is set")
@database
@pytest.mark.usefixtures("may_block")
async def test_session_saved() -> None:
    response = await visit(Counts.as_asgi())
    cookie = cookie_of(response, "sessionid")
    assert cookie["max-age"] == str(60 * 60 * 24 * 14)
    assert cookie["httponly"] is True
    assert cookie["path"] == "/"
    assert cookie["samesite"] == "Lax"
    session = await Session.objects.aget(session_key=cookie.value)
    assert session.get_decoded() == {"visits": 1}
    await visit(Counts.as_asgi(), cookie_header(cookie.value))
    session = await Session.objects.aget(session_key=cookie.value)
    assert session.get_decoded() == {"visits": 2}


@behaviour("Sessions: a session that expires with the browser gives a cookie without max-age")
@database
@pytest.mark.usefixtures("may_block")
async def test_session_browser_close() -> None:
    with override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=True):
        response = await visit(Counts.as_asgi())
    cookie = cookie_of(response, "sessionid")
    assert (cookie["max-age"], cookie["expires"]) == ("", "")


@behaviour("Sessions: of two nested session middlewares the outermost alone saves, once")
@database
@pytest.mark.usefixtures("may_block")
async def test_session_nested() -> None:
    response = await visit(SessionMiddlewareStack(Counts.as_asgi()))
    assert len(response["headers"]) == 1
    assert await Session.objects.acount() == 1


@behaviour("Sessions: an unchanged session is not saved and sets no cookie")
@database
@pytest.mark.usefixtures("may_block")
async def test_session_untouched() -> None:
    response = await visit(Counts.as_asgi(touch=False))
    assert response["headers"] == []
    assert await Session.objects.acount() == 0


@behaviour("Sessions: a response with status 500 saves nothing")
@database
@pytest.mark.usefixtures("may_block")
async def test_session_500() -> None:
    response = await visit(Counts.as_asgi(status=500))
    assert response["headers"] == []
    assert await Session.objects.acount() == 0
    await visit(Counts.as_asgi(status=503))
    assert await Session.objects.acount() == 1


@behaviour("Sessions: SESSION_SAVE_EVERY_REQUEST saves an unchanged session too")
@database
@pytest.mark.usefixtures("may_block")
async def test_session_save_every_request() -> None:
    key = await stored(colour="blue")
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        response = await visit(Counts.as_asgi(touch=False), cookie_header(key))
    assert cookie_of(response, "sessionid").value == key


@behaviour("Sessions: an emptied session deletes the client's cookie")
@database
@pytest.mark.usefixtures("may_block")
async def test_session_emptied() -> None:
    class Empties(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            self.scope["session"].flush()
            await self.send_response(200, b"")

    key = await stored(colour="blue")
    response = await visit(Empties.as_asgi(), cookie_header(key))
    cookie = cookie_of(response, "sessionid")
    assert (cookie.value, cookie["max-age"]) == ("", "0")
    assert not await Session.objects.filter(session_key=key).aexists()


@behaviour("Sessions: never saved on WebSocket messages; scope['session'].save() saves")
@database
@pytest.mark.usefixtures("may_block")
async def test_session_websocket() -> None:
    class Notes(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:  # type: ignore[override]
            self.scope["session"]["note"] = text_data
            if text_data == "save":
                await sync_to_async(self.scope["session"].save)()
            await self.send("ok")

    key = await stored(note="old")
    client = WebsocketCommunicator(
        SessionMiddlewareStack(Notes.as_asgi()), "/", headers=cookie_header(key)
    )
    await client.connect()
    for text, kept_note in (("keep", "old"), ("save", "save")):
        await client.send_to(text_data=text)
        await client.receive_from()
        session = await Session.objects.aget(session_key=key)
        assert session.get_decoded() == {"note": kept_note}
    await client.disconnect()


@behaviour("Sessions: InstanceSessionWrapper may be subclassed and resolve_session overridden")
@database
async def test_instance_session_wrapper() -> None:
    class Wrapper(InstanceSessionWrapper):
        save_message_types = [*InstanceSessionWrapper.save_message_types, "websocket.send"]

        async def resolve_session(self) -> None:
            key = self.scope["cookies"].get(self.cookie_name)
            self.scope["session"]._wrapped = self.session_store(f"wrapped-{key}")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    wrapper = Wrapper(http_scope(cookies={"sessionid": "key"}), send)
    assert wrapper.activated is True
    assert wrapper.cookie_name == "sessionid"
    assert wrapper.session_store is SessionStore
    await wrapper.resolve_session()
    assert wrapper.scope["session"].session_key == "wrapped-key"
    assert wrapper.real_send is send
    assert InstanceSessionWrapper.cookie_response_message_types == ["http.response.start"]
    assert InstanceSessionWrapper.save_message_types == ["http.response.start"]


@behaviour("Sessions: SessionMiddlewareStack is cookies and session in one")
@database
async def test_session_stack() -> None:
    seen: dict[str, Any] = {}
    await seen_by(SessionMiddlewareStack(kept(seen)), http_scope())
    assert seen["cookies"] == {}
    assert seen["session"].session_key is None


@behaviour("Sessions: a session deleted meanwhile makes the save SuspiciousOperation")
@database
@pytest.mark.usefixtures("may_block")
async def test_session_deleted_meanwhile() -> None:
    class Deletes(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            self.scope["session"]["late"] = 1
            await Session.objects.all().adelete()
            await self.send_response(200, b"")

    key = await stored(colour="blue")
    client = HttpCommunicator(
        SessionMiddlewareStack(Deletes.as_asgi()), "GET", "/", headers=cookie_header(key)
    )
    await client.send_input({"type": "http.request"})
    with pytest.raises(SuspiciousOperation, match="session was deleted before the request"):
        await client.wait()
