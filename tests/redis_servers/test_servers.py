"""The servers do what the tests of the layer and of its faults rely on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from redis.exceptions import AskError, MovedError

from tests.redis_servers import FLAVOURS, Authority, Cluster, Flavour, SentinelSet, redis_server
from tests.redis_servers.server import ROOT, Server, wait_until

each_flavour = pytest.mark.parametrize("flavour", FLAVOURS)


def is_gone(pid: int) -> bool:
    """Whether it has ended; one that nobody waited for yet counts as gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


class TestServer:
    @each_flavour
    def test_starts_fast_and_leaves_nothing(self, flavour: Flavour) -> None:
        began = time.monotonic()
        with redis_server(flavour) as server:
            # A third of a second where the machine has nothing else to do.
            assert time.monotonic() - began < 5
            assert server.command("SET", "key", "value") == b"OK"
            directory, pid = server.directory, server.pid
        assert not directory.exists()
        assert is_gone(pid)

    @each_flavour
    @pytest.mark.parametrize("end", [Server.stop, Server.kill])
    def test_keeps_its_data_and_its_port(
        self, flavour: Flavour, end: Callable[[Server], None]
    ) -> None:
        with redis_server(flavour, keeps_data=True) as server:
            port = server.port
            server.command("XADD", "log", "5-1", "field", "value")
            end(server)
            assert not server.running
            with pytest.raises(redis.ConnectionError):
                server.command("PING")
            server.start()
            assert server.port == port
            assert server.command("XRANGE", "log", "-", "+") == [[b"5-1", [b"field", b"value"]]]

    def test_without_data_it_starts_empty(self) -> None:
        with redis_server() as server:
            server.command("SET", "key", "value")
            server.restart()
            assert server.command("DBSIZE") == 0

    def test_frozen_it_says_nothing_until_it_thaws(self) -> None:
        with redis_server() as server, server.admin(socket_timeout=0.05) as client:
            client.set("key", "value")
            server.freeze()
            with pytest.raises(redis.TimeoutError):
                client.get("key")
            server.thaw()
            assert server.command("GET", "key") == b"value"

    def test_a_frozen_one_can_be_removed(self) -> None:
        with redis_server() as server:
            server.freeze()
            pid = server.pid
        assert is_gone(pid)

    def test_kills_every_connection(self) -> None:
        with redis_server() as server, redis.Redis(port=server.port, retry=None) as client:
            subscription = client.pubsub()
            subscription.subscribe("channel")
            assert subscription.get_message(timeout=5)["type"] == "subscribe"
            client.ping()
            assert len(server.clients()) == 2
            assert server.kill_clients() == 2
            with pytest.raises(redis.ConnectionError):
                subscription.get_message(timeout=5)
            subscription.close()

    @each_flavour
    def test_speaks_tls_only(self, flavour: Flavour, authority: Authority) -> None:
        with redis_server(flavour, tls=authority, password="secret") as server:
            trusting = redis.Redis.from_url(server.url, ssl_ca_certs=str(authority.authority))
            assert trusting.ping()
            trusting.close()
            with redis.Redis.from_url(server.url, retry=None) as doubting:
                with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
                    doubting.ping()
            plain = server.url.replace("rediss", "redis")
            with redis.Redis.from_url(plain, retry=None, socket_timeout=5) as client:
                with pytest.raises(redis.ConnectionError):
                    client.ping()

    def test_ends_with_the_process_that_started_it(self) -> None:
        script = (
            "from tests.redis_servers import Server\n"
            "server = Server().start()\n"
            "print(server.pid, server.directory, flush=True)\n"
            "input()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            pid, directory = process.stdout.readline().split()
            assert not is_gone(int(pid))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        wait_until(lambda: is_gone(int(pid)), 10, lambda: "the server is gone")
        for path in Path(directory.decode()).iterdir():
            path.unlink()
        Path(directory.decode()).rmdir()


class TestSentinel:
    @each_flavour
    def test_fails_over(self, flavour: Flavour) -> None:
        with SentinelSet(flavour, password="secret") as servers:
            old, new = servers.master, servers.replica
            old.command("SET", "key", "value")
            servers.wait_in_step()
            servers.fail_over()
            assert servers.master is new
            assert new.command("GET", "key") == b"value"

    def test_a_parted_replica_loses_what_was_answered(self) -> None:
        with SentinelSet() as servers:
            old = servers.master
            old.command("SET", "key", "kept")
            servers.wait_in_step()
            servers.part()
            old.command("SET", "key", "lost")
            old.kill()
            servers.wait_for_another_than(old)
            assert servers.master.command("GET", "key") == b"kept"


class TestCluster:
    @each_flavour
    def test_moves_a_slot_with_its_keys(self, flavour: Flavour) -> None:
        with Cluster(flavour) as cluster:
            slot = cluster.slot("{tag}")
            source = cluster.owner(slot)
            for number in range(250):
                source.command("SET", f"{{tag}}{number}", number)
            with cluster.moving_slot(slot) as move:
                assert move.keys(100) == 100
                where = f"^{slot} 127.0.0.1:{move.target.port}$"
                with pytest.raises(AskError, match=where):
                    source.command("GET", "{tag}new")
            assert cluster.owner(slot) is move.target is not source
            assert move.target.command("CLUSTER", "COUNTKEYSINSLOT", slot) == 250
            with pytest.raises(MovedError, match=where):
                source.command("GET", "{tag}0")
            # Every node knows where it is now, also after a life.
            source.restart()
            cluster.wait_until_ok()
            assert cluster.owner(slot) is move.target
