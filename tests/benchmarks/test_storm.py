"""A deploy under a crowd that comes back: in tiny, and with the two thousand of the guide."""

import math
import resource
import sys
from pathlib import Path

import pytest
from benchmarks.storm.__main__ import table
from benchmarks.storm.restart import Outcome, deploy, upstream_python

pytestmark = pytest.mark.timeout(600)

CROWD = 2000


def assert_nobody_is_lost(outcome: Outcome) -> None:
    assert outcome.lost_for_good == 0
    assert outcome.dropped == 0
    assert outcome.close_frames >= outcome.clients
    assert outcome.disconnects == outcome.clients
    assert math.isfinite(outcome.all_back_after)


@pytest.mark.parametrize("rolling", [False, True])
async def test_everybody_is_told_and_comes_back(
    rolling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORM_DRAIN", "0.5")
    outcome = await deploy(Path(sys.executable), 20, rolling=rolling)
    assert_nobody_is_lost(outcome)
    assert outcome.status == 0
    assert outcome.close_frames == 20
    if rolling:
        assert outcome.denied == outcome.refused == 0
        assert outcome.longest_away < 5


@pytest.mark.slow
@pytest.mark.parametrize("rolling", [False, True])
async def test_two_thousand_beside_upstream(rolling: bool) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 3 * CROWD:
        pytest.skip(f"needs {3 * CROWD} open files: ulimit -n")
    columns = {"ours": await deploy(Path(sys.executable), CROWD, rolling=rolling)}
    if upstream_python().exists():
        columns["upstream"] = await deploy(upstream_python(), CROWD, rolling=rolling)
    print(table(columns))
    ours = columns["ours"]
    assert_nobody_is_lost(ours)
    assert ours.status == 0
    if rolling and "upstream" in columns:
        # What a drain is for: upstream's clients all come at once. See the table in the guide.
        assert ours.most_at_once < columns["upstream"].most_at_once


def test_the_table_has_a_row_for_everything() -> None:
    outcome = Outcome(
        clients=1, status=0, ended_after=1.0, all_back_after=math.inf, lost_for_good=1,
        close_frames=1, dropped=0, disconnects=1, refused=2, denied=3, most_at_once=4,
        median_away=0.5, longest_away=math.inf,
    )  # fmt: skip
    lines = table({"ours": outcome, "upstream": outcome}).splitlines()
    assert len(lines) == 13
    assert "everybody was back after (s)" in lines[3]
    assert lines[3].split()[-2:] == ["inf", "inf"]
