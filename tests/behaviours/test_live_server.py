"""ChannelsLiveServerTestCase under Django's own test runner, in processes of their own."""

from pathlib import Path

import pytest

from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.site.processes import django

CASES = "tests.behaviours.site.live"


def run_cases(name: str, tmp_path: Path) -> None:
    done = django(
        "test",
        f"{CASES}.{name}",
        "--noinput",
        SITE_DATABASE=str(tmp_path / "site.sqlite3"),
        SITE_TEST_DATABASE=str(tmp_path / "test.sqlite3"),
    )
    assert done.returncode == 0, done.stderr


@behaviour("Live server: live_server_url, live_server_ws_url, host, _port")
def test_urls(tmp_path: Path) -> None:
    run_cases("LiveTests.test_urls", tmp_path)


@behaviour("Live server: serves HTTP and WebSocket, static files, and sees the test's rows")
@pytest.mark.parametrize("case", ["http", "websocket", "static_files", "database"])
def test_serves(case: str, tmp_path: Path) -> None:
    run_cases(f"LiveTests.test_{case}", tmp_path)


@behaviour("Live server: _server_process has ready, port.value, is_alive, terminate and join")
def test_internals(tmp_path: Path) -> None:
    run_cases("LiveTests.test_internals", tmp_path)


@behaviour("Live server: serve_static = False serves no static files")
def test_without_static(tmp_path: Path) -> None:
    run_cases("WithoutStaticTests", tmp_path)


@behaviour("Live server: ProtocolServerProcess(host, get_application, setup=...) makes others")
def test_more_servers(tmp_path: Path) -> None:
    run_cases("OwnServerTests", tmp_path)


@behaviour("Live server: a database in memory")
@differs(upstream="is refused: ImproperlyConfigured", ours="works, the server being a thread")
def test_in_memory() -> None:
    done = django("test", f"{CASES}.LiveTests.test_database", "--noinput")
    assert (done.returncode == 0) is expected(upstream=False, ours=True), done.stderr
    if done.returncode:
        assert "can not be used with in memory databases" in done.stderr
