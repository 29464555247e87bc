"""channels.auth: get_user, login, logout, the middleware, and the lazy user."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    user_logged_in,
    user_logged_out,
)
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test.utils import override_settings
from django.utils.functional import LazyObject, empty

from channels.auth import (
    AuthMiddleware,
    AuthMiddlewareStack,
    UserLazyObject,
    _get_user_session_key,
    get_user,
    login,
    logout,
)
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.testing import WebsocketCommunicator
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, http_scope, seen_by, websocket_scope

pytestmark = pytest.mark.django_db(transaction=True)
BACKEND = "django.contrib.auth.backends.ModelBackend"


async def person(name: str = "ann") -> Any:
    return await sync_to_async(get_user_model().objects.create_user)(name)


async def signed_in(user: Any) -> SessionStore:
    session = SessionStore()

    def save() -> None:
        session[SESSION_KEY] = user._meta.pk.value_to_string(user)
        session[BACKEND_SESSION_KEY] = BACKEND
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()

    await sync_to_async(save)()
    return session


@behaviour("Auth: get_user(scope) gives the user of the session")
async def test_get_user() -> None:
    user = await person()
    assert await get_user({"session": await signed_in(user)}) == user


@behaviour("Auth: get_user(scope) gives AnonymousUser for an empty session")
async def test_get_user_anonymous() -> None:
    assert isinstance(await get_user({"session": SessionStore()}), AnonymousUser)


@behaviour("Auth: get_user(scope) without a session is ValueError")
async def test_get_user_without_session() -> None:
    with pytest.raises(ValueError) as caught:
        await get_user({})
    assert str(caught.value) == (
        "Cannot find session in scope. You should wrap your consumer in SessionMiddleware."
    )


@behaviour("Auth: get_user() gives AnonymousUser for a backend that is not configured")
async def test_get_user_other_backend() -> None:
    session = await signed_in(await person())
    session[BACKEND_SESSION_KEY] = "gone.Backend"
    assert isinstance(await get_user({"session": session}), AnonymousUser)


@behaviour("Auth: get_user() after a password change is AnonymousUser and flushes the session")
async def test_get_user_wrong_hash() -> None:
    session = await signed_in(await person())
    session[HASH_SESSION_KEY] = "stale"
    assert isinstance(await get_user({"session": session}), AnonymousUser)
    assert session.is_empty()


@behaviour("Auth: a session made with a key that is now in SECRET_KEY_FALLBACKS")
@differs(upstream="is flushed", ours="is verified and its hash renewed")
async def test_secret_key_fallbacks() -> None:
    user = await person()
    with override_settings(SECRET_KEY="old"):
        session = await signed_in(user)
        old_hash = user.get_session_auth_hash()
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        found = await get_user({"session": session})
        assert found == expected(upstream=AnonymousUser(), ours=user)
        if expected(upstream=False, ours=True):
            assert session[HASH_SESSION_KEY] == user.get_session_auth_hash() != old_hash


@behaviour("Auth: _get_user_session_key(session) gives the primary key in Python's type")
async def test_user_session_key() -> None:
    user = await person()
    session = await signed_in(user)
    assert await sync_to_async(_get_user_session_key)(session) == user.pk
    with pytest.raises(KeyError):
        await sync_to_async(_get_user_session_key)(SessionStore())


@behaviour(
    "Auth: login(scope, user) fills session and scope and fires user_logged_in, request=None"
)
async def test_login() -> None:
    user = await person()
    fired: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        fired.append(kwargs)

    user_logged_in.disconnect(dispatch_uid="update_last_login")
    user_logged_in.connect(receiver)
    try:
        scope: dict[str, Any] = {"session": SessionStore()}
        assert await login(scope, user) is None
    finally:
        user_logged_in.disconnect(receiver)
    assert scope["user"] == user
    session = scope["session"]
    assert session[SESSION_KEY] == str(user.pk)
    assert session[BACKEND_SESSION_KEY] == BACKEND
    assert session[HASH_SESSION_KEY] == user.get_session_auth_hash()
    assert len(fired) == 1
    assert fired[0]["request"] is None
    assert fired[0]["user"] == user
    assert fired[0]["sender"] is type(user)


@behaviour("Auth: login(scope, user, backend=...) keeps the given backend")
async def test_login_backend() -> None:
    scope: dict[str, Any] = {"session": SessionStore()}
    await login(scope, await person(), backend="my.Backend")
    assert scope["session"][BACKEND_SESSION_KEY] == "my.Backend"


@behaviour("Auth: login(scope, None) takes scope['user']; without one it is ValueError")
async def test_login_none() -> None:
    user = await person()
    scope: dict[str, Any] = {"session": SessionStore(), "user": user}
    await login(scope, None)
    assert scope["session"][SESSION_KEY] == str(user.pk)
    with pytest.raises(ValueError) as caught:
        await login({"session": SessionStore()}, None)
    assert str(caught.value) == (
        "User must be passed as an argument or must be present in the scope."
    )


@behaviour("Auth: login() with several backends and none named is ValueError")
async def test_login_many_backends() -> None:
    backends = [BACKEND, "django.contrib.auth.backends.RemoteUserBackend"]
    with override_settings(AUTHENTICATION_BACKENDS=backends):
        with pytest.raises(ValueError, match="You have multiple authentication backends"):
            await login({"session": SessionStore()}, await person())


@behaviour("Auth: login() cycles the key of an anonymous session and keeps its data")
async def test_login_keeps_data() -> None:
    session = SessionStore()
    session["basket"] = [1, 2]
    await sync_to_async(session.save)()
    before = session.session_key
    await login({"session": session}, await person())
    assert session["basket"] == [1, 2]
    assert session.session_key != before


@behaviour("Auth: login() of another user empties the session of the first")
async def test_login_other_user() -> None:
    session = await signed_in(await person("ann"))
    session["basket"] = [1]
    await login({"session": session}, await person("bob"))
    assert "basket" not in session


@behaviour("Auth: login() and logout() without a session are ValueError")
async def test_without_session() -> None:
    with pytest.raises(ValueError, match=r"^Cannot find session in scope\."):
        await login({}, AnonymousUser())
    with pytest.raises(ValueError, match=r"^Login cannot find session in scope\."):
        await logout({})


@behaviour("Auth: logout(scope) flushes, fires user_logged_out and leaves AnonymousUser")
async def test_logout() -> None:
    user = await person()
    session = await signed_in(user)
    key = session.session_key
    fired: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        fired.append((kwargs["request"], kwargs["user"], kwargs["sender"]))

    user_logged_out.connect(receiver)
    try:
        scope = {"session": session, "user": user}
        assert await logout(scope) is None
    finally:
        user_logged_out.disconnect(receiver)
    assert fired == [(None, user, type(user))]
    assert isinstance(scope["user"], AnonymousUser)
    assert session.is_empty()
    assert not await Session.objects.filter(session_key=key).aexists()


@behaviour("Auth: logout(scope) of nobody fires no signal, and adds no user to the scope")
async def test_logout_nobody() -> None:
    fired: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        fired.append(kwargs)

    user_logged_out.connect(receiver)
    try:
        scope: dict[str, Any] = {"session": SessionStore()}
        await logout(scope)
        await logout({"session": SessionStore(), "user": AnonymousUser()})
    finally:
        user_logged_out.disconnect(receiver)
    assert fired == []
    assert "user" not in scope


@behaviour("Auth: AuthMiddleware without a session in the scope is ValueError")
async def test_middleware_without_session() -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None: ...

    with pytest.raises(ValueError) as caught:
        await seen_by(AuthMiddleware(app), http_scope())
    assert str(caught.value) == (
        "AuthMiddleware cannot find session in scope. SessionMiddleware must be above it."
    )


@behaviour("Auth: scope['user'] is resolved before the consumer starts, not on first use")
async def test_user_resolved() -> None:
    user = await person()
    key = (await signed_in(user)).session_key
    seen: list[Any] = []

    class Greets(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            # No thread: a query here would be SynchronousOnlyOperation.
            seen.append(self.scope["user"].username)
            await self.accept()

    client = WebsocketCommunicator(
        AuthMiddlewareStack(Greets.as_asgi()),
        "/",
        headers=[(b"cookie", f"sessionid={key}".encode())],
    )
    assert await client.connect() == (True, None)
    await client.disconnect()
    assert seen == ["ann"]


@behaviour("Auth: AuthMiddlewareStack is cookies, session and user in one")
async def test_stack() -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Message, receive: Any, send: Any) -> None:
        seen.update(scope)

    outer = websocket_scope()
    await seen_by(AuthMiddlewareStack(app), outer)
    assert {"cookies", "session", "user"} <= set(seen)
    assert seen["user"].is_anonymous
    assert "user" not in outer


@behaviour("Auth: UserLazyObject says that the user is not ready when it is used too early")
def test_user_lazy_object() -> None:
    user = UserLazyObject()
    assert isinstance(user, LazyObject)
    assert user._wrapped is empty
    with pytest.raises(ValueError) as caught:
        _ = user.username
    assert str(caught.value) == "Accessing scope user before it is ready."
    user._wrapped = AnonymousUser()
    assert user.is_anonymous


@behaviour("Auth: AuthMiddleware subclasses override populate_scope and resolve_scope")
async def test_middleware_subclass() -> None:
    seen: dict[str, Any] = {}

    class TokenAuth(AuthMiddleware):
        def populate_scope(self, scope: Message) -> None:
            if "user" not in scope:
                scope["user"] = UserLazyObject()

        async def resolve_scope(self, scope: Message) -> None:
            assert scope["user"]._wrapped is empty
            scope["user"]._wrapped = "token user"

    async def app(scope: Message, receive: Any, send: Any) -> None:
        seen.update(scope)

    await seen_by(TokenAuth(app), http_scope())
    assert str(seen["user"]) == "token user"


@behaviour("Auth: AuthMiddleware sets the resolved user into the lazy object that is in the scope")
async def test_middleware_keeps_object() -> None:
    lazy = UserLazyObject()
    seen: dict[str, Any] = {}

    async def app(scope: Message, receive: Any, send: Any) -> None:
        seen.update(scope)

    await seen_by(AuthMiddleware(app), http_scope(session=SessionStore(), user=lazy))
    assert seen["user"] is lazy
    assert isinstance(lazy._wrapped, AnonymousUser)


@behaviour("Auth: login() and logout() can be awaited in a consumer, and the session saved by hand")
async def test_login_in_consumer() -> None:
    await person()

    class SignsIn(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:  # type: ignore[override]
            if text_data == "out":
                await logout(self.scope)
            else:
                await login(self.scope, await get_user_model().objects.aget(username=text_data))
                await sync_to_async(self.scope["session"].save)()
            await self.send(str(self.scope["user"]))

    client = WebsocketCommunicator(AuthMiddlewareStack(SignsIn.as_asgi()), "/")
    await client.connect()
    await client.send_to(text_data="ann")
    assert await client.receive_from() == "ann"
    assert await Session.objects.acount() == 1
    await client.send_to(text_data="out")
    assert await client.receive_from() == "AnonymousUser"
    assert await Session.objects.acount() == 0
    await client.disconnect()
