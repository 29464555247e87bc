"""Connections to servers: plain, by TLS, on a Unix socket, and to the master of the Sentinels."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from channels.layers.redis.entries import parse_hosts
from channels.layers.redis.hosts import Host
from tests.redis_servers import Authority, SentinelSet, Server, redis_server
from tests.redis_servers.server import wait_until


def parse(entry: Any) -> Host:
    (host,) = parse_hosts([entry])
    return host


async def ask(connection: AbstractConnection, *command: Any) -> Any:
    await connection.send_command(*command)
    return await connection.read_response()


@asynccontextmanager
async def connected(entry: Any) -> AsyncIterator[AbstractConnection]:
    connection = await parse(entry).connect()
    try:
        yield connection
    finally:
        await connection.disconnect()


async def test_a_connection_that_is_ready_to_use(redis7: Server) -> None:
    entry = {"host": "127.0.0.1", "port": redis7.port, "db": 3, "client_name": "the-layer"}
    async with connected(entry) as connection:
        info = str(await ask(connection, "CLIENT", "INFO"))
        assert " db=3 " in info
        assert " name=the-layer " in info


@pytest.mark.parametrize("form", ["url", "pair", "dict", "address"])
async def test_the_forms(redis7: Server, form: str) -> None:
    pair = ("127.0.0.1", redis7.port)
    entry = {
        "url": redis7.url,
        "pair": pair,
        "dict": {"host": pair[0], "port": pair[1]},
        "address": {"address": redis7.url},
    }[form]
    async with connected(entry) as connection:
        assert await ask(connection, "PING") in (b"PONG", "PONG")


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with redis_server("redis", options={"unixsocket": str(path)}):
        async with connected(f"unix://{path}?db=2") as connection:
            assert " db=2 " in str(await ask(connection, "CLIENT", "INFO"))


class TestTLS:
    async def test_with_an_authority_of_ones_own(
        self, redis_tls: Server, authority: Authority
    ) -> None:
        entry = {"address": redis_tls.url, "ssl_ca_certs": str(authority.authority)}
        async with connected(entry) as connection:
            assert await ask(connection, "PING") in (b"PONG", "PONG")

    async def test_without_any_check(self, redis_tls: Server) -> None:
        async with connected({"address": redis_tls.url, "ssl_cert_reqs": None}) as connection:
            assert await ask(connection, "PING") in (b"PONG", "PONG")

    async def test_as_a_dict_with_ssl(self, redis_tls: Server) -> None:
        entry = {
            "host": "127.0.0.1",
            "port": redis_tls.port,
            "ssl": True,
            "ssl_cert_reqs": "none",
        }
        async with connected(entry) as connection:
            assert await ask(connection, "PING") in (b"PONG", "PONG")

    async def test_a_stranger_is_refused(self, redis_tls: Server) -> None:
        with pytest.raises(RedisConnectionError, match="CERTIFICATE"):
            await parse(redis_tls.url).connect()


def strangers(server: Server) -> list[Any]:
    return [client for client in server.clients() if client["name"] != "admin"]


async def test_a_wrong_password_is_an_error_that_does_not_show_it() -> None:
    with redis_server("redis", password="right") as server:
        async with connected(server.url) as connection:
            assert await ask(connection, "PING") in (b"PONG", "PONG")
        with pytest.raises(AuthenticationError) as raised:
            await parse(f"redis://:guess-me@127.0.0.1:{server.port}").connect()
        assert "guess-me" not in str(raised.value)
        with pytest.raises(AuthenticationError):
            await parse(("127.0.0.1", server.port)).connect()
        await asyncio.to_thread(wait_until, lambda: not strangers(server), 10, server.clients)


async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(RedisConnectionError):
        await parse(("127.0.0.1", port)).connect()


@contextmanager
def silent_server() -> Iterator[tuple[int, list[socket.socket], threading.Event]]:
    """Accepts one connection, reads and says nothing. The event is set when the client is gone."""
    accepted: list[socket.socket] = []
    heard = threading.Event()
    gone = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        accepted.append(connection)
        try:
            while connection.recv(4096):
                heard.set()
        except OSError:
            pass
        gone.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], heard, gone
        finally:
            for connection in accepted:
                connection.close()
            thread.join(10)


async def test_a_server_that_says_nothing_is_given_up() -> None:
    with silent_server() as (port, _, gone):
        with pytest.raises(RedisTimeoutError):
            await parse(
                {"host": "127.0.0.1", "port": port, "socket_connect_timeout": 0.2}
            ).connect()
        assert await asyncio.to_thread(gone.wait, 10)


@pytest.mark.timeout(20)
async def test_cancelled_it_leaves_nothing_open() -> None:
    with silent_server() as (port, heard, gone):
        host = parse({"host": "127.0.0.1", "port": port, "socket_connect_timeout": 60})
        connecting = asyncio.create_task(host.connect())
        # In the moment in which the driver has written: where its wait_for() loses a cancellation.
        while not heard.is_set():
            await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert await asyncio.to_thread(gone.wait, 10)


class TestSentinel:
    @staticmethod
    def entry(sentinels: SentinelSet, **more: Any) -> dict[str, Any]:
        (entry,) = sentinels.hosts
        return {**entry, **more}

    async def test_it_connects_to_the_master(self, redis_sentinel: SentinelSet) -> None:
        host = parse(self.entry(redis_sentinel))
        assert await host.address() == ("127.0.0.1", redis_sentinel.master.port)
        async with connected(self.entry(redis_sentinel)) as connection:
            role = await ask(connection, "ROLE")
            assert role[0] in (b"master", "master")

    async def test_sentinels_that_are_gone_do_not_matter(self, redis_sentinel: SentinelSet) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            gone = free.getsockname()
        entry = self.entry(redis_sentinel)
        entry["sentinels"] = [gone, *entry["sentinels"][:1]]
        assert await parse(entry).address() == ("127.0.0.1", redis_sentinel.master.port)

    async def test_a_master_that_nobody_knows(self, redis_sentinel: SentinelSet) -> None:
        entry = {**self.entry(redis_sentinel), "master_name": "nobody"}
        with pytest.raises(RedisConnectionError, match="No Sentinel knows a master 'nobody'"):
            await parse(entry).connect()

    async def test_no_sentinel_answers(self) -> None:
        with silent_server() as (port, _, gone):
            entry = {
                "sentinels": [("127.0.0.1", port)],
                "master_name": "m",
                "sentinel_kwargs": {"socket_connect_timeout": 0.2},
            }
            with pytest.raises(RedisConnectionError, match=f"127.0.0.1:{port}: "):
                await parse(entry).connect()
            assert await asyncio.to_thread(gone.wait, 10)

    async def test_any_sentinel_that_is_there_will_do(self, redis_sentinel: SentinelSet) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            gone = free.getsockname()
        entry = self.entry(redis_sentinel)
        there = entry["sentinels"][1]
        for sentinels in ([gone, there], [there, gone]):
            connection: Any = await parse({**entry, "sentinels": sentinels}).connect_to_sentinel()
            assert connection.port == there[1]
            await connection.disconnect()
        with pytest.raises(RedisConnectionError, match="No Sentinel answers"):
            await parse({**entry, "sentinels": [gone]}).connect_to_sentinel()

    async def test_a_sentinel_that_wants_a_password(self) -> None:
        with SentinelSet("redis", password="sesame") as sentinels:
            entry = self.entry(sentinels)
            async with connected(entry) as connection:
                assert (await ask(connection, "ROLE"))[0] in (b"master", "master")
            del entry["sentinel_kwargs"]
            with pytest.raises(RedisConnectionError, match="Authentication required"):
                await parse(entry).connect()
            with pytest.raises(RedisConnectionError, match="Authentication required"):
                await parse(entry).connect_to_sentinel()

    async def test_after_a_failover_it_is_the_new_master(self) -> None:
        with SentinelSet("redis") as sentinels:
            host = parse(self.entry(sentinels))
            old = await host.address()
            await asyncio.to_thread(sentinels.fail_over)
            new = await host.address()
            assert new != old
            assert new == ("127.0.0.1", sentinels.master.port)
            connection = await host.connect()
            assert (await ask(connection, "ROLE"))[0] in (b"master", "master")
            await connection.disconnect()


class Fake:
    """A Sentinel, or a server, that gives the answers it is told to; RESP2."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers = answers
        self.port = 0
        self.serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Fake":
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*self.serving)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readline():
                words = []
                for _ in range(int(head[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:-2].decode())
                writer.write(self.answers.get(words[0].upper(), b"+OK\r\n"))
        finally:
            writer.close()


def bulk(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(
        b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words
    )


def state(port: int, epoch: int, flags: str = "master") -> dict[str, bytes]:
    fields = ("ip", "127.0.0.1", "port", str(port), "flags", flags, "config-epoch", str(epoch))
    return {"SENTINEL": bulk(*fields)}


async def test_the_sentinel_that_was_cut_off_is_not_believed() -> None:
    async with Fake(state(1, 4)) as old, Fake(state(2, 5)) as new, Fake(state(1, 4)) as other:
        host = parse(
            {
                "sentinels": [("127.0.0.1", fake.port) for fake in (old, new, other)],
                "master_name": "m",
            }
        )
        assert await host.address() == ("127.0.0.1", 2)


@pytest.mark.parametrize("flags", ["master,o_down", "master,s_down", "slave"])
async def test_a_master_that_is_down_is_none(flags: str) -> None:
    async with Fake(state(1, 4, flags)) as sentinel:
        host = parse({"sentinels": [("127.0.0.1", sentinel.port)], "master_name": "m"})
        with pytest.raises(RedisConnectionError, match="is down"):
            await host.address()


async def test_an_answer_that_makes_no_sense_is_an_error_of_the_broker() -> None:
    async with Fake({"SENTINEL": bulk("ip", "x", "port")}) as sentinel:
        host = parse({"sentinels": [("127.0.0.1", sentinel.port)], "master_name": "m"})
        with pytest.raises(RedisError, match="No Sentinel knows"):
            await host.address()


async def test_a_server_that_is_a_replica_by_its_own_word_is_not_taken() -> None:
    async with (
        Fake({"ROLE": bulk("slave", "127.0.0.1")}) as server,
        Fake(state(server.port, 1)) as sentinel,
    ):
        host = parse(
            {"sentinels": [("127.0.0.1", sentinel.port)], "master_name": "m", "protocol": 2}
        )
        with pytest.raises(RedisConnectionError, match="no master"):
            await host.connect()


async def test_a_user_that_may_not_ask_for_the_role_is_let_in() -> None:
    async with (
        Fake({"ROLE": b"-NOPERM this user has no permissions\r\n"}) as server,
        Fake(state(server.port, 1)) as sentinel,
    ):
        host = parse(
            {"sentinels": [("127.0.0.1", sentinel.port)], "master_name": "m", "protocol": 2}
        )
        connection = await host.connect()
        assert connection.is_connected
        await connection.disconnect()
