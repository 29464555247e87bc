"""A Cluster of three masters whose slots can be moved while it is used."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.redis_servers.programs import Flavour
from tests.redis_servers.server import START_SECONDS, Server, free_port, wait_until
from tests.redis_servers.tls import Authority

SLOTS = 16384
NODES = 3


class Node(Server):
    """One master, alone until it meets the others."""

    def __init__(
        self, flavour: Flavour, tls: Authority | None, password: str | None, **options: str
    ) -> None:
        self.bus = free_port()
        self.id = ""
        settings = {
            "cluster-enabled": "yes",
            "cluster-port": str(self.bus),
            "cluster-node-timeout": "2000",
        }
        if tls is not None:
            settings["tls-cluster"] = "yes"
        super().__init__(
            flavour, tls=tls, password=password, keeps_data=True, options=settings | options
        )

    def found(self, epoch: int, slots: range) -> None:
        """Make it the owner of ``slots``, in a Cluster of itself."""
        self.start()
        self.id = str(self.command("CLUSTER", "MYID"), "ascii")
        # Two masters with the same epoch would first have to settle who is who.
        self.command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        self.command("CLUSTER", "ADDSLOTSRANGE", slots[0], slots[-1])


class Cluster:
    """Three masters without replicas, each with a third of the slots.

    A test that takes one away has a part of the slots without an owner, as a Cluster has between
    a master's end and its replica's beginning.
    """

    def __init__(
        self,
        flavour: Flavour = "redis",
        *,
        tls: Authority | None = None,
        password: str | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        self.tls = tls
        self.password = password
        self.nodes = [Node(flavour, tls, password, **(options or {})) for _ in range(NODES)]

    def __enter__(self) -> "Cluster":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        with ExitStack() as stack:
            for node in self.nodes:
                stack.callback(node.remove)

    def _start(self) -> None:
        bounds = [SLOTS * number // NODES for number in range(NODES + 1)]
        for number, node in enumerate(self.nodes):
            node.found(number + 1, range(bounds[number], bounds[number + 1]))
        for one, other in itertools.permutations(self.nodes, 2):
            one.command("CLUSTER", "MEET", "127.0.0.1", other.port, other.bus)
        self.wait_until_ok()

    @property
    def masters(self) -> list[Server]:
        return list(self.nodes)

    @property
    def url(self) -> str:
        """That of the first node."""
        return self.nodes[0].url

    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", node.port) for node in self.nodes]

    @property
    def hosts(self) -> list[Any]:
        """The setting for a layer on it, with the first two nodes to begin with."""
        entry: dict[str, Any] = {"cluster": [list(address) for address in self.addresses()[:2]]}
        if self.password is not None:
            entry["password"] = self.password
        if self.tls is not None:
            entry |= {"ssl": True, "ssl_ca_certs": str(self.tls.authority)}
        return [entry]

    def wait_until_ok(self, seconds: float = START_SECONDS) -> None:
        """Until every node says that the Cluster is whole."""

        def whole() -> bool:
            states = [n.command("CLUSTER", "INFO") for n in self.nodes]
            known = f"cluster_known_nodes:{NODES}\r".encode()
            return all(b"cluster_state:ok" in state and known in state for state in states)

        wait_until(
            whole, seconds, lambda: str([n.command("CLUSTER", "INFO") for n in self.nodes]), 0.02
        )

    def slot(self, key: str | bytes) -> int:
        return int(self.nodes[0].command("CLUSTER", "KEYSLOT", key))

    def owner(self, slot: int) -> Node:
        """The node that says of itself that the slot is its own."""
        for node in self.nodes:
            if node.running and slot in _own_slots(node):
                return node
        raise LookupError(f"no node owns slot {slot}")

    def other_than(self, node: Node) -> Node:
        """Some other node, always the same."""
        return self.nodes[(self.nodes.index(node) + 1) % NODES]

    # A move, in one step or in those that it consists of.

    def move_slot(self, slot: int, target: Node | None = None) -> Node:
        """Move a slot with all its keys to ``target``, else to another than its owner."""
        with self.moving_slot(slot, target) as move:
            move.keys()
        return move.target

    def move_slot_at_once(self, slot: int, target: Node | None = None) -> Node:
        """Move a slot as Valkey 9 does it itself: copied, and then handed over at once."""
        source = self.owner(slot)
        target = target or self.other_than(source)
        source.command("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.id)
        self._wait_until_known(slot, target)
        return target

    @contextmanager
    def moving_slot(self, slot: int, target: Node | None = None) -> Iterator["Move"]:
        """Announce the move to both nodes; at the end of the block make ``target`` the owner.

        The block moves the keys (:meth:`Move.keys`), all of them, in as many steps as it likes.
        """
        source = self.owner(slot)
        target = target or self.other_than(source)
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        move = Move(slot, source, target, self.password)
        yield move
        # What was made meanwhile: a node that gives a slot away with keys in it would lose them.
        move.keys()
        # The target first: then there is an owner at any time.
        rest = [node for node in self.nodes if node not in {source, target}]
        for node in (target, source, *rest):
            if node.running:
                node.command("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        self._wait_until_known(slot, target)

    def _wait_until_known(self, slot: int, owner: Node) -> None:
        def known() -> bool:
            return all(owner.id == _owner_by(node, slot) for node in self.nodes if node.running)

        wait_until(known, START_SECONDS, lambda: f"slot {slot} at {owner}")


class Move:
    """A slot on its way."""

    def __init__(self, slot: int, source: Node, target: Node, password: str | None) -> None:
        self.slot = slot
        self.source = source
        self.target = target
        self._password = password

    def keys(self, most: int | None = None) -> int:
        """Move keys, all or at most so many; return how many it was."""
        moved = 0
        while most is None or moved < most:
            batch = 100 if most is None else min(100, most - moved)
            keys: list[bytes] = self.source.command("CLUSTER", "GETKEYSINSLOT", self.slot, batch)
            if not keys:
                break
            login: list[Any] = [] if self._password is None else ["AUTH", self._password]
            where = ["127.0.0.1", self.target.port, "", 0, 10_000]
            self.source.command("MIGRATE", *where, *login, "KEYS", *keys)
            moved += len(keys)
        return moved


def _ranges(node: Node) -> list[Any]:
    slots: list[Any] = node.command("CLUSTER", "SLOTS")
    return slots


def _owner_by(node: Node, slot: int) -> str | None:
    """Who owns a slot by the word of a node."""
    for first, last, master, *_ in _ranges(node):
        if first <= slot <= last:
            return str(master[2], "ascii")
    return None


def _own_slots(node: Node) -> set[int]:
    return {
        slot
        for first, last, master, *_ in _ranges(node)
        if str(master[2], "ascii") == node.id
        for slot in range(first, last + 1)
    }
