"""The limits of one consumer at work: who comes in, for how long, and what they may send."""

import functools
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.core.signals import setting_changed

from channels import revalidation
from channels.alarms import Alarms
from channels.conf import channels_setting
from channels.denial import deny
from channels.gate import WAITING
from channels.layers.rules import CLOSE, DROP_NEWEST, Rules
from channels.limits.meter import Meter
from channels.limits.presence import Presence, client_address, user_key
from channels.limits.rejections import rejections, shown
from channels.limits.values import DELAY, DROP, POLICIES, Limits
from channels.threads import current_strand
from channels.typing import Scope

if TYPE_CHECKING:
    from channels.connection import Connection

TRY_AGAIN_LATER = 1013

PROTOCOLS = ("websocket", "http")


class Door:
    """Stands before one connection: :meth:`enter` before it is served, :meth:`leave` after.

    A consumer that another one calls for the same connection has no limits of its own.
    """

    __slots__ = ("_connection", "_limits", "_presence", "_strand", "_watched")

    def __init__(self, connection: "Connection", limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._presence: Presence | None = None
        self._watched = False
        self._strand = current_strand()

    def enter(self) -> str | None:
        """Let the connection in, or name the limit that forbids it."""
        connection, limits, strand = self._connection, self._limits, self._strand
        kind = connection.scope.get("type")
        if kind not in PROTOCOLS or (strand is not None and strand.serves):
            return None
        presence = Presence(connection)
        refused_by = presence.enter(limits)
        if refused_by is not None:
            report(connection.scope, limits, refused_by)
            return refused_by
        self._presence = presence
        revalidation.watch(presence)
        if strand is not None:
            strand.serves = True
        if kind == "websocket":
            if limits.message_bytes or limits.messages_per_second or limits.bytes_per_second:
                connection.meter = Meter(
                    limits,
                    guard=self,
                    clock=time.monotonic,
                )
            if limits.accept_seconds is not None:
                self._watched = True
                _unanswered.here(limits.accept_seconds).watch(self)
        return None

    def report(self, limit: str) -> None:
        """A message was more than ``limit`` allows."""
        report(self._connection.scope, self._limits, limit)

    def close(self, code: int, reason: str) -> None:
        """A limit wants the connection closed."""
        self._connection.close_soon(code, reason)

    def leave(self) -> None:
        """The connection has ended."""
        if self._presence is None:
            return
        self._presence.leave()
        revalidation.forget(self._presence)
        if self._strand is not None:
            self._strand.serves = False
        if self._watched and self._limits.accept_seconds is not None:
            _unanswered.here(self._limits.accept_seconds).forget(self)

    def waited_enough(self) -> None:
        """Deny a WebSocket that was not answered in time."""
        connection = self._connection
        if connection.gate.state is WAITING:
            report(connection.scope, self._limits, "accept_seconds")
            connection.close_soon(TRY_AGAIN_LATER, "Not accepted in time", grace=0)


_unanswered: Alarms[Door] = Alarms(Door.waited_enough)


async def turn_away(scope: Scope, receive: Any, send: Any) -> None:
    """Tell a client that there are too many connections: 429, or a close where the server can deny
    a WebSocket in no other way."""
    await receive()
    text = "Too many connections"
    if scope["type"] == "websocket":
        await deny(scope, send, 429, text)
        return
    await answer(send, 429, text)


async def answer(send: Any, status: int, text: str) -> None:
    """Answer an HTTP request with a status and a line of text."""
    body = f"{text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def limits_of(consumer: Any) -> Limits:
    """The limits of a consumer's connections.

    Raises:
        ValueError: its ``connection_limits`` are not a dictionary of limits.
        ImproperlyConfigured: ``CHANNELS`` has limits that are none.
    """
    limits, own = _project_limits(), consumer.connection_limits
    if not own:
        return limits
    source = f"{type(consumer).__qualname__}.connection_limits"
    try:
        return _own_limits(limits, tuple(own.items()), source)
    except (AttributeError, TypeError):
        return limits.but(own, source)  # which says what is wrong


@functools.lru_cache(maxsize=200)
def _own_limits(limits: Limits, own: tuple[tuple[str, Any], ...], source: str) -> Limits:
    # One object for all connections of a consumer.
    return limits.but(dict(own), source)


def rules_of(connection: "Connection", limits: Limits, layer: Any) -> Rules:
    """What the mailbox of a connection may hold."""
    on_full = limits.on_full or getattr(layer, "on_full", None)
    if on_full not in POLICIES:
        on_full = DROP_NEWEST
    rules = _shared_rules(on_full, limits.waiting_bytes, limits.groups_per_connection)
    if on_full != CLOSE:
        return rules
    return replace(rules, overflow=functools.partial(_overflow, connection))


@functools.lru_cache(maxsize=100)
def _shared_rules(on_full: str, most_bytes: int | None, most_groups: int | None) -> Rules:
    # One for all connections: they are never changed, and there may be a hundred thousand.
    return Rules(on_full=on_full, most_bytes=most_bytes, most_groups=most_groups)


def _overflow(connection: "Connection") -> None:
    """The mailbox is full, and the client is too slow. On the connection's loop."""
    if connection.close_soon(TRY_AGAIN_LATER, "Too slow", grace=connection.grace()):
        rejections.note(
            "on_full",
            "Limit on_full=close, the connection was closed",
            lambda: described(connection.scope),
        )


def report(scope: Scope, limits: Limits, limit: str) -> None:
    """Count and log that a connection met a limit."""
    done = _DONE.get(limit) or _RATE_DONE[limits.rate_action]
    rejections.note(
        limit, f"Limit {limit}={getattr(limits, limit):g}, {done}", lambda: described(scope)
    )


def described(scope: Scope) -> str:
    """A connection, for the log: nothing of it can be a secret or break the line."""
    user = user_key(scope.get("user"))
    return (
        f"path {shown(scope.get('path', ''))}, address {client_address(scope)}, "
        f"user {'nobody' if user is None else shown(user)}"
    )


_DONE: Mapping[str, str] = {
    "connections_per_user": "the connection was refused",
    "connections_per_address": "the connection was refused",
    "message_bytes": "the connection was closed",
    "body_bytes": "the request was refused",
    "accept_seconds": "the connection was denied",
}
_RATE_DONE: Mapping[str, str] = {
    DELAY: "a message was delayed",
    DROP: "a message was dropped",
    "close": "the connection was closed",
}


@functools.cache
def _project_limits() -> Limits:
    return Limits().but(channels_setting("LIMITS"), "CHANNELS['LIMITS']")


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CHANNELS":
        _project_limits.cache_clear()


setting_changed.connect(_forget)
