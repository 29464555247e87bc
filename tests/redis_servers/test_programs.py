"""Where the server programs come from, and what is said when they come from nowhere."""

import shutil
import stat
from pathlib import Path

import pytest

from tests.redis_servers import programs
from tests.redis_servers.programs import FLAVOURS, ServerNotFoundError, server_program, speaks_tls


def script(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def find(flavour: programs.Flavour) -> str:
    """Look for it anew, whatever was found before."""
    return server_program.__wrapped__(flavour)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_both_are_here(flavour: programs.Flavour) -> None:
    assert Path(server_program(flavour)).is_file()


def test_debians_redis_speaks_tls() -> None:
    assert speaks_tls(server_program("redis"))


def test_nothing_here_and_no_way_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerNotFoundError) as caught:
        find("redis")
    text = str(caught.value)
    assert "need redis-server 7 or newer" in text
    assert "on PATH: no redis-server" in text
    assert "apt-get: not here, or not root" in text
    assert "apt-get install redis-server" in text


def test_an_old_one_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script(tmp_path, "redis-server", "echo Redis server v=6.2.14 sha=0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ServerNotFoundError, match=r"redis-server: Redis server v=6\.2\.14"):
        find("redis")


def test_it_is_installed_where_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The lists of packages are fetched when the first attempt fails."""
    server = tmp_path / "redis-server"
    said = tmp_path / "said"
    new = f"printf '#!/bin/sh\\necho v=7.9.1\\n' > {server}; chmod +x {server}"
    script(
        tmp_path,
        "apt-get",
        f'echo "$@" >> {said}\n'
        f"if [ $1 = update ]; then exit 0; fi\n"
        f"if grep -q update {said}; then {new}; else exit 100; fi",
    )
    # Nothing on the PATH but what the false apt-get needs.
    for tool in ("chmod", "grep"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert find("redis") == str(server)
    assert said.read_text().splitlines() == [
        "install -y --no-install-recommends redis-server",
        "update",
        "install -y --no-install-recommends redis-server",
    ]
