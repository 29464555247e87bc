import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.cookies import SimpleCookie
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.cache import SessionStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.exceptions import SuspiciousOperation
from django.test import TestCase
from django.utils.functional import LazyObject, empty
from django.utils.http import parse_http_date

from channels.db import database_sync_to_async
from channels.sessions import (
    CookieMiddleware,
    InstanceSessionWrapper,
    SessionMiddleware,
    SessionMiddlewareStack,
)
from channels.threads import current_strand
from channels.typing import ASGIApplication, Message, Receive, Scope, Send
from tests.wire import Wire, call, http, websocket

Work = Callable[[Any], None]


def answering(work: Work, start: Message | None = None) -> ASGIApplication:
    """An HTTP application that does ``work`` on the session, in a thread, and answers."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await database_sync_to_async(work)(scope["session"])
        await send(start or {"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return application


async def answer(
    work: Work, *, session: str | None = None, start: Message | None = None
) -> SimpleCookie:
    """The cookies that a browser gets after ``work`` on the session with the key ``session``."""
    headers = [(b"cookie", f"sessionid={session}".encode())] if session else []
    wire = Wire()
    await wire.serve(SessionMiddlewareStack(answering(work, start)), http("/", *headers))
    assert [message["type"] for message in wire.sent] == [
        "http.response.start",
        "http.response.body",
    ]
    return cookies_of(wire.sent[0])


def cookies_of(message: Message) -> SimpleCookie:
    cookies: SimpleCookie = SimpleCookie()
    for name, value in message.get("headers", ()):
        if name == b"Set-Cookie":
            cookies.load(value.decode())
    return cookies


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", ()))


def put_basket(session: Any) -> None:
    session["basket"] = "apples"


def look(session: Any) -> None:
    session.get("basket")


def leave(session: Any) -> None:
    """Not even look at it."""


class TestCookies:
    async def cookies(self, *headers: tuple[bytes, bytes]) -> Any:
        async def application(scope: Scope, receive: Receive, send: Send) -> Any:
            return scope["cookies"]

        return await call(CookieMiddleware(application), websocket("/", *headers))

    async def test_are_read(self) -> None:
        header = (b"cookie", b'a=1; b=two words; quoted="x"; bare; latin=\xe9')
        assert await self.cookies((b"host", b"x"), header) == {
            "a": "1",
            "b": "two words",
            "quoted": "x",
            "": "bare",
            "latin": "\xe9",
        }

    async def test_of_several_headers_are_joined(self) -> None:
        assert await self.cookies(
            (b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b"b=2; c=3"), (b"cookie", b"a=4")
        ) == {"a": "4", "b": "2", "c": "3"}

    async def test_none(self) -> None:
        assert await self.cookies() == {}
        assert await self.cookies((b"cookie", b"")) == {}

    async def test_stay_out_of_the_scope_outside(self) -> None:
        scope = websocket("/", (b"cookie", b"a=1"))
        before = {**scope}
        await call(CookieMiddleware(strand_in_use), scope)
        assert scope == before

    async def test_a_scope_without_headers(self) -> None:
        with pytest.raises(ValueError) as caught:
            await call(CookieMiddleware(strand_in_use), {"type": "channel"})
        assert str(caught.value) == (
            "CookieMiddleware was passed a scope that did not have a headers key "
            "(make sure it is only passed HTTP or WebSocket connections)"
        )
        assert "'channel'" in notes(caught.value)


async def strand_in_use(scope: Scope, receive: Receive, send: Send) -> Any:
    return current_strand()


class TestSetCookie:
    def header(self, *args: Any, **kwargs: Any) -> bytes:
        message: Message = {}
        CookieMiddleware.set_cookie(message, *args, **kwargs)
        ((name, value),) = message["headers"]
        assert name == b"Set-Cookie"
        assert isinstance(value, bytes)
        return value

    @pytest.mark.parametrize(
        ("kwargs", "header"),
        [
            ({}, b"k=v; Path=/; SameSite=lax"),
            ({"path": None, "samesite": None}, b"k=v"),
            (
                {"path": "/x", "domain": "example.com"},
                b"k=v; Domain=example.com; Path=/x; SameSite=lax",
            ),
            (
                {"secure": True, "httponly": True, "samesite": "None"},
                b"k=v; HttpOnly; Path=/; SameSite=None; Secure",
            ),
            (
                {"secure": None, "httponly": None, "samesite": "Strict"},
                b"k=v; Path=/; SameSite=Strict",
            ),
            (
                {"expires": "Thu, 01-Jan-1970 00:00:00 GMT"},
                b"k=v; expires=Thu, 01-Jan-1970 00:00:00 GMT; Path=/; SameSite=lax",
            ),
            (
                {"expires": "Thu, 01-Jan-1970 00:00:00 GMT", "max_age": 7},
                b"k=v; expires=Thu, 01-Jan-1970 00:00:00 GMT; Max-Age=7; Path=/; SameSite=lax",
            ),
        ],
    )
    def test_attributes(self, kwargs: dict[str, Any], header: bytes) -> None:
        assert self.header("k", "v", **kwargs) == header

    @pytest.mark.parametrize(
        ("value", "quoted"),
        [("", b'k=""'), ("a b;c", b'k="a b\\073c"'), ("\xe9", b'k="\\351"'), (7, b"k=7")],
    )
    def test_values(self, value: Any, quoted: bytes) -> None:
        assert self.header("k", value).split(b"; ")[0] == quoted

    def test_max_age_brings_the_date_for_old_browsers(self, frozen: float) -> None:
        cookie: SimpleCookie = SimpleCookie(self.header("k", "v", max_age=3600).decode())
        assert cookie["k"]["max-age"] == "3600"
        assert parse_http_date(cookie["k"]["expires"]) == frozen + 3600

    @pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5)), None])
    def test_a_datetime_becomes_max_age(self, zone: timezone | None) -> None:
        moment = datetime.now(UTC) + timedelta(days=2, seconds=30)
        moment = moment.astimezone(zone) if zone else moment.replace(tzinfo=None)
        cookie: SimpleCookie = SimpleCookie(self.header("k", "v", expires=moment).decode())
        assert int(cookie["k"]["max-age"]) in {2 * 86400 + 29, 2 * 86400 + 30}
        assert cookie["k"]["expires"]

    def test_a_datetime_in_the_past_ends_the_cookie(self) -> None:
        assert b"Max-Age=0;" in self.header("k", "v", expires=datetime(2000, 1, 1))  # noqa: DTZ001

    @pytest.fixture
    def frozen(self, monkeypatch: pytest.MonkeyPatch) -> float:
        now = 1_800_000_000.0
        monkeypatch.setattr("channels.sessions.time.time", lambda: now)
        return now

    @pytest.mark.parametrize("kind", [AssertionError, ValueError])
    def test_a_samesite_that_no_browser_knows(self, kind: type[Exception]) -> None:
        message: Message = {}
        with pytest.raises(kind) as caught:
            CookieMiddleware.set_cookie(message, "k", "v", samesite="no")
        assert str(caught.value) == "samesite must be either 'strict', 'lax' or 'none'"
        assert "'k' was given samesite='no'" in notes(caught.value)
        assert message == {}

    @pytest.mark.parametrize("kind", [list, tuple])
    def test_headers_that_responses_share_are_not_added_to(self, kind: type) -> None:
        shared = kind([(b"content-type", b"text/plain")])
        message = {"type": "http.response.start", "status": 200, "headers": shared}
        CookieMiddleware.set_cookie(message, "k", "v")
        CookieMiddleware.set_cookie(message, "l", "w")
        assert shared == kind([(b"content-type", b"text/plain")])
        assert [name for name, _ in message["headers"]] == [
            b"content-type",
            b"Set-Cookie",
            b"Set-Cookie",
        ]

    def test_delete_cookie(self) -> None:
        message: Message = {}
        CookieMiddleware.delete_cookie(message, "k")
        assert message["headers"] == [
            (
                b"Set-Cookie",
                b'k=""; expires=Thu, 01-Jan-1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=lax',
            )
        ]

    def test_delete_cookie_where_it_was_set(self) -> None:
        message: Message = {}
        CookieMiddleware.delete_cookie(message, "k", "/x", "example.com", samesite="Strict")
        cookie = cookies_of(message)["k"]
        assert (cookie["path"], cookie["domain"], cookie["samesite"], cookie["secure"]) == (
            "/x",
            "example.com",
            "Strict",
            "",
        )

    @pytest.mark.parametrize(
        ("key", "samesite"), [("k", "None"), ("__Host-k", "lax"), ("__Secure-k", None)]
    )
    def test_delete_cookie_that_browsers_take_with_secure_alone(
        self, key: str, samesite: str | None
    ) -> None:
        message: Message = {}
        CookieMiddleware.delete_cookie(message, key, samesite=samesite)
        assert cookies_of(message)[key]["secure"] is True


@pytest.mark.parametrize(
    ("cookie", "key"),
    [
        (b"sessionid=abcdefghabcdefgh", "abcdefghabcdefgh"),
        (b'sessionid="abcdefgh\\000abcdefgh"', None),
        (b'sessionid="abcdefgh\\012abcdefgh"', None),
        (b"sessionid=", None),
        (b"sessionid=short", None),
        (b"other=1", None),
    ],
)
async def test_what_cannot_be_a_key_is_none(cookie: bytes, key: str | None) -> None:
    """PostgreSQL refuses to look for a NUL, and whoever sent it would cause an error."""
    found = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(scope["session"].session_key)

    await call(SessionMiddlewareStack(application), websocket("/", (b"cookie", cookie)))
    assert found == [key]


class TestSession:
    """What an HTTP answer saves and which cookie it sets; the cache stands in for the database."""

    @pytest.fixture(autouse=True)
    def sessions_in_the_cache(self, settings: Any) -> Iterator[None]:
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
        cache.clear()
        yield
        cache.clear()

    @pytest.fixture
    def key(self) -> str:
        """A visitor who was here before."""
        session = SessionStore()
        session["seen"] = 1
        session.save()
        assert session.session_key
        return session.session_key

    async def test_is_saved_and_its_cookie_set(self) -> None:
        cookie = (await answer(put_basket))["sessionid"]
        assert SessionStore(cookie.value)["basket"] == "apples"
        assert cookie["httponly"] is True
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] == "/"
        assert cookie["max-age"] == str(14 * 86400)
        assert cookie["secure"] == ""
        assert cookie["expires"]

    async def test_of_a_visitor_goes_on(self, key: str) -> None:
        cookie = (await answer(put_basket, session=key))["sessionid"]
        assert cookie.value == key
        assert dict(SessionStore(key).items()) == {"seen": 1, "basket": "apples"}

    async def test_cookie_follows_the_settings(self, settings: Any) -> None:
        settings.SESSION_COOKIE_NAME = "sid"
        settings.SESSION_COOKIE_PATH = "/app"
        settings.SESSION_COOKIE_DOMAIN = "example.com"
        settings.SESSION_COOKIE_SECURE = True
        settings.SESSION_COOKIE_HTTPONLY = False
        settings.SESSION_COOKIE_SAMESITE = False
        settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
        cookie = (await answer(put_basket))["sid"]
        names = ["path", "domain", "secure", "httponly", "samesite", "max-age", "expires"]
        assert [cookie[name] for name in names] == ["/app", "example.com", True, "", "", "", ""]

    @pytest.mark.parametrize("work", [look, leave])
    async def test_unchanged_is_not_saved(self, key: str, work: Work) -> None:
        assert not await answer(work, session=key)
        assert not await answer(work)

    async def test_unchanged_is_saved_on_every_request_if_wanted(
        self, key: str, settings: Any
    ) -> None:
        settings.SESSION_SAVE_EVERY_REQUEST = True
        assert (await answer(leave, session=key))["sessionid"].value == key

    async def test_empty_is_never_saved(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.SESSION_SAVE_EVERY_REQUEST = True
        monkeypatch.setattr(SessionStore, "save", lambda *_: pytest.fail("an empty session saved"))
        assert not await answer(leave)
        assert not await answer(look)

    async def test_flushed_loses_its_cookie(self, key: str) -> None:
        cookie = (await answer(lambda session: session.flush(), session=key))["sessionid"]
        assert (cookie.value, cookie["max-age"], cookie["samesite"]) == ("", "0", "Lax")
        assert not SessionStore().exists(key)

    async def test_that_no_longer_exists_loses_its_cookie(self) -> None:
        assert (await answer(look, session="0" * 32))["sessionid"]["max-age"] == "0"

    @pytest.mark.parametrize(
        ("status", "saved"), [(200, True), (404, True), (503, True), (500, False)]
    )
    async def test_of_a_failed_response_is_not_saved(
        self, key: str, status: int, saved: bool
    ) -> None:
        start = {"type": "http.response.start", "status": status}
        cookies = await answer(put_basket, session=key, start=start)
        assert ("sessionid" in cookies) is saved
        assert ("basket" in SessionStore(key)) is saved

    async def test_a_flushed_one_keeps_its_cookie_on_500(self, key: str) -> None:
        start = {"type": "http.response.start", "status": 500}
        assert not await answer(lambda session: session.flush(), session=key, start=start)

    async def test_a_start_that_responses_share_is_not_changed(self) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
        assert await answer(put_basket, start=start)
        assert start == {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}

    async def test_deleted_meanwhile(self, key: str) -> None:
        def delete_and_change(session: Any) -> None:
            session["seen"] = 2
            SessionStore(key).delete()

        wire = Wire()
        scope = http("/", (b"cookie", f"sessionid={key}".encode()))
        with pytest.raises(SuspiciousOperation) as caught:
            await wire.serve(SessionMiddlewareStack(answering(delete_and_change)), scope)
        assert str(caught.value) == (
            "The request's session was deleted before the request completed. "
            "The user may have logged out in a concurrent request, for example."
        )
        assert wire.sent == []

    async def test_an_engine_that_overrides_save_alone_is_asked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        threads = []
        original = SessionStore.save

        def save(self: SessionStore, must_create: bool = False) -> None:
            threads.append(threading.current_thread())
            original(self, must_create)

        monkeypatch.setattr(SessionStore, "save", save)
        assert await answer(put_basket)
        assert threads
        assert threading.main_thread() not in threads

    async def test_websocket_messages_save_nothing(self, key: str) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"]["basket"] = "apples"
            for kind in ("websocket.accept", "websocket.send", "websocket.close"):
                await send({"type": kind})

        wire = Wire()
        scope = websocket("/", (b"cookie", f"sessionid={key}".encode()))
        await wire.serve(SessionMiddlewareStack(application), scope)
        assert wire.sent == [
            {"type": "websocket.accept"},
            {"type": "websocket.send"},
            {"type": "websocket.close"},
        ]
        assert "basket" not in SessionStore(key)

    async def test_a_websocket_saves_by_itself(self, key: str) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"]["basket"] = "apples"
            await database_sync_to_async(scope["session"].save)()

        await call(
            SessionMiddlewareStack(application),
            websocket("/", (b"cookie", f"sessionid={key}".encode())),
        )
        assert SessionStore(key)["basket"] == "apples"

    async def test_is_a_lazy_object_around_the_engines_store(self, key: str) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> Any:
            return scope["session"], current_strand()

        scope = http("/", (b"cookie", f"sessionid={key}".encode()))
        session, strand = await call(SessionMiddlewareStack(application), scope)
        assert issubclass(type(session), LazyObject)
        assert isinstance(session, SessionStore)
        assert session.session_key == key
        assert strand is not None
        assert "session" not in scope

    async def test_the_stack_is_cookies_and_session(self) -> None:
        stack = SessionMiddlewareStack(strand_in_use)
        assert isinstance(stack, CookieMiddleware)
        assert isinstance(stack.inner, SessionMiddleware)
        assert stack.inner.inner is strand_in_use

    async def test_without_cookies(self) -> None:
        with pytest.raises(ValueError) as caught:
            await call(SessionMiddleware(strand_in_use), http())
        assert str(caught.value) == (
            "No cookies in scope - SessionMiddleware needs to run inside of CookieMiddleware."
        )
        assert "SessionMiddlewareStack" in notes(caught.value)

    async def test_gives_the_connection_a_strand(self) -> None:
        assert await call(SessionMiddleware(strand_in_use), http(cookies={})) is not None


class TestSessionFromAbove:
    """A session that is in the scope when the middleware gets it."""

    @pytest.fixture(autouse=True)
    def sessions_in_the_cache(self, settings: Any) -> None:
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"

    async def test_stays_and_is_not_saved_here(self) -> None:
        above = SessionStore()
        seen = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope["session"])
            scope["session"]["basket"] = "apples"
            await send({"type": "http.response.start", "status": 200})

        wire = Wire()
        await wire.serve(SessionMiddlewareStack(application), http(session=above))
        assert seen == [above]
        assert seen[0] is above
        assert above.session_key is None
        assert wire.sent == [{"type": "http.response.start", "status": 200}]

    async def test_keeps_what_was_done_between_two_stacks(self) -> None:
        """The outer stack saves once; the inner one does not start the session anew."""

        def between(inner: ASGIApplication) -> ASGIApplication:
            async def application(scope: Scope, receive: Receive, send: Send) -> Any:
                scope["session"]["first"] = 1
                return await inner(scope, receive, send)

            return application

        wire = Wire()
        nested = SessionMiddlewareStack(between(SessionMiddlewareStack(answering(put_basket))))
        await wire.serve(nested, http())
        (cookie,) = [value for name, value in wire.sent[0]["headers"] if name == b"Set-Cookie"]
        key = SimpleCookie(cookie.decode())["sessionid"].value
        assert dict(SessionStore(key).items()) == {"first": 1, "basket": "apples"}

    async def test_unresolved_is_resolved(self) -> None:
        lazy: Any = LazyObject()
        wrapper = InstanceSessionWrapper({"session": lazy, "cookies": {}}, Wire().send)
        assert wrapper.activated is False
        await wrapper.resolve_session()
        assert wrapper.scope["session"] is lazy
        assert isinstance(lazy._wrapped, SessionStore)


class TestInstanceSessionWrapper:
    """What subclasses build on."""

    @pytest.fixture(autouse=True)
    def sessions_in_the_cache(self, settings: Any) -> None:
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"

    def test_attributes(self) -> None:
        send = Wire().send
        scope: Scope = {"cookies": {"sessionid": "x"}}
        wrapper = InstanceSessionWrapper(scope, send)
        assert wrapper.save_message_types == ["http.response.start"]
        assert wrapper.cookie_response_message_types == ["http.response.start"]
        assert wrapper.cookie_name == "sessionid"
        assert wrapper.session_store is SessionStore
        assert wrapper.real_send == send
        assert wrapper.activated is True
        assert wrapper.scope["session"]._wrapped is empty
        assert "session" not in scope

    async def test_a_subclass_finds_the_session_elsewhere(self) -> None:
        class FromToken(InstanceSessionWrapper):
            async def resolve_session(self) -> None:
                self.scope["session"]._wrapped = self.session_store(self.scope["token"])

        wire = Wire()
        wrapper = FromToken({"cookies": {}, "token": None}, wire.send)
        await wrapper.resolve_session()
        wrapper.scope["session"]["basket"] = "apples"
        await wrapper.send({"type": "http.response.start", "status": 200})
        key = cookies_of(wire.sent[0])["sessionid"].value
        assert SessionStore(key)["basket"] == "apples"

    async def test_a_subclass_chooses_when_to_save(self) -> None:
        class OnAccept(InstanceSessionWrapper):
            save_message_types = ["websocket.accept"]

        wire = Wire()
        wrapper = OnAccept({"cookies": {}}, wire.send)
        await wrapper.resolve_session()
        wrapper.scope["session"]["basket"] = "apples"
        await wrapper.send({"type": "http.response.start", "status": 200})
        assert wrapper.scope["session"].session_key is None
        await wrapper.send({"type": "websocket.accept"})
        assert SessionStore(wrapper.scope["session"].session_key)["basket"] == "apples"
        assert wire.sent[1] == {"type": "websocket.accept"}


class TestSessionInTheDatabase(TestCase):
    """The default engine, seen from inside Django's TestCase and its transaction."""

    async def test_is_saved_and_found_again(self) -> None:
        key = (await answer(put_basket))["sessionid"].value
        row = await Session.objects.aget(session_key=key)
        assert row.get_decoded() == {"basket": "apples"}
        assert not await answer(look, session=key)

    async def test_a_flushed_one_leaves_no_row(self) -> None:
        key = (await answer(put_basket))["sessionid"].value
        await answer(lambda session: session.flush(), session=key)
        assert await Session.objects.acount() == 0

    def test_an_untouched_one_costs_no_query(self) -> None:
        key = async_to_sync(answer)(put_basket)["sessionid"].value
        with self.assertNumQueries(0):
            async_to_sync(answer)(leave, session=key)
