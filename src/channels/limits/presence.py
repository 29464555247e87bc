"""Which connections are there, by user and by address, and whether another one may come.

Counted is what one process serves: with four of them a user may have four times as many.
"""

import functools
from typing import TYPE_CHECKING, Any

from django.core.signals import setting_changed
from django.utils.functional import LazyObject, empty

from channels.conf import channels_setting
from channels.limits.addresses import Address, Proxies, counted_as, trusted
from channels.limits.roster import Roster
from channels.limits.values import Limits
from channels.typing import Scope

if TYPE_CHECKING:
    from channels.connection import Connection


class Presence:
    """One connection among those that are there."""

    __slots__ = ("_address", "connection", "ended", "user")

    def __init__(self, connection: "Connection") -> None:
        self.connection: Connection = connection
        self.user: str | None = None
        """The :func:`user_key`."""
        self.ended: bool = False
        self._address: Any = None

    def enter(self, limits: Limits) -> str | None:
        """Come in; or the name of the limit that forbids it."""
        scope = self.connection.scope
        user = user_key(scope.get("user"))
        if not users.enter(user, self, None if user is None else limits.connections_per_user):
            return "connections_per_user"
        self.user = user
        address = None if limits.connections_per_address is None else _address_key(scope)
        if address is not None and not addresses.enter(
            address, self, limits.connections_per_address
        ):
            users.leave(user, self)
            return "connections_per_address"
        self._address = address
        return None

    def leave(self) -> None:
        """The connection has ended."""
        self.ended = True
        users.leave(self.user, self)
        if self._address is not None:
            addresses.leave(self._address, self)

    def note_user(self) -> None:
        """Whoever is in the scope by now is the connection's user."""
        users.leave(self.user, self)
        self.user = user_key(self.connection.scope.get("user"))
        users.enter(self.user, self, None)


users: Roster[Presence] = Roster()
"""Who is there, by :func:`user_key`; nobody's are under ``None``."""

addresses: Roster[Presence] = Roster()
"""Who is there, by address or network. Only those that count."""


def user_key(user: Any) -> str | None:
    """What a user is known by in this module: the primary key, as text; ``None`` for nobody.

    A lazy object that was not looked at stands for nobody too: this is no place for a query.
    """
    if user is None or (isinstance(user, LazyObject) and vars(user).get("_wrapped") is empty):
        return None
    if not getattr(user, "is_authenticated", True):
        return None
    key = getattr(user, "pk", None)
    return None if key is None else str(key)


def client_address(scope: Scope) -> Address | None:
    """Where a connection comes from, by ``CHANNELS["TRUSTED_PROXIES"]``."""
    return _proxies().client(scope)


def _address_key(scope: Scope) -> Any:
    address = client_address(scope)
    if address is None or not (address.is_global or _proxies_are_named()):
        # Nobody said whether there are proxies, and this may well be one that all clients share.
        return None
    return counted_as(address)


@functools.cache
def _proxies() -> Proxies:
    return trusted(channels_setting("TRUSTED_PROXIES"), channels_setting("ADDRESS_HEADER"))


@functools.cache
def _proxies_are_named() -> bool:
    return channels_setting("TRUSTED_PROXIES") is not None


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CHANNELS":
        _proxies.cache_clear()
        _proxies_are_named.cache_clear()


setting_changed.connect(_forget)
