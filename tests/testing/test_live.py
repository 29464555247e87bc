"""The live server: in a thread here, in processes under Django's own runner."""

import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import override_settings
from django.utils.module_loading import import_string

from channels.testing import ChannelsLiveServerTestCase
from channels.testing import live as module
from channels.testing.live import LiveServerError, LiveServerProcess, LiveServerThread
from tests.testing.site import cases
from tests.testing.site.runner import ROOT, run_cases

SITE = {
    "ROOT_URLCONF": "tests.testing.site.urls",
    "ASGI_APPLICATION": "tests.testing.site.asgi.application",
    "STATICFILES_DIRS": [Path(cases.__file__).parent / "static"],
    "GREETING": "hello",
    "ALLOWED_HOSTS": [],
}


@override_settings(**SITE)
class TestThread(cases.ThreadTests):
    """The cases, in this process, with the database in memory."""

    @classmethod
    def tearDownClass(cls) -> None:
        assert "localhost" in settings.ALLOWED_HOSTS
        super().tearDownClass()
        assert not cls._server_process.is_alive()
        assert not connection.allow_thread_sharing
        assert not [t for t in threading.enumerate() if t.name.startswith("channels-live")]
        assert "localhost" not in settings.ALLOWED_HOSTS


@override_settings(**SITE)
class TestNoStatic(cases.NoStaticTests):
    pass


@override_settings(**SITE)
class TestUrls(ChannelsLiveServerTestCase):
    def test_of_the_instance_and_of_the_class(self) -> None:
        assert self.live_server_url == f"http://localhost:{self._port}"
        assert type(self).live_server_ws_url == f"ws://localhost:{self._port}"


def set_up(**attributes: object) -> type[ChannelsLiveServerTestCase]:
    """A test class whose ``setUpClass`` was called."""
    case = type("Case", (ChannelsLiveServerTestCase,), attributes)
    case.setUpClass()
    return case


@pytest.mark.django_db(transaction=True)
class TestFailingStart:
    @override_settings(**{**SITE, "ASGI_APPLICATION": "tests.testing.site.broken.application"})
    def test_the_servers_own_error_is_shown_and_nothing_is_left(self) -> None:
        with pytest.raises(LiveServerError) as caught:
            set_up()
        assert "this module is broken" in repr(caught.value.__cause__)
        assert repr(caught.value.__cause__) in str(caught.value)
        assert "localhost" not in settings.ALLOWED_HOSTS
        assert not connection.allow_thread_sharing
        assert not [t for t in threading.enumerate() if t.name.startswith("channels-live")]

    @override_settings(**SITE)
    def test_a_port_in_use_is_shown(self) -> None:
        first = set_up()
        try:
            with pytest.raises(LiveServerError) as caught:
                set_up(port=first._port)
            assert isinstance(caught.value.__cause__, OSError)
        finally:
            first.tearDownClass()

    @override_settings(**SITE)
    def test_a_process_refuses_a_database_in_memory(self) -> None:
        with pytest.raises(ImproperlyConfigured) as caught:
            set_up(ProtocolServerProcess=LiveServerProcess)
        assert "can not be used with in memory databases" in str(caught.value)
        assert "Use LiveServerThread" in caught.value.__notes__[0]


@override_settings(**SITE)
@pytest.mark.django_db(transaction=True)
def test_a_server_that_is_told_to_end_before_it_serves_ends() -> None:
    may_go_on = threading.Event()

    def get_application() -> object:
        assert may_go_on.wait(30)
        return module.make_application(static_wrapper=None)

    server = LiveServerThread("localhost", get_application)
    server.start()
    server.terminate()
    may_go_on.set()
    server.join(30)
    assert not server.is_alive()
    assert server.errors.empty()


START_METHODS = [
    # One of them, the one of every system, is enough for the quick run.
    method if method == "spawn" else pytest.param(method, marks=pytest.mark.slow)
    for method in multiprocessing.get_all_start_methods()
    # Python 3.12 began to warn of a fork beside threads, and warnings are errors here.
    if method != "fork" or sys.version_info < (3, 12)
]


@pytest.mark.parametrize("start_method", START_METHODS)
def test_in_a_process(start_method: str, tmp_path: Path) -> None:
    done = run_cases("ProcessTests", start_method=start_method, database=tmp_path / "db.sqlite3")
    assert_passed(done, 7)


def test_in_a_process_without_a_name_for_the_test_database(tmp_path: Path) -> None:
    # Django keeps the test database of SQLite in memory then, which another process cannot see.
    done = run_cases("ProcessTests", database=tmp_path / "db.sqlite3", test_name=False)
    assert done.returncode != 0
    assert "can not be used with in memory databases" in done.stderr


def test_a_process_that_fails_to_start_shows_its_error(tmp_path: Path) -> None:
    done = run_cases("BrokenProcessTests", database=tmp_path / "db.sqlite3")
    assert done.returncode != 0
    assert "Server stopped before it was ready" in done.stderr
    assert "this module is broken" in done.stderr


@pytest.mark.parametrize("in_memory", [True, False])
def test_in_a_thread_under_djangos_runner(in_memory: bool, tmp_path: Path) -> None:
    database = None if in_memory else tmp_path / "db.sqlite3"
    assert_passed(run_cases("ThreadTests", "NoStaticTests", database=database), 8)


def assert_passed(done: subprocess.CompletedProcess[str], count: int) -> None:
    assert done.returncode == 0, done.stderr
    assert f"Ran {count} tests" in done.stderr
    assert "OK" in done.stderr
    assert "Warning" not in done.stderr, done.stderr


def test_the_names_that_others_import() -> None:
    assert import_string("channels.testing.live.DaphneProcess") is LiveServerThread
    for name in ("make_application", "set_database_connection", "ChannelsLiveServerTestCase"):
        assert callable(import_string(f"channels.testing.live.{name}"))


def test_the_setup_of_a_process_changes_nothing_in_a_process_that_runs_tests() -> None:
    before = connection.settings_dict["NAME"]
    module.set_database_connection()
    assert connection.settings_dict["NAME"] == before


def test_channels_testing_needs_no_server() -> None:
    program = """
import sys
for name in ("uvicorn", "websockets"):
    sys.modules[name] = None
import channels.testing
assert "channels.testing.live" not in sys.modules
try:
    channels.testing.nothing
except AttributeError as error:
    assert "nothing" in str(error)
assert "channels.testing.live" not in sys.modules
assert "ChannelsLiveServerTestCase" in channels.testing.__all__
"""
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
