"""Closing connections from outside: one by its channel, all of a user, all of a session.

Every function has an ``async`` twin whose name begins with ``a``. The plain ones are for sync code
(views, signals, management commands, tasks of a queue) and work from any thread and process; in
async code await the twin.

What is told is at the end of what it does: the handler in hand comes to its end first (within
its grace, where a user or session is closed), then the client is sent the code
and the reason, and ``disconnect(code)`` runs. A WebSocket that was not accepted yet is denied. An
HTTP consumer's response ends.

Closing is not banning: browsers that connect again are let in again, unless ``connect()`` refuses
them.
"""

import asyncio
import hashlib
import logging
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.utils.functional import LazyObject, empty

from channels import DEFAULT_CHANNEL_LAYER
from channels.conf import channels_setting
from channels.control import GROUP, control_layer
from channels.exceptions import InvalidChannelLayerError
from channels.layers import get_channel_layer
from channels.layers.sync import SyncLayer
from channels.limits.presence import Presence, user_key, users
from channels.typing import Message, Scope

logger: logging.Logger = logging.getLogger("django.channels")

NORMAL_CLOSURE = 1000
SIGNED_OUT = 4401
"""With this code connections are closed whose session has ended. (HTTP's 401, in the range that is
free for applications.)"""

SIGNED_OUT_REASON = "signed out"

CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
"""The codes that an endpoint may send (RFC 6455, 7.4, and the registry of codes)."""

MOST_REASON_BYTES = 123
"""A close frame holds 125 bytes (RFC 6455, 5.5), two of them for the code."""


async def aclose_channel(
    name: str,
    code: int = NORMAL_CLOSURE,
    reason: str = "",
    *,
    layer_alias: str = DEFAULT_CHANNEL_LAYER,
) -> None:
    """Close the connection whose ``channel_name`` is ``name``, in whichever process it is.

    It is a message to the channel, so what was sent to it before is handled before. Nobody is told
    where the connection has ended already.

    Raises:
        ValueError: the code is none that may be sent, or the reason has more than 123 bytes.
        TypeError: ``name`` is no channel name.
        InvalidChannelLayerError: there is no such layer.
        ChannelFull: the channel is at its capacity.
    """
    await _layer(layer_alias).send(name, _order_to_close(code, reason))


def close_channel(
    name: str,
    code: int = NORMAL_CLOSURE,
    reason: str = "",
    *,
    layer_alias: str = DEFAULT_CHANNEL_LAYER,
) -> None:
    """:func:`aclose_channel` for sync code."""
    SyncLayer(_layer(layer_alias)).send(name, _order_to_close(code, reason))


async def aclose_user(user: Any, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
    """Close every connection of a user: those with this user in ``scope["user"]``.

    Other processes are told through the ``default`` layer, where it reaches them. Where the layer
    fails, the connections of this process are closed all the same.

    Args:
        user: a user, or the primary key of one.

    Raises:
        ValueError: the code is none that may be sent, the reason has more than 123 bytes, or
            ``user`` is nobody.
    """
    await _agive(_order_about(_key(user), code, reason))


def close_user(user: Any, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
    """:func:`aclose_user` for sync code."""
    _give(_order_about(_key(user), code, reason))


async def aclose_session(
    user: Any, session_key: str, code: int = SIGNED_OUT, reason: str = SIGNED_OUT_REASON
) -> None:
    """Close the connections of a user that came with one session; otherwise as
    :func:`aclose_user`."""
    await _agive(_order_about(_key(user), code, reason, session_key))


def close_session(
    user: Any, session_key: str, code: int = SIGNED_OUT, reason: str = SIGNED_OUT_REASON
) -> None:
    """:func:`aclose_session` for sync code."""
    _give(_order_about(_key(user), code, reason, session_key))


def note_user(scope: Scope) -> None:
    """Tell that ``scope["user"]`` of a connection is somebody else from now on.

    :func:`channels.auth.login` and ``logout`` do. Call it where your own code puts a user into the
    scope of a consumer that is running; else :func:`close_user` does not find the connection. From
    any thread.
    """
    for presence in users.everybody():
        if presence.connection.scope is scope:
            presence.note_user()


def obey(order: Message) -> None:
    """Do in this process what an order says. Unknown ones are for processes of a newer release."""
    if order.get("close") != "user":
        return
    for presence in users.present(order["user"]):
        if order["session"] is None or order["session"] == _session_mark(presence):
            _close(presence, order["code"], order["reason"])


def _close(presence: Presence, code: int, reason: str) -> None:
    connection = presence.connection

    def close() -> None:
        connection.close_soon(code, reason, grace=connection.grace())

    try:
        connection.loop.call_soon_threadsafe(close)
    except RuntimeError:
        logger.debug("The loop of a connection that was to be closed is closed itself.")


def _order_to_close(code: int, reason: str) -> Message:
    _check(code, reason)
    return {"type": "channels.close", "code": code, "reason": reason}


def _order_about(key: str, code: int, reason: str, session_key: str | None = None) -> Message:
    _check(code, reason)
    return {
        "type": "channels.control",
        "close": "user",
        "user": key,
        "session": None if session_key is None else _mark(session_key),
        "code": code,
        "reason": reason,
    }


def _check(code: int, reason: str) -> None:
    if code not in CLOSE_CODES:
        raise ValueError(
            f"{code!r} is no code that a server may close with; use 1000, or one of 4000 to 4999 "
            "for a meaning of your own."
        )
    if len(reason.encode()) > MOST_REASON_BYTES:
        raise ValueError(
            f"The reason has {len(reason.encode())} bytes; a close frame holds {MOST_REASON_BYTES}."
        )


def _layer(alias: str) -> Any:
    layer = get_channel_layer(alias)
    if layer is None:
        raise InvalidChannelLayerError(
            f"CHANNEL_LAYERS has no layer {alias!r}, and a channel is closed through its layer."
        )
    return layer


async def _agive(order: Message) -> None:
    obey(order)
    layer = control_layer()
    if layer is not None:
        await layer.group_send(GROUP, order)


def _give(order: Message) -> None:
    obey(order)
    layer = control_layer()
    if layer is not None:
        SyncLayer(layer).group_send(GROUP, order)


def _key(user: Any) -> str:
    """The key of a user or of a primary key, in the form that connections are known by."""
    if hasattr(user, "is_authenticated") or hasattr(user, "pk"):
        key = user_key(user if not isinstance(user, LazyObject) else _resolved(user))
    else:
        key = None if user is None else str(get_user_model()._meta.pk.to_python(user))
    if key is None:
        raise ValueError(
            f"{user!r:.200} is nobody who is signed in; give a user or the primary key of one."
        )
    return key


def _resolved(user: Any) -> Any:
    """``request.user`` and the like, looked at: whoever calls may ask the database."""
    _ = user.pk
    return user


def _session_mark(presence: Presence) -> str | None:
    session = presence.connection.scope.get("session")
    if session is None or (isinstance(session, LazyObject) and vars(session)["_wrapped"] is empty):
        return None
    key = session.session_key
    return None if key is None else _mark(key)


def _mark(session_key: str) -> str:
    """What stands for a session in an order: whoever reads the layer's traffic cannot use it."""
    return hashlib.sha256(f"channels.session:{session_key}".encode()).hexdigest()


def _close_on_logout(*, request: Any, user: Any, **_: Any) -> None:
    """Somebody logs out over HTTP; their session is flushed after this."""
    session_key = getattr(getattr(request, "session", None), "session_key", None)
    if session_key is None or user is None or not channels_setting("CLOSE_ON_LOGOUT"):
        return
    order = _order_about(_key(user), SIGNED_OUT, SIGNED_OUT_REASON, session_key)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        try:
            _give(order)
        except Exception:
            _log_failed_logout()
    else:  # logout() was called on a loop, which must not be held up
        _keep(asyncio.ensure_future(_agive_or_log(order)))


async def _agive_or_log(order: Message) -> None:
    try:
        await _agive(order)
    except Exception:
        _log_failed_logout()


def _log_failed_logout() -> None:
    # Whoever logs out is to be logged out, whatever becomes of their sockets.
    logger.exception("Not every connection of a session that was logged out could be closed.")


def _keep(task: "asyncio.Future[None]") -> None:
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


_tasks: set["asyncio.Future[None]"] = set()
"""The loop holds tasks only weakly."""


def listen_to_logouts() -> None:
    """Close a session's connections when somebody logs out over HTTP, where the setting says so."""
    user_logged_out.connect(_close_on_logout, dispatch_uid="channels.closing")
