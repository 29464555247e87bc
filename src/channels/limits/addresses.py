"""Where a connection comes from, behind proxies too. Pure.

A proxy adds the address of whoever spoke to it to the end of a header. What stands further to the
left was there before and is the client's word. So a header counts only as far as it was written by
proxies that the project trusts, and the address nearest to us that is none of theirs is the
client's.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, TypeAlias

from channels.typing import Scope

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

UNIX = "unix"
"""Among the trusted proxies: whoever speaks to the server over a Unix socket."""

MOST_BYTES = 4096
"""How much of a header is looked at, from the right."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which proxies are trusted to say where a connection comes from.

    Args:
        networks: of the proxies.
        unix: whether a peer without an address is one.
        hops: instead of the two: how many proxies every connection passes.
        header: the one they write, in lower case: ``x-forwarded-for`` or ``forwarded`` (RFC 7239),
            or one that holds a single address, such as ``x-real-ip``.
    """

    networks: tuple[Network, ...] = ()
    unix: bool = False
    hops: int | None = None
    header: bytes = b"x-forwarded-for"

    def client(self, scope: Scope) -> Address | None:
        """The address of the client of a connection; ``None`` if it is not known.

        What cannot be read in the header ends the search: the last address that could be read
        stands then, which is a proxy's.
        """
        peer = _peer(scope)
        if self.hops is not None:
            named = list(self._named(scope))
            # Fewer than the proxies that there should be: this one came past them.
            return (named[self.hops - 1] if len(named) >= self.hops else None) or peer
        if not self._trusts(peer):
            return peer
        nearest = peer
        for address in self._named(scope):
            if address is None:
                break
            nearest = address
            if not self._trusts(address):
                break
        return nearest

    def _trusts(self, address: Address | None) -> bool:
        if address is None:
            return self.unix
        return any(
            address.version == network.version and address in network for network in self.networks
        )

    def _named(self, scope: Scope) -> Iterator[Address | None]:
        """The addresses in the header, the one nearest to us first; ``None`` for what is none."""
        values = [value for name, value in scope.get("headers", ()) if name == self.header]
        line = b",".join(values)[-MOST_BYTES:].decode("latin1")
        if self.header == b"forwarded":
            return (parsed(_forwarded_for(element)) for element in _split_from_right(line, ","))
        return (parsed(part.strip()) for part in reversed(line.split(",") if line else []))


def trusted(value: Any, header: str) -> Proxies:
    """The proxies that a setting means: a number of hops, or a list of addresses and networks, with
    ``"unix"`` for a Unix socket. ``None``, like an empty list, trusts nobody.

    Raises:
        ValueError: it is neither.
    """
    name = header.lower().encode("latin1")
    if value is None:
        return Proxies(header=name)
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError(f"{value} is no number of proxies")
        return Proxies(hops=value, header=name)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"{value!r:.200} is neither a list of networks nor a number of hops")
    given: list[Any] = list(value)
    networks = tuple(ip_network(str(entry), strict=False) for entry in given if entry != UNIX)
    return Proxies(networks=networks, unix=UNIX in given, header=name)


def parsed(text: str) -> Address | None:
    """An address, with or without brackets and port; ``None`` for anything else."""
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        text = bracketed[1]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # An IPv4 client of a socket that takes both; and a zone is this machine's business.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def counted_as(address: Address) -> Address | Network:
    """What connections of an address are counted under: a household has a whole /64 of IPv6."""
    if isinstance(address, IPv6Address):
        return IPv6Network((int(address) >> 64 << 64, 64))
    return address


def _peer(scope: Scope) -> Address | None:
    client: Sequence[Any] | None = scope.get("client")
    return parsed(str(client[0])) if client else None


def _forwarded_for(element: str) -> str:
    """The address in one element of a ``Forwarded`` header, or an empty string."""
    pairs = [pair.partition("=") for pair in _split_from_right(element, ";")]
    named = [value for name, _, value in pairs if name.strip().lower() == "for"]
    return named[0].strip().strip('"') if len(named) == 1 else ""


def _split_from_right(text: str, separator: str) -> Iterator[str]:
    """The parts of ``text``, the last one first. A separator in a quoted string is none.

    From the right, so that a quote that a client opened and left open cannot swallow what the proxy
    has written after it.
    """
    end = len(text)
    quoted = False
    for mark in reversed(list(re.finditer(f'{separator}|"', text))):
        if mark[0] == separator:
            if not quoted:
                yield text[mark.end() : end]
                end = mark.start()
        elif not _is_escaped(text, mark.start()):
            quoted = not quoted
    yield "" if quoted else text[:end]


def _is_escaped(text: str, position: int) -> bool:
    before = text[:position]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


_BRACKETED = re.compile(r"\[([^\]]*)\](?::\d+)?")
