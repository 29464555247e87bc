"""Which slot a key is in, and which node has it, as a Cluster tells. Pure."""

from binascii import crc_hqx
from collections.abc import Sequence
from typing import Any, NamedTuple

SLOTS = 16384


class Address(NamedTuple):
    """Where a node listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Owners = list[Address | None]
"""For each slot the node to ask; ``None`` where none is known."""


class Redirection(NamedTuple):
    """A node's word that another one is to be asked."""

    for_once: bool
    """The slot is on its way, and this key is there already: the next command may still be for
    the old node (``ASK``). Otherwise the slot has moved (``MOVED``)."""
    slot: int
    address: Address


def slot_of(key: bytes) -> int:
    """The slot of a key; of one with a hash tag, ``{…}``, that of the tag."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS


def redirection(error: str, asked: Address) -> Redirection | None:
    """What an error says, if it says where to go: ``MOVED 3999 127.0.0.1:6381``.

    Args:
        asked: who said it; a node that does not know the other's host means its own.
    """
    word, *rest = error.split(" ")
    if word not in {"MOVED", "ASK"} or len(rest) < 2:
        return None
    # An IPv6 address stands without brackets.
    host, _, port = rest[1].rpartition(":")
    return Redirection(word == "ASK", int(rest[0]), Address(host or asked.host, int(port)))


def owners(ranges: Sequence[Any], asked: Address) -> Owners:
    """The answer to ``CLUSTER SLOTS``, slot by slot: the masters."""
    found: Owners = [None] * SLOTS
    for first, last, master, *_ in ranges:
        # None for a node that does not know its own host, "?" for one that shall not be named.
        host = (master[0] or b"").decode()
        address = Address(asked.host if host in {"", "?"} else host, master[1])
        found[first : last + 1] = [address] * (last + 1 - first)
    return found
