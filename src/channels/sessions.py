"""Django's cookies and sessions for HTTP and WebSocket connections.

``scope["session"]`` is the session of the cookie, as ``request.session`` is in a view. It is saved
and its cookie set when an HTTP response starts. WebSocket messages never save it: who changes it
there calls ``await database_sync_to_async(scope["session"].save)()``, and no new cookie can reach
the browser then.
"""

import time
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import SuspiciousOperation
from django.http import parse_cookie
from django.utils.encoding import force_str
from django.utils.functional import LazyObject, empty
from django.utils.http import http_date

from channels.db import database_sync_to_async
from channels.direct import passing_frames
from channels.threads import strand
from channels.typing import ASGIApplication, Message, Scope, Send

if TYPE_CHECKING:
    from collections.abc import Callable


class _SameSiteError(AssertionError, ValueError):
    """A value for ``samesite`` that no browser knows; an AssertionError for upstream's sake."""


class CookieMiddleware:
    """Puts the connection's cookies into ``scope["cookies"]``, as ``request.COOKIES`` has them.

    HTTP/2 and HTTP/3 clients may split their cookies over several headers; they are joined.
    """

    inner: ASGIApplication

    def __init__(self, inner: ASGIApplication) -> None:
        self.inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve one connection.

        Raises:
            ValueError: the scope has no headers, so it is no HTTP or WebSocket connection.
        """
        if "headers" not in scope:
            error = ValueError(
                "CookieMiddleware was passed a scope that did not have a headers key "
                "(make sure it is only passed HTTP or WebSocket connections)"
            )
            error.add_note(f"The scope is of type {scope.get('type')!r}.")
            raise error
        header = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
        cookies = parse_cookie(header.decode("latin1")) if header else {}
        async with strand():
            return await self.inner({**scope, "cookies": cookies}, receive, send)

    @classmethod
    def set_cookie(  # noqa: PLR0917 - upstream's signature
        cls,
        message: Message,
        key: str,
        value: str = "",
        max_age: int | None = None,
        expires: str | datetime | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool | None = False,
        httponly: bool | None = False,
        samesite: str | None = "lax",
    ) -> None:
        """Add a ``Set-Cookie`` header to ``message``, an ``http.response.start``.

        ``max_age`` is in seconds. ``expires`` is an HTTP date, or a datetime (UTC if it is naive),
        which is turned into ``max_age``. The message gets a new list of headers: one that several
        responses share is not added to.

        Raises:
            AssertionError: ``samesite`` is not one of strict, lax and none. It is a ValueError too.
        """
        if samesite is not None and samesite.lower() not in {"strict", "lax", "none"}:
            error = _SameSiteError("samesite must be either 'strict', 'lax' or 'none'")
            error.add_note(f"The cookie {key!r} was given samesite={samesite!r}.")
            raise error
        if isinstance(expires, datetime):
            max_age = _seconds_until(expires)
            expires = None
        if max_age is not None and not expires:
            # Old browsers know `expires` only.
            expires = http_date(time.time() + max_age)
        cookies: SimpleCookie = SimpleCookie()
        cookies[key] = force_str(value)
        attributes: dict[str, Any] = {
            "expires": expires,
            "max-age": max_age,
            "path": path,
            "domain": domain,
            "secure": secure or None,
            "httponly": httponly or None,
            "samesite": samesite,
        }
        for name, attribute in attributes.items():
            if attribute is not None:
                cookies[key][name] = attribute
        header = (b"Set-Cookie", cookies[key].OutputString().encode("utf-8"))
        message["headers"] = [*message.get("headers", ()), header]

    @classmethod
    def delete_cookie(
        cls,
        message: Message,
        key: str,
        path: str | None = "/",
        domain: str | None = None,
        *,
        samesite: str | None = "lax",
    ) -> None:
        """Add a ``Set-Cookie`` header to ``message`` that makes the browser drop the cookie.

        ``path`` and ``domain`` have to be those that it was set with.
        """
        # Without `secure`, browsers ignore such cookies altogether, and so their deletion.
        secure = key.startswith(("__Secure-", "__Host-")) or (samesite or "").lower() == "none"
        cls.set_cookie(
            message,
            key,
            max_age=0,
            expires="Thu, 01-Jan-1970 00:00:00 GMT",
            path=path,
            domain=domain,
            secure=secure,
            samesite=samesite,
        )


class InstanceSessionWrapper:
    """The session of one connection: puts it into a scope and saves it when a response starts.

    :class:`SessionMiddleware` makes one for each connection. Others subclass it to find the session
    elsewhere than in the cookie; they override :meth:`resolve_session`.
    """

    save_message_types: list[str] = ["http.response.start"]
    """Messages before which a changed session is saved."""

    cookie_response_message_types: list[str] = ["http.response.start"]
    """Those of them that can carry a cookie."""

    cookie_name: str
    session_store: Any
    scope: Scope
    activated: bool
    """Whether this wrapper brought the session. If not, whoever brought it saves it."""
    real_send: Send

    def __init__(self, scope: Scope, send: Send) -> None:
        """Prepare a scope of its own with an unresolved session.

        Raises:
            ValueError: the scope has neither a session nor cookies.
        """
        self.cookie_name = settings.SESSION_COOKIE_NAME
        self.session_store = import_module(settings.SESSION_ENGINE).SessionStore
        self.scope = dict(scope)
        self.real_send = send
        self.activated = "session" not in scope
        if not self.activated:
            return
        if "cookies" not in scope:
            error = ValueError(
                "No cookies in scope - SessionMiddleware needs to run inside of CookieMiddleware."
            )
            error.add_note("SessionMiddlewareStack(inner) puts both in the right order.")
            raise error
        self.scope["session"] = LazyObject()

    async def resolve_session(self) -> None:
        """Give the session its store, unless somebody above has done so.

        The database is not asked before the session is first used.
        """
        session = self.scope["session"]
        if isinstance(session, LazyObject) and session._wrapped is empty:
            key = self.scope["cookies"].get(self.cookie_name)
            # No key of ours has such characters, and PostgreSQL refuses to look for a NUL.
            session._wrapped = self.session_store(key if key and key.isprintable() else None)

    async def send(self, message: Message) -> None:
        """Pass ``message`` on; before that save the session and set its cookie, where it is time.

        As in Django, an empty session is not saved, and its cookie is deleted. A response with
        status 500 saves nothing, because the work behind it was not done.

        Raises:
            SuspiciousOperation: the session was deleted meanwhile, by a logout for example.
        """
        if (
            self.activated
            and message["type"] in self.save_message_types
            and message.get("status", 200) != 500
        ):
            # A copy, because applications send the same dict again to other clients.
            message = dict(message)
            await self._finish(message)
        await self.real_send(message)

    async def save_session(self) -> None:
        """Save the session now.

        Raises:
            SuspiciousOperation: the session was deleted meanwhile, by a logout for example.
        """
        # The sync method in a thread, not `asave`: it is what session engines override.
        save: Callable[[], None] = self.scope["session"].save
        try:
            await database_sync_to_async(save)()
        except UpdateError as error:
            raise SuspiciousOperation(
                "The request's session was deleted before the request completed. "
                "The user may have logged out in a concurrent request, for example."
            ) from error

    async def _finish(self, message: Message) -> None:
        session = self.scope["session"]
        carries_cookie = message["type"] in self.cookie_response_message_types
        if session.is_empty():
            if carries_cookie and self.cookie_name in self.scope["cookies"]:
                CookieMiddleware.delete_cookie(
                    message,
                    self.cookie_name,
                    path=settings.SESSION_COOKIE_PATH,
                    domain=settings.SESSION_COOKIE_DOMAIN,
                    samesite=settings.SESSION_COOKIE_SAMESITE or None,
                )
        elif session.modified or settings.SESSION_SAVE_EVERY_REQUEST:
            await self.save_session()
            if carries_cookie:
                self._set_session_cookie(message)

    def _set_session_cookie(self, message: Message) -> None:
        session = self.scope["session"]
        # The session was loaded or made by the save: none of this asks the database.
        age = None if session.get_expire_at_browser_close() else session.get_expiry_age()
        CookieMiddleware.set_cookie(
            message,
            self.cookie_name,
            session.session_key,
            max_age=age,
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=settings.SESSION_COOKIE_HTTPONLY,
            # Django's way to leave the attribute out is False.
            samesite=settings.SESSION_COOKIE_SAMESITE or None,
        )


class SessionMiddleware:
    """Puts the Django session of the connection's cookie into ``scope["session"]``.

    Has to run inside a :class:`CookieMiddleware`; :func:`SessionMiddlewareStack` is both. A session
    that is in the scope already stays there, and is saved by whoever put it there.
    """

    inner: ASGIApplication

    def __init__(self, inner: ASGIApplication) -> None:
        self.inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve one connection.

        Raises:
            ValueError: the scope has neither a session nor cookies.
        """
        async with strand():
            wrapper = InstanceSessionWrapper(scope, send)
            await wrapper.resolve_session()
            if "websocket.send" not in wrapper.save_message_types:
                wrapper.scope = passing_frames(wrapper.scope, send, wrapper.send)
            return await self.inner(wrapper.scope, receive, wrapper.send)


def SessionMiddlewareStack(inner: ASGIApplication) -> CookieMiddleware:  # noqa: N802 - upstream's name
    """Cookies and sessions for ``inner``."""
    return CookieMiddleware(SessionMiddleware(inner))


def _seconds_until(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # One more, because the fraction of a second that is cut off would end the cookie too early.
    left = moment - datetime.now(UTC) + timedelta(seconds=1)
    return max(0, left.days * 86400 + left.seconds)
