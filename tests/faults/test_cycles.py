"""Nothing stays of connections that have gone, in the process or in the broker."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.cycles import EXPIRY
from tests.faults.places import FLAVOURS
from tests.faults.tables import tables
from tests.redis_servers import redis_server
from tests.redis_servers.server import wait_until

ROOT = Path(__file__).parents[2]


def run_cycles(warm: int, count: int, word: str) -> list[dict[str, object]]:
    """What a process held after so many cycles, and after so many more; the server forgets them."""
    with redis_server(FLAVOURS[word]) as server:
        command = [sys.executable, "-m", "tests.faults.cycles", json.dumps(server.hosts)]
        with subprocess.Popen(
            [*command, str(warm), str(count)],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            found: list[dict[str, object]] = json.loads(process.stdout.readline())
            # While it lives: its mail, and the group of all processes.
            wait_until(
                lambda: server.command("DBSIZE") <= 2,
                EXPIRY + 5,
                lambda: str(server.command("KEYS", "*")),
            )
            process.communicate("end\n", timeout=30)
        wait_until(
            lambda: server.command("DBSIZE") == 0,
            EXPIRY + 5,
            lambda: str(server.command("KEYS", "*")),
        )
    return found


def without_counters(found: dict[str, object]) -> dict[str, int]:
    """Tables but those with a line for each reason of a drop, of which there are five."""
    assert isinstance(found["tables"], dict)
    return {path: held for path, held in found["tables"].items() if ".drops." not in path}


def assert_nothing_stays(found: list[dict[str, object]], growth: float) -> None:
    before, after = found
    assert without_counters(after) == without_counters(before)
    assert after["tasks"] == before["tasks"] == 1
    assert after["threads"] == before["threads"]
    assert after["kilobytes"] < before["kilobytes"] * (1 + growth)  # type: ignore[operator]


def test_some_hundred_cycles() -> None:
    # Too few to judge the memory by.
    assert_nothing_stays(run_cycles(200, 300, "redis"), 0.5)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("word", FLAVOURS)
def test_twenty_thousand_cycles(word: str) -> None:
    assert_nothing_stays(run_cycles(3_000, 20_000, word), 0.05)


class TestTables:
    """A table that grows is seen."""

    def test_wherever_it_is(self) -> None:
        from channels.layers import InMemoryChannelLayer

        layer = InMemoryChannelLayer()
        before = tables(layer)
        layer.groups.setdefault("group", {})["channel"] = 1.0
        after = tables(layer)
        grown = {path for path in after if after[path] != before.get(path, 0)}
        assert any("groups" in path for path in grown)
