"""Django's users for consumers: who is connected, signing in and out.

The functions take a scope where Django's own take a request.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_backends,
    get_user_model,
    load_backend,
)
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.utils.crypto import constant_time_compare
from django.utils.functional import LazyObject

from channels.closing import note_user
from channels.db import database_sync_to_async
from channels.middleware import BaseMiddleware
from channels.sessions import CookieMiddleware, SessionMiddleware
from channels.threads import strand
from channels.typing import ASGIApplication, Scope

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    LazyUser = LazyObject[AbstractBaseUser | AnonymousUser]
else:
    LazyUser = LazyObject  # no generic at run time


@database_sync_to_async
def get_user(scope: Scope) -> "AbstractBaseUser | AnonymousUser":
    """The user whom the session of ``scope`` signs in; an ``AnonymousUser`` if there is none.

    The session has to carry the user's current auth hash, which changes with the password, or that
    of one of ``SECRET_KEY_FALLBACKS``, which is then replaced by the current one. A session with
    another hash is flushed.

    Raises:
        ValueError: the scope has no session.
    """
    from django.contrib.auth.models import AnonymousUser

    session = _session(scope, "Cannot find session in scope.")
    user = _user_of(session)
    if hasattr(user, "get_session_auth_hash") and not _verify_session(scope, session, user):
        session.flush()
        user = None
    return user or AnonymousUser()


@database_sync_to_async
def is_still_signed_in(scope: Scope) -> bool:
    """Whether whoever came with this scope would still be let in as the same user.

    The session is read again: it must be there, and carry the auth hash that the user has by now;
    the user must be there, and active for the session's backend. Of a user whom no session signed
    in (but a token, for example) only the row is looked at. Nothing is changed.
    """
    user: Any = scope.get("user")
    session: Any = scope.get("session")
    if session is None or SESSION_KEY not in session:
        return _is_there(user)
    fresh = session.__class__(session.session_key)
    found = _user_of(fresh)
    if found is None or found.pk != user.pk:
        return False
    return not hasattr(found, "get_session_auth_hash") or _hash_of(fresh, found) is not None


@database_sync_to_async
def login(scope: Scope, user: "AbstractBaseUser | None", backend: str | None = None) -> None:
    """Sign ``user`` in (``None``: the user of the scope), in the session and in ``scope["user"]``.

    ``backend`` is the dotted path of an authentication backend; without it that of
    ``authenticate()`` counts, or the only one that is configured. ``user_logged_in`` is sent with
    ``request=None``. What was in an anonymous session stays there, under a new session key.

    On a WebSocket the session has to be saved by the caller, and the browser never learns the new
    key: sign in over HTTP where the browser has to stay signed in.

    Raises:
        ValueError: the scope has no session, there is no user to sign in, or several backends are
            configured and none was chosen.
        TypeError: ``backend`` is not a string.
    """
    session = _session(scope, "Cannot find session in scope.")
    chosen: Any = scope.get("user") if user is None else user
    if chosen is None:
        raise ValueError("User must be passed as an argument or must be present in the scope.")
    # All that may be refused comes before the session is touched.
    backend_path = _backend_path(chosen, backend)
    user_key = chosen._meta.pk.value_to_string(chosen)
    auth_hash = chosen.get_session_auth_hash() if hasattr(chosen, "get_session_auth_hash") else ""
    _prepare_session(session, chosen, auth_hash)
    session[SESSION_KEY] = user_key
    session[BACKEND_SESSION_KEY] = backend_path
    session[HASH_SESSION_KEY] = auth_hash
    scope["user"] = chosen
    note_user(scope)
    user_logged_in.send(sender=chosen.__class__, request=None, user=chosen)


@database_sync_to_async
def logout(scope: Scope) -> None:
    """Sign the user of ``scope`` out: flush the session and put an ``AnonymousUser`` in the scope.

    ``user_logged_out`` is sent first, with ``request=None``, if somebody was signed in. Other
    connections of the same session stay open.

    Raises:
        ValueError: the scope has no session.
    """
    from django.contrib.auth.models import AnonymousUser

    session = _session(scope, "Login cannot find session in scope.")
    user = scope.get("user")
    if user is not None and getattr(user, "is_authenticated", True):
        user_logged_out.send(sender=user.__class__, request=None, user=user)
    session.flush()
    if "user" in scope:
        scope["user"] = AnonymousUser()
        note_user(scope)


class UserLazyObject(LazyUser):
    """Stands in ``scope["user"]`` until the user is known.

    Reading it before raises ``ValueError``.
    """

    def _setup(self) -> None:
        raise ValueError("Accessing scope user before it is ready.")


class AuthMiddleware(BaseMiddleware):
    """Puts the user whom the session signs in into ``scope["user"]``, before the consumer starts.

    Has to run inside a session middleware; :func:`AuthMiddlewareStack` brings it. A user whom the
    application above put there as a plain object stays.
    """

    def populate_scope(self, scope: Scope) -> None:
        """Put a :class:`UserLazyObject` into ``scope["user"]`` if there is none.

        Raises:
            ValueError: the scope has no session.
        """
        if "session" not in scope:
            error = ValueError(
                "AuthMiddleware cannot find session in scope. SessionMiddleware must be above it."
            )
            error.add_note("AuthMiddlewareStack(inner) puts them in the right order.")
            raise error
        if "user" not in scope:
            scope["user"] = UserLazyObject()

    async def resolve_scope(self, scope: Scope) -> None:
        """Find the user and put them behind the lazy object in ``scope["user"]``."""
        user = scope["user"]
        if isinstance(user, LazyObject):
            user._wrapped = await get_user(scope)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve one connection.

        Raises:
            ValueError: the scope has no session.
        """
        async with strand():
            scope = dict(scope)
            self.populate_scope(scope)
            await self.resolve_scope(scope)
            return await super().__call__(scope, receive, send)


def AuthMiddlewareStack(inner: ASGIApplication) -> CookieMiddleware:  # noqa: N802 - upstream's name
    """Cookies, sessions and users for ``inner``."""
    return CookieMiddleware(SessionMiddleware(AuthMiddleware(inner)))


def _get_user_session_key(session: Any) -> Any:
    """The primary key of the user whom ``session`` signs in, as the user model has it.

    Raises:
        KeyError: nobody is signed in.
    """
    # Sessions store it as a string, whatever the field is.
    return get_user_model()._meta.pk.to_python(session[SESSION_KEY])


def _session(scope: Mapping[str, Any], complaint: str) -> Any:
    if "session" not in scope:
        error = ValueError(f"{complaint} You should wrap your consumer in SessionMiddleware.")
        error.add_note("SessionMiddlewareStack or AuthMiddlewareStack brings it.")
        raise error
    return scope["session"]


def _verify_session(scope: Scope, session: Any, user: Any) -> bool:
    """Whether the session belongs to this user with this password and a secret key of ours."""
    good = _hash_of(session, user)
    if good is None:
        return False
    current = user.get_session_auth_hash()
    if good == current:
        return True
    if scope.get("type") != "websocket":
        # Django renews the key with the hash. A WebSocket cannot carry the new cookie: the browser
        # would be left with the key of a session that no longer exists.
        session.cycle_key()
    session[HASH_SESSION_KEY] = current
    return True


def _hash_of(session: Any, user: Any) -> str | None:
    """The auth hash of a session, if it is the user's, by the secret key or one of its fallbacks;
    else ``None``."""
    session_hash: str | None = session.get(HASH_SESSION_KEY)
    if not session_hash:
        return None
    if constant_time_compare(session_hash, user.get_session_auth_hash()):
        return session_hash
    fallbacks = user.get_session_auth_fallback_hash()
    good = any(constant_time_compare(session_hash, fallback) for fallback in fallbacks)
    return session_hash if good else None


def _user_of(session: Any) -> Any:
    """The user whom a session names, by its backend; ``None`` if there is none."""
    try:
        user_id = _get_user_session_key(session)
        backend_path = session[BACKEND_SESSION_KEY]
    except KeyError:
        return None
    if backend_path not in settings.AUTHENTICATION_BACKENDS:
        return None
    return load_backend(backend_path).get_user(user_id)


def _is_there(user: Any) -> bool:
    manager: Any = getattr(type(user), "_default_manager", None)
    if manager is None:
        return True  # not of the database: nobody here knows more
    row = manager.filter(pk=user.pk).first()
    return row is not None and getattr(row, "is_active", True)


def _prepare_session(session: Any, user: Any, auth_hash: str) -> None:
    """Make sure that no other user's session and no key known before the login is used."""
    if SESSION_KEY not in session:
        session.cycle_key()
        return
    other_user = _get_user_session_key(session) != user.pk
    other_hash = auth_hash and not constant_time_compare(
        session.get(HASH_SESSION_KEY, ""), auth_hash
    )
    if other_user or other_hash:
        session.flush()


def _backend_path(user: Any, backend: str | None) -> str:
    path = backend or getattr(user, "backend", None)
    if not path:
        if len(get_backends()) != 1:
            error = ValueError(
                "You have multiple authentication backends configured and therefore must provide "
                "the `backend` argument or set the `backend` attribute on the user."
            )
            error.add_note(f"AUTHENTICATION_BACKENDS is {settings.AUTHENTICATION_BACKENDS!r}.")
            raise error
        path = settings.AUTHENTICATION_BACKENDS[0]
    if not isinstance(path, str):
        raise TypeError(f'"backend" must be a dotted import path string (got {path!r}).')
    return path
