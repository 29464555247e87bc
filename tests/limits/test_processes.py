"""Closing from outside in several processes, which a broker joins."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.limits.servers import SITE, Site, goodbye, is_open, serving
from tests.redis_servers import Server

HERE = {"X-Forwarded-For": "8.8.8.8"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site") / "db.sqlite3"


@pytest.fixture(scope="module")
def sites(database: Path, redis7: Server) -> Iterator[tuple[Site, Site]]:
    with (
        serving(database, SITE_REDIS=redis7.url) as one,
        serving(database, SITE_REDIS=redis7.url) as two,
    ):
        yield one, two


@pytest.mark.parametrize("view", ["close", "close-async"])
def test_a_user_everywhere(sites: tuple[Site, Site], view: str) -> None:
    here, there = sites
    pk, cookie = here.sign_in("ada")
    _, other_cookie = here.sign_in("bob")
    with (
        here.connect("/async/", cookie, **HERE) as near,
        there.connect("/async/", cookie, **HERE) as far,
        there.connect("/sync/", cookie, **HERE) as far_sync,
        there.connect("/async/", other_cookie) as other,
    ):
        began = time.monotonic()
        here.get(f"/{view}/{pk}/4007/")
        reason = "closed by a view" if view == "close" else "closed by an async view"
        for websocket in (near, far, far_sync):
            assert goodbye(websocket) == (4007, reason)
        assert time.monotonic() - began < 1
        assert is_open(other)


@pytest.mark.parametrize("path", ["/async/", "/sync/"])
def test_a_channel_of_another_process(sites: tuple[Site, Site], path: str) -> None:
    here, there = sites
    with there.connect(path, **HERE) as one, there.connect(path, **HERE) as other:
        here.get(f"/close-one/{one.name}/")  # type: ignore[attr-defined]
        assert goodbye(one) == (4009, "you")
        assert is_open(other)


def test_logging_out_here_closes_there(sites: tuple[Site, Site]) -> None:
    here, there = sites
    _, cookie = here.sign_in("ada")
    _, other_cookie = here.sign_in("ada")
    with (
        there.connect("/async/", cookie, **HERE) as one,
        there.connect("/async/", other_cookie, **HERE) as other,
    ):
        began = time.monotonic()
        here.get("/out/", cookie)
        assert goodbye(one) == (4401, "signed out")
        assert time.monotonic() - began < 1
        assert is_open(other)


def test_from_a_script(sites: tuple[Site, Site], database: Path, redis7: Server) -> None:
    """A process that serves nothing: a management command, a task of a queue."""
    here, there = sites
    pk, cookie = here.sign_in("ada")
    with here.connect("/async/", cookie) as one, there.connect("/sync/", cookie) as two:
        script = (
            "import django; django.setup();"
            f"from channels.closing import close_user; close_user({pk}, 4010, 'by a script')"
        )
        subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            cwd=SITE,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "mysite.settings",
                "SITE_DATABASE": str(database),
                "SITE_REDIS": redis7.url,
            },
            check=True,
            timeout=60,
        )
        assert goodbye(one) == goodbye(two) == (4010, "by a script")


def test_one_membership_for_a_process(sites: tuple[Site, Site], redis7: Server) -> None:
    """However many users are connected: nothing is kept for each of them in the broker."""
    here, _ = sites
    with ExitStack() as stack:
        stack.enter_context(here.connect("/async/", here.sign_in("ada")[1], **HERE))
        before = subscriptions(redis7)
        for name in ("bob", "eve", "joe"):
            stack.enter_context(here.connect("/async/", here.sign_in(name)[1]))
        assert subscriptions(redis7) == before


def subscriptions(server: Server) -> int:
    channels = server.command("PUBSUB", "CHANNELS")
    shards = server.command("PUBSUB", "SHARDCHANNELS")
    return len(channels) + len(shards)


def test_after_the_broker_was_away(database: Path) -> None:
    from tests.redis_servers import redis_server

    with (
        redis_server("redis") as server,
        serving(database, SITE_REDIS=server.url) as here,
        serving(database, SITE_REDIS=server.url) as there,
    ):
        pk, cookie = here.sign_in("ada")
        with here.connect("/async/", cookie) as near, there.connect("/async/", cookie) as far:
            server.restart()
            deadline = time.monotonic() + 20
            while here.get(f"/close/{pk}/4007/").status_code != 200:
                assert time.monotonic() < deadline, here.process.text
            assert goodbye(near) == goodbye(far) == (4007, "closed by a view")
