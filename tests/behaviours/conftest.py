"""Collection rules of the behaviours suite, and the report of what differs."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import override_settings

import channels
from tests.behaviours.lines import SIDE, marks

HERE = Path(__file__).resolve().parent
MEMORY_LAYER = {
    "default": {
        "BACKEND": "channels.layers.InMemoryChannelLayer",
        "TEST_CONFIG": {"expiry": 100500},
    }
}
_differing = pytest.StashKey[dict[str, str]]()
_left_out = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_differing] = {}
    config.stash[_left_out] = {}
    for line in (
        "behaviour(line): the line of the behaviours list that the test proves",
        "differs(upstream, ours): the two implementations differ on purpose; both are checked",
        "only(side, because): the line has a meaning on one side alone",
    ):
        config.addinivalue_line("markers", line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept, left_out = [], []
    for item in items:
        if HERE not in item.path.parents:
            kept.append(item)
            continue
        found = marks(item)
        if "behaviour" not in found:
            raise pytest.UsageError(
                f"{item.nodeid} names no line: decorate it with @behaviour(...)"
            )
        line = found["behaviour"].args[0]
        if "only" in found and found["only"].args[0] != SIDE:
            config.stash[_left_out][line] = found["only"].kwargs["because"]
            left_out.append(item)
            continue
        if "differs" in found:
            words = found["differs"].kwargs
            config.stash[_differing][line] = f"upstream {words['upstream']}; ours {words['ours']}"
        kept.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    differing, left_out = config.stash[_differing], config.stash[_left_out]
    if not differing and not left_out:
        return
    write = terminalreporter.write_line
    terminalreporter.write_sep("-", f"behaviours on {SIDE} (channels {channels.__version__})")
    write(f"{len(differing)} lines differ from upstream on purpose; both sides are checked:")
    for line, words in sorted(differing.items()):
        write(f"  {line}: {words}")
    if left_out:
        write(f"{len(left_out)} lines have no meaning on this side and were left out:")
        for line, because in sorted(left_out.items()):
            write(f"  {line}: {because}")


@pytest.fixture(autouse=True)
def fresh_layer() -> Iterator[None]:
    """A new in-memory layer for every test, whatever settings the run started with."""
    with override_settings(CHANNEL_LAYERS=MEMORY_LAYER):
        yield


@pytest.fixture(autouse=True)
async def no_connection_left(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Close the database connection that a test opened in the thread of synchronous code.

    Upstream looks after the connections of that thread at every message, which pytest-django
    forbids in tests that name no database. In memory, `close()` of Django keeps it open.
    """
    yield
    if request.node.get_closest_marker("django_db"):
        await sync_to_async(_really_close)()


def _really_close() -> None:
    for connection in connections.all(initialized_only=True):
        BaseDatabaseWrapper.close(connection)
