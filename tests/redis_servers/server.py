"""One server process and what may happen to it."""

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.redis_servers.guard import guard
from tests.redis_servers.programs import Flavour, server_program, speaks_tls
from tests.redis_servers.tls import Authority

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 20.0
STOP_SECONDS = 20.0
# Another process may take a free port before the server does.
ATTEMPTS = 5


class ServerStartError(RuntimeError):
    """A server did not come up; the text has the end of its log."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_until(
    ready: Callable[[], bool], seconds: float, what: Callable[[], str], interval: float = 0.005
) -> None:
    """Ask ``ready`` until it is true; after ``seconds`` raise `TimeoutError` with ``what()``.

    A server that cannot be asked, because it is away or cut the connection, is not ready.
    """
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
            if ready():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what()}")
        time.sleep(interval)


class Server:
    """A Redis or Valkey server on a port and in a folder of its own, over all its lives.

    Every method blocks until what it says is so, and for less than :data:`START_SECONDS`; a test
    whose loop has to go on meanwhile calls it with ``asyncio.to_thread``.

    Args:
        flavour: which of the two.
        tls: the certificates with which it speaks TLS, and nothing else. A server that was built
            without TLS gets a relay in front, which dies and freezes with it.
        password: what clients must say.
        keeps_data: with an append-only file, so that a stop or a kill loses nothing that was
            answered.
        options: further configuration, ``{"maxmemory": "1mb"}``.
    """

    def __init__(
        self,
        flavour: Flavour = "redis",
        *,
        tls: Authority | None = None,
        password: str | None = None,
        keeps_data: bool = False,
        options: dict[str, str] | None = None,
    ) -> None:
        self.flavour: Flavour = flavour
        self.tls = tls
        self.password = password
        self.port = 0
        self.directory = Path(tempfile.mkdtemp(prefix=f"{flavour}-"))
        self._program = server_program(flavour)
        self._relayed = tls is not None and not speaks_tls(self._program)
        self._plain_port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._relay: subprocess.Popen[bytes] | None = None
        self._options = {
            "bind": "127.0.0.1",
            "save": "",
            "dir": str(self.directory),
            "logfile": str(self.log),
            "enable-debug-command": "local",
            "repl-diskless-sync-delay": "0",
            "shutdown-timeout": "0",
            "appendonly": "yes" if keeps_data else "no",
            # A reply means that it is in the file, whatever the signal that ends the server.
            "appendfsync": "always",
        }
        if password is not None:
            self._options |= {"requirepass": password, "masterauth": password}
        self._options |= options or {}

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def pid(self) -> int:
        """Its process; what was stopped has none."""
        assert self._process is not None, f"{self} does not run"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        """Where it is, with the password; ``rediss://`` where it speaks TLS."""
        scheme = "redis" if self.tls is None else "rediss"
        login = "" if self.password is None else f":{self.password}@"
        return f"{scheme}://{login}127.0.0.1:{self.port}/0"

    @property
    def masters(self) -> "list[Server]":
        """The servers that take commands, as :class:`SentinelSet` and :class:`Cluster` have it."""
        return [self]

    @property
    def hosts(self) -> list[Any]:
        """The setting for a layer on it."""
        if self.tls is None:
            return [self.url]
        return [{"address": self.url, "ssl_ca_certs": str(self.tls.authority)}]

    def __repr__(self) -> str:
        return f"<{self.flavour} on port {self.port} in {self.directory}>"

    # Its lives.

    def start(self) -> "Server":
        """Start it, on the port that it had, with the data that it kept."""
        assert not self.running, f"{self} runs already"
        for attempt in range(ATTEMPTS):
            first = self.port == 0
            if first:
                self._take_ports()
            try:
                self._launch()
            except ServerStartError:
                self._end(signal.SIGKILL)
                if not first or attempt == ATTEMPTS - 1 or not self._port_was_taken():
                    raise
                self.port = 0
            else:
                return self
        raise AssertionError

    def stop(self) -> None:
        """End it in good order: it writes what it has to write. Harmless where it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Let it do nothing until :meth:`thaw`; its connections stay, and take what fits."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """Kill it, whatever its state, and delete its files."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> "Server":
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *exc: object) -> None:
        self.remove()

    # What is asked of it.

    @contextmanager
    def admin(self, **options: Any) -> Iterator["redis.Redis"]:
        """A client with a connection of its own, named ``admin``."""
        options = {"client_name": "admin", "socket_timeout": 10, "protocol": 2, **options}
        client = redis.Redis(
            host="127.0.0.1",
            port=self.port,
            password=self.password,
            retry=None,
            single_connection_client=True,
            **self._tls_options(),
            **options,
        )
        try:
            yield client
        finally:
            client.close()

    def command(self, *args: str | int | bytes) -> Any:
        """Send one command and return the bare reply."""
        with self.admin() as client:
            client.response_callbacks.clear()
            return client.execute_command(*args)

    def kill_clients(self) -> int:
        """Cut every connection of a client, pub/sub included; returns how many.

        Not those of replicas and sentinels: they would take the server for down.
        """
        killed = 0
        with self.admin() as client:
            for each in client.client_list():
                served = each["flags"][0] not in "SM" and not each["name"].startswith("sentinel-")
                if served and each["name"] != "admin":
                    killed += int(client.execute_command("CLIENT", "KILL", "ID", each["id"]))
        return killed

    def clients(self) -> list[dict[str, str]]:
        """``CLIENT LIST`` without the connection that asks."""
        with self.admin() as client:
            return [c for c in client.client_list() if c["name"] != "admin"]

    def _tls_options(self) -> dict[str, Any]:
        return {} if self.tls is None else {"ssl": True, "ssl_ca_certs": str(self.tls.authority)}

    # How it is done.

    def _take_ports(self) -> None:
        self.port = free_port()
        self._plain_port = free_port() if self._relayed else self.port

    def _command_line(self) -> list[str]:
        options = dict(self._options)
        if self.tls is None or self._relayed:
            options["port"] = str(self._plain_port)
        else:
            options |= {
                "port": "0",
                "tls-port": str(self.port),
                "tls-ca-cert-file": str(self.tls.authority),
                "tls-cert-file": str(self.tls.certificate),
                "tls-key-file": str(self.tls.key),
                "tls-auth-clients": "no",
                "tls-replication": "yes",
            }
        config = self.directory / "server.conf"
        # The server may have written into it what it has to know in its next life.
        if not config.exists():
            lines = (f'{name} "{value}"\n' for name, value in options.items())
            config.write_text("".join(lines) + self._further_lines())
        return [self._program, str(config), *self._arguments()]

    def _further_lines(self) -> str:
        """Lines of the configuration that are more than a name and a value."""
        return ""

    def _arguments(self) -> list[str]:
        return []

    def _launch(self) -> None:
        self._process = self._run(self._command_line())
        if self._relayed:
            assert self.tls is not None
            ports = [str(self.port), str(self._plain_port)]
            files = [str(self.tls.certificate), str(self.tls.key)]
            self._relay = self._run(
                [sys.executable, "-m", "tests.redis_servers.relay", *ports, *files]
            )
        try:
            wait_until(self._answers, START_SECONDS, self._end_of_log)
        except TimeoutError as exc:
            raise ServerStartError(f"{self} did not start: {exc}") from None

    def _run(self, command: list[str]) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A Ctrl-C is for the tests; they end their servers then.
            start_new_session=True,
        )
        guard.watch(process.pid)
        return process

    def _answers(self) -> bool:
        for process in (self._process, self._relay):
            if process is not None and process.poll() is not None:
                raise ServerStartError(f"{self} ended at once:\n{self._end_of_log()}")
        with self.admin() as client:
            # Raises BusyLoadingError, which is a ConnectionError, while it reads its data.
            return bool(client.ping())

    def _end_of_log(self) -> str:
        if not self.log.exists():
            return "(no log)"
        return "".join(self.log.read_text(errors="replace").splitlines(keepends=True)[-20:])

    def _port_was_taken(self) -> bool:
        if self._end_of_log().find("in use") >= 0:
            (self.directory / "server.conf").unlink()
            return True
        return False

    def _signal(self, number: signal.Signals) -> None:
        for process in (self._process, self._relay):
            if process is not None:
                process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        for process in (self._relay, self._process):
            if process is not None:
                # A frozen process would not hear it.
                process.send_signal(number)
                process.send_signal(signal.SIGCONT)
                try:
                    process.wait(STOP_SECONDS)
                finally:
                    process.kill()
                    process.wait()
                    guard.forget(process.pid)
        self._relay = self._process = None


@contextmanager
def redis_server(
    flavour: Flavour = "redis",
    *,
    tls: Authority | None = None,
    password: str | None = None,
    keeps_data: bool = False,
    options: dict[str, str] | None = None,
) -> Iterator[Server]:
    """A running server; see :class:`Server`."""
    with Server(
        flavour, tls=tls, password=password, keeps_data=keeps_data, options=options
    ) as server:
        yield server
