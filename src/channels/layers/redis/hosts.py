"""Where a server is, and how to open a connection to it: plain, by TLS, on a Unix socket, or to
whichever server the Sentinels call the master.

What projects write is read by :mod:`channels.layers.redis.entries`.
"""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

Address: TypeAlias = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""

CONNECT_TIMEOUT = 5.0
"""Seconds for everything until a connection can be used, where the entry does not say
``socket_connect_timeout``."""

SENTINEL_TIMEOUT = 2.0
"""Seconds that a Sentinel has to answer, where ``sentinel_kwargs`` does not say
``socket_connect_timeout``."""


class Host:
    """One entry of ``hosts``.

    Attributes:
        name: what logs and errors call it; without user and password.
        cluster: whether it is a Cluster. Its nodes after :attr:`seeds` have to be asked for.
        db: the number of the database.
        seeds: addresses to begin with; of a Sentinel entry those of the Sentinels.
        master_name: what the Sentinels call the master; empty if there are none.
    """

    __slots__ = (
        "_options",
        "_sentinel_options",
        "_type",
        "cluster",
        "db",
        "db",
        "master_name",
        "name",
        "seeds",
    )

    def __init__(
        self,
        seeds: tuple[Address, ...],
        connection_type: type[AbstractConnection],
        options: Mapping[str, Any],
        *,
        cluster: bool = False,
        master_name: str = "",
        sentinel_options: "tuple[type[AbstractConnection], Mapping[str, Any]] | None" = None,
    ) -> None:
        self.seeds: tuple[Address, ...] = seeds
        self.cluster: bool = cluster
        self.db: int = int(options.get("db") or 0)
        self.master_name: str = master_name
        self._type = connection_type
        self._options = dict(options)
        self._sentinel_options = sentinel_options or (Connection, {})
        self.name: str = self._name()

    def __repr__(self) -> str:
        return f"<Host {self.name}>"

    async def address(self) -> Address:
        """Where to connect to now: the first seed, or the master as the Sentinels know it.

        Raises:
            redis.exceptions.ConnectionError: no Sentinel answers that it knows a master that is up.
        """
        return await self._master() if self.master_name else self.seeds[0]

    def connection(self, address: Address | None = None) -> AbstractConnection:
        """A connection that is not open yet, with the entry's TLS, user, database and so on.

        Args:
            address: of a node of the Cluster, or what :meth:`address` said. The first seed where
                it is not given.
        """
        return _make(self._type, address or self.seeds[0], self._options)

    async def connect(self, address: Address | None = None) -> AbstractConnection:
        """An open connection, authenticated, with its database selected; of a Sentinel entry one
        to a server that says that it is the master.

        Cancelled or failed, it leaves nothing open.

        Raises:
            redis.exceptions.RedisError: it is not there, not in time, refuses the password, …
        """
        limit = self._options.get("socket_connect_timeout") or CONNECT_TIMEOUT
        if address is None:
            address = await self.address()
        connection = self.connection(address)
        await _open(connection, limit, check_master=bool(self.master_name))
        return connection

    async def connect_to_sentinel(self) -> AbstractConnection:
        """An open connection to any of the Sentinels that answers.

        Raises:
            redis.exceptions.RedisError: none does.
        """
        connection_type, options = self._sentinel_options
        limit = options.get("socket_connect_timeout") or SENTINEL_TIMEOUT
        failure: RedisError | None = None
        # Any one, so that the processes of a site do not all ask the same.
        for address in random.sample(self.seeds, len(self.seeds)):
            connection = _make(connection_type, address, options)
            try:
                await _open(connection, limit)
            except RedisError as error:
                failure = failure or error
            else:
                return connection
        raise RedisConnectionError(f"No Sentinel answers: {failure}")

    async def _master(self) -> Address:
        """The master by the answer with the highest epoch: after a failover a Sentinel that was
        cut off still tells of the old one."""
        answers = await asyncio.gather(
            *(self._ask(address) for address in self.seeds), return_exceptions=True
        )
        known: list[tuple[int, Address]] = []
        failures: list[str] = []
        for address, answer in zip(self.seeds, answers, strict=True):
            if isinstance(answer, tuple):
                known.append(answer)
            elif isinstance(answer, RedisError | OSError):
                failures.append(f"{_text(address)}: {answer}")
            else:
                raise answer
        if not known:
            raise RedisConnectionError(
                f"No Sentinel knows a master {self.master_name!r} that is up ("
                + "; ".join(failures)
                + ")."
            )
        return max(known, key=lambda answer: answer[0])[1]

    async def _ask(self, address: Address) -> tuple[int, Address]:
        connection_type, options = self._sentinel_options
        connection = _make(connection_type, address, options)
        limit = options.get("socket_connect_timeout") or SENTINEL_TIMEOUT
        try:
            async with asyncio.timeout(limit):
                await _open(connection, limit)
                try:
                    await connection.send_command("SENTINEL", "MASTER", self.master_name)
                    reply = await connection.read_response()
                finally:
                    await connection.disconnect(nowait=True)
        except TimeoutError:
            raise RedisTimeoutError(f"no answer within {limit:g} s") from None
        try:
            state = _mapping(reply)
            flags = state["flags"].split(",")
            answer = int(state["config-epoch"]), (state["ip"], int(state["port"]))
        except (KeyError, TypeError, ValueError):
            raise RedisConnectionError("what it says of the master makes no sense") from None
        if "o_down" in flags or "s_down" in flags or "master" not in flags:
            raise RedisConnectionError(f"its master is down (flags: {state['flags']})")
        return answer

    def _name(self) -> str:
        scheme = "rediss" if issubclass(self._type, SSLConnection) else "redis"
        places = ",".join(map(_text, self.seeds))
        if self.master_name:
            return f"sentinel://{places}/{self.master_name}"
        if self.cluster:
            return f"{scheme}+cluster://{places}"
        if isinstance(self.seeds[0], str):
            scheme = "unix"
        return f"{scheme}://{places}" + (f"/{self.db}" if self.db else "")


def _make(
    connection_type: type[AbstractConnection], address: Address, options: Mapping[str, Any]
) -> AbstractConnection:
    where: dict[str, Any] = (
        {"path": address} if isinstance(address, str) else {"host": address[0], "port": address[1]}
    )
    arguments: dict[str, Any] = {"socket_connect_timeout": CONNECT_TIMEOUT, **options, **where}
    # Replies in one form, whatever the driver's default: RESP 2 can do all that the layer needs.
    arguments["protocol"] = 2
    # The limit of _open() holds. With one of its own the driver sends by asyncio.wait_for(), which
    # before Python 3.12 may swallow a cancellation.
    arguments["socket_timeout"] = None
    return connection_type(**arguments)


async def _open(
    connection: AbstractConnection, limit: float, *, check_master: bool = False
) -> None:
    try:
        # A server that accepts and then says nothing is not caught by the driver's timeouts where
        # they are switched off.
        async with asyncio.timeout(limit):
            await connection.connect()  # type: ignore[no-untyped-call]
            if check_master:
                if not await _is_master(connection):
                    raise RedisConnectionError("The server that Sentinels name is no master (yet).")
            else:
                await _try(connection)
    except BaseException as error:
        await connection.disconnect(nowait=True)
        if isinstance(error, TimeoutError):
            raise RedisTimeoutError(f"Not connected within {limit:g} s.") from None
        raise


async def _try(connection: AbstractConnection) -> None:
    """Find out now whether it wants a password that was not given, and not with every command."""
    await connection.send_command("PING")
    with suppress(ResponseError):  # the user may not; that says enough
        await connection.read_response()


async def _is_master(connection: AbstractConnection) -> bool:
    await connection.send_command("ROLE")
    try:
        role: Any = await connection.read_response()
    except ResponseError:
        return True  # the user may not ask; a write will tell
    return bool(role[0] in (b"master", "master"))


def _mapping(reply: Any) -> dict[str, str]:
    pairs = (
        reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=True)
    )
    return {_str(key): _str(value) for key, value in pairs}


def _str(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _text(address: Address) -> str:
    if isinstance(address, str):
        return address
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
