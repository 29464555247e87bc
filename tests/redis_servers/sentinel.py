"""A master, a replica and the sentinels that watch them."""

import secrets
import time
from contextlib import ExitStack
from typing import Any

import redis

from tests.redis_servers.programs import Flavour
from tests.redis_servers.server import START_SECONDS, Server, wait_until
from tests.redis_servers.tls import Authority

SENTINELS = 3
QUORUM = 2
# Small, so that a test does not wait; a sentinel asks ten times a second then.
DOWN_AFTER_MILLISECONDS = 500


class _Sentinel(Server):
    """One sentinel. It is told at its start what it would otherwise find out within seconds."""

    def __init__(self, flavour: Flavour, tls: Authority | None, password: str | None) -> None:
        super().__init__(flavour, tls=tls, password=password)
        for name in ("appendonly", "appendfsync", "save", "enable-debug-command"):
            del self._options[name]
        for name in ("repl-diskless-sync-delay", "shutdown-timeout", "masterauth"):
            self._options.pop(name, None)
        self.id = secrets.token_hex(20)
        self.lines: list[str] = []

    def reserve(self) -> None:
        """Have a port before the start."""
        self._take_ports()

    def _further_lines(self) -> str:
        return "".join(f"{line}\n" for line in [f"sentinel myid {self.id}", *self.lines])

    def _arguments(self) -> list[str]:
        return ["--sentinel"]


class SentinelSet:
    """Two servers of which one is the master, and three sentinels with a quorum of two.

    Args:
        service: the name by which clients ask for the master.
        tls, password: as of :class:`Server`, for all five.
    """

    def __init__(
        self,
        flavour: Flavour = "redis",
        *,
        service: str = "mymaster",
        tls: Authority | None = None,
        password: str | None = None,
    ) -> None:
        self.service = service
        self.password = password
        self.tls = tls
        self.servers = [
            Server(flavour, tls=tls, password=password, keeps_data=True) for _ in range(2)
        ]
        self.sentinels = [_Sentinel(flavour, tls, password) for _ in range(SENTINELS)]

    def __enter__(self) -> "SentinelSet":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        with ExitStack() as stack:
            for server in (*self.servers, *self.sentinels):
                stack.callback(server.remove)

    def _start(self) -> None:
        master, replica = (server.start() for server in self.servers)
        replica.command("REPLICAOF", "127.0.0.1", master.port)
        for sentinel in self.sentinels:
            sentinel.reserve()
        for sentinel in self.sentinels:
            name, lines = self.service, sentinel.lines
            lines.append(f"sentinel monitor {name} 127.0.0.1 {master.port} {QUORUM}")
            lines.append(f"sentinel down-after-milliseconds {name} {DOWN_AFTER_MILLISECONDS}")
            lines.append(f"sentinel failover-timeout {name} 4000")
            if self.password is not None:
                lines.append(f"sentinel auth-pass {name} {self.password}")
            lines.append(f"sentinel known-replica {name} 127.0.0.1 {replica.port}")
            lines += [
                f"sentinel known-sentinel {name} 127.0.0.1 {other.port} {other.id}"
                for other in self.sentinels
                if other is not sentinel
            ]
        wait_until(lambda: self._in_step(replica), START_SECONDS, lambda: "the replica follows")
        for sentinel in self.sentinels:
            sentinel.start()
        wait_until(self._can_fail_over, START_SECONDS, lambda: str(self._seen()), 0.02)

    def addresses(self) -> list[tuple[str, int]]:
        """Where the sentinels listen."""
        return [("127.0.0.1", sentinel.port) for sentinel in self.sentinels]

    @property
    def hosts(self) -> list[Any]:
        """The setting for a layer on the master, whichever it is."""
        common: dict[str, Any] = {} if self.password is None else {"password": self.password}
        if self.tls is not None:
            common |= {"ssl": True, "ssl_ca_certs": str(self.tls.authority)}
        sentinels = [list(address) for address in self.addresses()]
        names = {"sentinels": sentinels, "master_name": self.service}
        return [{**names, **common, "sentinel_kwargs": common}]

    @property
    def masters(self) -> list[Server]:
        return [self.master]

    @property
    def master(self) -> Server:
        """The server that is the master by the word of most sentinels."""
        ports = [self._master_port(sentinel) for sentinel in self.sentinels if sentinel.running]
        port = max(set(ports), key=ports.count)
        return next(server for server in self.servers if server.port == port)

    @property
    def replica(self) -> Server:
        """The other one."""
        master = self.master
        return next(server for server in self.servers if server is not master)

    def fail_over(self) -> float:
        """Have the sentinels make the replica the master. The old one lives on as its replica.

        Returns the seconds until every sentinel says so.
        """
        old, began = self.master, time.monotonic()
        self.sentinels[0].command("SENTINEL", "FAILOVER", self.service)
        self.wait_for_another_than(old)
        return time.monotonic() - began

    def wait_for_another_than(self, old: Server, seconds: float = START_SECONDS) -> None:
        """Until every sentinel names another master, and that one takes writes."""

        def all_say_so() -> bool:
            ports = {self._master_port(s) for s in self.sentinels if s.running}
            if old.port in ports or len(ports) != 1:
                return False
            return bool(self.master.command("ROLE")[0] == b"master")

        wait_until(all_say_so, seconds, lambda: str(self._seen()), 0.02)

    def wait_in_step(self, seconds: float = START_SECONDS) -> None:
        """Until the replica has what the master has."""
        replica = self.replica
        wait_until(lambda: self._in_step(replica), seconds, lambda: "the replica is in step", 0.02)

    def part(self) -> None:
        """Let the replica get nothing more from the master, without it being down.

        What the master answers from now on is lost by the next failover.
        """
        replica = self.replica
        # It cannot log in any more: a word that the master does not know.
        replica.command("CONFIG", "SET", "masterauth", "not-the-password")
        self.master.command("CLIENT", "KILL", "TYPE", "replica")
        wait_until(
            lambda: self._replication(replica)["master_link_status"] == "down",
            START_SECONDS,
            lambda: str(self._replication(replica)),
        )

    def _in_step(self, replica: Server) -> bool:
        state = self._replication(replica)
        if state["role"] != "slave" or state["master_link_status"] != "up":
            return False
        master = next(s for s in self.servers if s.port == state["master_port"])
        return bool(self._replication(master)["master_repl_offset"] <= state["slave_repl_offset"])

    def _replication(self, server: Server) -> dict[str, Any]:
        with server.admin() as client:
            found: dict[str, Any] = client.info("replication")
            return found

    def _master_port(self, sentinel: Server) -> int:
        address = sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        return int(address[1])

    def _seen(self) -> list[Any]:
        return [s.command("SENTINEL", "MASTER", self.service) for s in self.sentinels if s.running]

    def _can_fail_over(self) -> bool:
        for sentinel in self.sentinels:
            try:
                sentinel.command("SENTINEL", "CKQUORUM", self.service)
            except redis.ResponseError:
                return False
            for replica in sentinel.command("SENTINEL", "REPLICAS", self.service):
                seen = dict(zip(replica[::2], replica[1::2], strict=True))
                # Until its first INFO a sentinel does not know what it has there.
                if seen[b"flags"] != b"slave" or seen[b"master-link-status"] != b"ok":
                    return False
        return True
