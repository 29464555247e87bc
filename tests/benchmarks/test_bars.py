"""The bars: judged by their medians, on every loop, and never asserted."""

from typing import Any

from benchmarks.bars import BARS, judge
from benchmarks.scenarios import FULL, catalogue


def results(scenario: str, loop: str, **walls: list[float]) -> dict[str, Any]:
    lanes = {
        key: [{"count": 1, "wall": wall, "cpu": wall, "bytes": wall, "p99": wall} for wall in taken]
        for key, taken in walls.items()
    }
    return {scenario: {"samples": {loop: lanes}}}


def verdicts(found: dict[str, Any], wording: str) -> list[tuple[str, float, bool]]:
    return [
        (bar["loop"], bar["value"]["median"], bar["met"])
        for bar in judge(found)
        if bar["bar"] == wording and bar["loop"]
    ]


def test_every_bar_is_about_lanes_that_are_measured_in_every_round() -> None:
    scenarios = {scenario.name: scenario for scenario in catalogue(FULL)}
    for bar in BARS:
        entries = {entry.key: entry for entry in scenarios[bar.scenario].entries}
        for key in bar.lanes:
            assert entries[key].rounds is None, (bar.figure, key)


def test_at_least() -> None:
    found = results("echo", "uvloop", ours=[1.0, 1.0, 9.0], floor=[0.75, 0.75, 1.0])
    assert verdicts(found, "0.75 of bare ASGI") == [("uvloop", 0.75, True)]
    found = results("echo", "uvloop", ours=[1.0, 1.0, 1.0], floor=[0.74, 0.74, 9.0])
    assert verdicts(found, "0.75 of bare ASGI") == [("uvloop", 0.74, False)]


def test_at_most() -> None:
    wording = "at most 0.6 of upstream's"
    # Beyond the bare application's 10: 6 of 10, then 7 of 10.
    found = results("idle", "asyncio", ours=[16.0], upstream=[20.0], floor=[10.0])
    assert verdicts(found, wording) == [("asyncio", 0.6, True)]
    found = results("idle", "asyncio", ours=[17.0], upstream=[20.0], floor=[10.0])
    assert verdicts(found, wording) == [("asyncio", 0.7, False)]


def test_a_bound_in_milliseconds() -> None:
    samples = {"ours/50 sleeping": [{"count": 9, "p99": 0.004}], "ours/alone": [{"p99": 0.001}]}
    found = {"neighbours": {"samples": {"asyncio": samples}}}
    assert verdicts(found, "under 5 ms") == [("asyncio", 4.0, True)]
    assert verdicts(found, "at most 10 × its p99 alone") == [("asyncio", 4.0, True)]


def test_what_was_not_measured_stands_there_too() -> None:
    judged = judge({})
    assert [bar["bar"] for bar in judged] == [bar.wording for bar in BARS]
    assert {bar["met"] for bar in judged} == {None}


def test_every_scenario_has_somebody_to_compare() -> None:
    for scenario in catalogue(FULL):
        keys = [entry.key for entry in scenario.entries]
        assert "ours" in {entry.contender for entry in scenario.entries}, scenario.name
        assert len(keys) == len(set(keys)) > 1, scenario.name
