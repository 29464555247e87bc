from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal
from django.test import TestCase, override_settings
from django.utils.functional import LazyObject, empty

import channels.auth
from channels.auth import (
    AuthMiddleware,
    AuthMiddlewareStack,
    UserLazyObject,
    _get_user_session_key,
    get_user,
    login,
    logout,
)
from channels.sessions import CookieMiddleware, SessionMiddleware
from channels.threads import current_strand
from channels.typing import Receive, Scope, Send
from tests.wire import Wire, call, http, websocket

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


class Guest:
    """A user of a backend that knows neither models nor session hashes."""

    is_authenticated = True

    def __init__(self, pk: int) -> None:
        self.pk = pk


class GuestBackend(BaseBackend):
    def get_user(self, user_id: Any) -> Any:
        return Guest(user_id)


class OtherBackend(ModelBackend):
    """A second one to choose from."""


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", ()))


@contextmanager
def sent(signal: Signal) -> Iterator[list[dict[str, Any]]]:
    received: list[dict[str, Any]] = []

    def receiver(sender: Any, **kwargs: Any) -> None:
        received.append({"sender": sender, **{k: v for k, v in kwargs.items() if k != "signal"}})

    signal.connect(receiver)
    try:
        yield received
    finally:
        signal.disconnect(receiver)


class AuthTestCase(TestCase):
    """Async tests run under async_to_sync here, so everything happens in the test's transaction."""

    user: User
    other: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = User.objects.create_user("ada")
        cls.other = User.objects.create_user("bob")

    def session_of(self, user: User | None = None) -> SessionStore:
        """A saved session in which ``user`` is signed in."""
        session = SessionStore()
        session["basket"] = "apples"
        if user is not None:
            session[SESSION_KEY] = str(user.pk)
            session[BACKEND_SESSION_KEY] = MODEL_BACKEND
            session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        return session


class TestGetUser(AuthTestCase):
    def test_is_whom_the_session_signs_in(self) -> None:
        found = async_to_sync(get_user)({"session": self.session_of(self.user)})
        assert found == self.user
        assert isinstance(found, User)

    def test_nobody_signed_in(self) -> None:
        session = self.session_of()
        assert isinstance(async_to_sync(get_user)({"session": session}), AnonymousUser)
        assert session["basket"] == "apples"

    def test_signed_in_without_a_backend(self) -> None:
        session = self.session_of(self.user)
        del session[BACKEND_SESSION_KEY]
        assert isinstance(async_to_sync(get_user)({"session": session}), AnonymousUser)

    def test_a_backend_that_is_no_longer_used(self) -> None:
        session = self.session_of(self.user)
        with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.OtherBackend"]):
            assert isinstance(async_to_sync(get_user)({"session": session}), AnonymousUser)

    def test_a_user_who_is_gone(self) -> None:
        session = self.session_of(self.other)
        self.other.delete()
        assert isinstance(async_to_sync(get_user)({"session": session}), AnonymousUser)

    def test_an_inactive_user(self) -> None:
        session = self.session_of(self.other)
        User.objects.filter(pk=self.other.pk).update(is_active=False)
        assert isinstance(async_to_sync(get_user)({"session": session}), AnonymousUser)

    def test_a_changed_password_ends_the_session(self) -> None:
        session = self.session_of(self.user)
        self.user.set_password("new")
        self.user.save()
        assert isinstance(async_to_sync(get_user)({"session": session}), AnonymousUser)
        assert session.is_empty()
        assert not Session.objects.exists()

    def test_a_session_without_a_hash_is_ended(self) -> None:
        session = self.session_of(self.user)
        del session[HASH_SESSION_KEY]
        assert isinstance(async_to_sync(get_user)({"session": session}), AnonymousUser)
        assert session.is_empty()

    def test_users_without_a_session_hash(self) -> None:
        with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.GuestBackend"]):
            session = self.session_of()
            session.update({SESSION_KEY: "7", BACKEND_SESSION_KEY: f"{__name__}.GuestBackend"})
            found: Any = async_to_sync(get_user)({"session": session})
        assert isinstance(found, Guest)
        assert found.pk == 7

    def test_a_scope_without_a_session(self) -> None:
        with pytest.raises(ValueError) as caught:
            async_to_sync(get_user)({})
        assert str(caught.value) == (
            "Cannot find session in scope. You should wrap your consumer in SessionMiddleware."
        )
        assert "AuthMiddlewareStack" in notes(caught.value)

    def test_the_key_is_what_the_user_model_has(self) -> None:
        assert _get_user_session_key({SESSION_KEY: "7"}) == 7
        with pytest.raises(KeyError):
            _get_user_session_key({})

    def test_django_names_others_import_from_here(self) -> None:
        assert channels.auth.get_user_model() is User


class TestSecretKeyFallbacks(AuthTestCase):
    def signed_with(self, key: str) -> SessionStore:
        with override_settings(SECRET_KEY=key):
            return self.session_of(self.user)

    def found(self, session: SessionStore, kind: str) -> Any:
        with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["older", "old"]):
            return async_to_sync(get_user)({"type": kind, "session": session})

    def new_hash(self) -> str:
        with override_settings(SECRET_KEY="new"):
            return self.user.get_session_auth_hash()

    def test_keep_http_sessions_under_a_new_key(self) -> None:
        session = self.signed_with("old")
        key = session.session_key
        assert self.found(session, "http") == self.user
        assert session[HASH_SESSION_KEY] == self.new_hash()
        assert session.session_key != key
        assert session["basket"] == "apples"

    def test_keep_the_key_where_no_cookie_can_follow(self) -> None:
        """The browser's cookie has to stay good when a WebSocket is the first to come back."""
        session = self.signed_with("old")
        key = session.session_key
        assert self.found(session, "websocket") == self.user
        assert session[HASH_SESSION_KEY] == self.new_hash()
        assert session.session_key == key
        assert Session.objects.filter(session_key=key).exists()

    def test_another_key_ends_the_session(self) -> None:
        for kind in ("http", "websocket"):
            session = self.signed_with("stolen")
            assert isinstance(self.found(session, kind), AnonymousUser)
            assert session.is_empty()


class TestLogin(AuthTestCase):
    def test_signs_in(self) -> None:
        scope: Scope = {"session": self.session_of(), "user": AnonymousUser()}
        key = scope["session"].session_key
        with sent(user_logged_in) as signals:
            assert async_to_sync(login)(scope, self.user) is None
        assert signals == [{"sender": User, "request": None, "user": self.user}]
        assert scope["user"] == self.user
        assert scope["session"][SESSION_KEY] == str(self.user.pk)
        assert scope["session"][BACKEND_SESSION_KEY] == MODEL_BACKEND
        assert scope["session"]["basket"] == "apples"
        assert scope["session"].session_key != key
        assert async_to_sync(get_user)(scope) == self.user
        self.user.refresh_from_db()
        assert self.user.last_login is not None

    def test_the_user_of_the_scope(self) -> None:
        scope: Scope = {"session": self.session_of(), "user": self.user}
        async_to_sync(login)(scope, None)
        assert async_to_sync(get_user)(scope) == self.user

    def test_again_keeps_the_session(self) -> None:
        scope: Scope = {"session": self.session_of(self.user)}
        key = scope["session"].session_key
        async_to_sync(login)(scope, self.user)
        assert scope["session"].session_key == key
        assert scope["session"]["basket"] == "apples"

    def test_as_somebody_else_starts_a_new_session(self) -> None:
        scope: Scope = {"session": self.session_of(self.other)}
        async_to_sync(login)(scope, self.user)
        assert "basket" not in scope["session"]
        assert async_to_sync(get_user)(scope) == self.user

    def test_after_a_password_change_starts_a_new_session(self) -> None:
        scope: Scope = {"session": self.session_of(self.user)}
        self.user.set_password("new")
        self.user.save()
        async_to_sync(login)(scope, self.user)
        assert "basket" not in scope["session"]
        assert async_to_sync(get_user)(scope) == self.user

    def test_the_backend_that_is_named_or_that_authenticated(self) -> None:
        other = f"{__name__}.OtherBackend"
        with override_settings(AUTHENTICATION_BACKENDS=[MODEL_BACKEND, other]):
            scope: Scope = {"session": self.session_of()}
            async_to_sync(login)(scope, self.user, other)
            assert scope["session"][BACKEND_SESSION_KEY] == other
            self.other.backend = MODEL_BACKEND
            async_to_sync(login)(scope, self.other)
            assert scope["session"][BACKEND_SESSION_KEY] == MODEL_BACKEND

    def test_refusals_leave_the_session_alone(self) -> None:
        other = f"{__name__}.OtherBackend"
        session = self.session_of()
        before = (session.session_key, dict(session.items()))
        with override_settings(AUTHENTICATION_BACKENDS=[MODEL_BACKEND, other]):
            with pytest.raises(ValueError) as several:
                async_to_sync(login)({"session": session}, self.user)
        assert str(several.value) == (
            "You have multiple authentication backends configured and therefore must provide the "
            "`backend` argument or set the `backend` attribute on the user."
        )
        assert other in notes(several.value)
        with override_settings(AUTHENTICATION_BACKENDS=[]):
            with pytest.raises(ImproperlyConfigured, match="No authentication backends"):
                async_to_sync(login)({"session": session}, self.user)
        with pytest.raises(TypeError, match="must be a dotted import path string"):
            async_to_sync(login)({"session": session}, self.user, ModelBackend())  # type: ignore[arg-type]
        with pytest.raises(ValueError) as nobody:
            async_to_sync(login)({"session": session}, None)
        assert str(nobody.value) == (
            "User must be passed as an argument or must be present in the scope."
        )
        with pytest.raises(AttributeError):
            async_to_sync(login)({"session": session, "user": AnonymousUser()}, None)
        assert (session.session_key, dict(session.items())) == before

    def test_a_scope_without_a_session(self) -> None:
        with pytest.raises(ValueError) as caught:
            async_to_sync(login)({}, self.user)
        assert str(caught.value) == (
            "Cannot find session in scope. You should wrap your consumer in SessionMiddleware."
        )


class TestLogout(AuthTestCase):
    def test_signs_out(self) -> None:
        session = self.session_of(self.user)
        key = session.session_key
        scope: Scope = {"session": session, "user": self.user}
        with sent(user_logged_out) as signals:
            assert async_to_sync(logout)(scope) is None
        assert signals == [{"sender": User, "request": None, "user": self.user}]
        assert isinstance(scope["user"], AnonymousUser)
        assert session.is_empty()
        assert not Session.objects.filter(session_key=key).exists()

    def test_the_signal_comes_while_the_session_is_there(self) -> None:
        session = self.session_of(self.user)
        baskets = []

        def receiver(**kwargs: Any) -> None:
            baskets.append(session.get("basket"))

        user_logged_out.connect(receiver)
        try:
            async_to_sync(logout)({"session": session, "user": self.user})
        finally:
            user_logged_out.disconnect(receiver)
        assert baskets == ["apples"]

    def test_nobody_signed_in_sends_no_signal(self) -> None:
        with sent(user_logged_out) as signals:
            for more in ({}, {"user": AnonymousUser()}, {"user": None}):
                scope: Scope = {"session": self.session_of(), **more}
                async_to_sync(logout)(scope)
                assert scope["session"].is_empty()
                assert ("user" in scope) is ("user" in more)
        assert signals == []

    def test_a_scope_without_a_session(self) -> None:
        with pytest.raises(ValueError) as caught:
            async_to_sync(logout)({})
        assert str(caught.value) == (
            "Login cannot find session in scope. You should wrap your consumer in "
            "SessionMiddleware."
        )


class TestAuthMiddleware(AuthTestCase):
    async def user_seen(self, scope: Scope, receive: Receive, send: Send) -> Any:
        return scope["user"]

    def browser(self, session: SessionStore) -> tuple[bytes, bytes]:
        return (b"cookie", f"sessionid={session.session_key}".encode())

    def test_the_user_is_known_before_the_application_starts(self) -> None:
        cookie = self.browser(self.session_of(self.user))
        for scope in (http("/", cookie), websocket("/", cookie)):
            user = async_to_sync(call)(AuthMiddlewareStack(self.user_seen), scope)
            assert type(user) is UserLazyObject
            assert user._wrapped is not empty
            with self.assertNumQueries(0):
                assert user == self.user
            assert "user" not in scope
            assert "session" not in scope

    def test_a_stranger(self) -> None:
        with self.assertNumQueries(0):
            user = async_to_sync(call)(AuthMiddlewareStack(self.user_seen), websocket())
        assert isinstance(user, AnonymousUser)

    def test_a_user_from_above_stays(self) -> None:
        """Tests put one into the scope of a communicator."""
        scope = websocket("/", self.browser(self.session_of(self.user)), user=self.other)
        with self.assertNumQueries(0):
            seen = async_to_sync(call)(AuthMiddlewareStack(self.user_seen), scope)
        assert seen is self.other
        assert "_wrapped" not in vars(seen)

    def test_a_lazy_user_from_above_is_resolved(self) -> None:
        lazy = UserLazyObject()
        scope = websocket("/", self.browser(self.session_of(self.user)), user=lazy)
        assert async_to_sync(call)(AuthMiddlewareStack(self.user_seen), scope) is lazy
        assert lazy == self.user

    def test_a_signed_in_browser_gets_its_cookie(self) -> None:
        """login() in an HTTP consumer, then the next request with the cookie of the answer."""

        async def signs_in(scope: Scope, receive: Receive, send: Send) -> None:
            await login(scope, self.user)
            await send({"type": "http.response.start", "status": 204, "headers": []})

        wire = Wire()
        async_to_sync(wire.serve)(AuthMiddlewareStack(signs_in), http())
        ((_, cookie),) = wire.sent[0]["headers"]
        scope = websocket("/", (b"cookie", cookie.split(b";")[0]))
        assert async_to_sync(call)(AuthMiddlewareStack(self.user_seen), scope) == self.user

    def test_a_subclass_finds_the_user_elsewhere(self) -> None:
        other = self.other

        class ByToken(AuthMiddleware):
            async def resolve_scope(self, scope: Scope) -> None:
                scope["user"]._wrapped = other

        scope = websocket("/", session={})
        assert async_to_sync(call)(ByToken(self.user_seen), scope) == other


async def test_finds_the_user_in_the_connections_strand() -> None:
    strands = []

    class Watched(AuthMiddleware):
        async def resolve_scope(self, scope: Scope) -> None:
            strands.append(current_strand())

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        strands.append(current_strand())

    await call(Watched(application), websocket("/", session={}))
    assert strands[0] is not None
    assert strands[1] is strands[0]


def test_the_stack_is_cookies_session_and_user() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None: ...

    stack = AuthMiddlewareStack(application)
    assert isinstance(stack, CookieMiddleware)
    assert isinstance(stack.inner, SessionMiddleware)
    assert isinstance(stack.inner.inner, AuthMiddleware)
    assert stack.inner.inner.inner is application


async def test_without_a_session() -> None:
    with pytest.raises(ValueError) as caught:
        await call(AuthMiddleware(lambda *_: None), http())  # type: ignore[arg-type]
    assert str(caught.value) == (
        "AuthMiddleware cannot find session in scope. SessionMiddleware must be above it."
    )
    assert "AuthMiddlewareStack" in notes(caught.value)


def test_populate_scope_puts_a_lazy_user_there() -> None:
    middleware = AuthMiddleware(lambda *_: None)  # type: ignore[arg-type]
    scope: Scope = {"session": {}}
    middleware.populate_scope(scope)
    assert type(scope["user"]) is UserLazyObject
    lazy = scope["user"]
    middleware.populate_scope(scope)
    assert scope["user"] is lazy


def test_a_user_who_is_not_ready() -> None:
    user = UserLazyObject()
    assert issubclass(UserLazyObject, LazyObject)
    assert user._wrapped is empty
    with pytest.raises(ValueError, match=r"^Accessing scope user before it is ready\.$"):
        _ = user.pk


@pytest.mark.django_db(transaction=True)
async def test_in_a_strand_of_its_own() -> None:
    """As under a server: the user comes from the connection's own thread."""

    async def application(scope: Scope, receive: Receive, send: Send) -> Any:
        return scope["user"].username, current_strand()

    user = await User.objects.acreate_user("ada")
    session = SessionStore()
    await session.aupdate(
        {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: MODEL_BACKEND,
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    )
    await session.asave()
    cookie = (b"cookie", f"sessionid={session.session_key}".encode())
    name, strand = await call(AuthMiddlewareStack(application), websocket("/", cookie))
    assert name == "ada"
    assert strand is not None
    assert strand.used is False
