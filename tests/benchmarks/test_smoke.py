"""Everything runs, in tiny, on both loops. Nothing here says how fast."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.bars import BARS
from benchmarks.event_loops import LOOPS
from benchmarks.machine import ROOT
from benchmarks.scenarios import NO_LOOP, SMOKE, Scenario, catalogue

from tests.redis_servers import server_program

pytestmark = pytest.mark.timeout(300)

UPSTREAM = ROOT / os.environ.get("BENCH_VENV", ".venv-bench") / "bin" / "python"
SCENARIOS = catalogue(SMOKE)


class Run:
    """The smoke run of this test session."""

    def __init__(self, folder: Path) -> None:
        path = folder / "smoke.json"
        command = [sys.executable, "-m", "benchmarks", "--smoke", "--output", str(path)]
        done = subprocess.run(
            [*command, "--upstream-python", str(UPSTREAM)],
            cwd=ROOT,
            env={**os.environ, "BENCH_REDIS": server_program("redis")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self.printed = done.stdout
        self.results: dict[str, Any] = json.loads(path.read_text(), parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("bench"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_lane_was_measured_on_every_loop(run: Run, scenario: Scenario) -> None:
    found = run.results["scenarios"][scenario.name]
    assert set(found["samples"]) == set(NO_LOOP if scenario.loops == NO_LOOP else LOOPS)
    for samples in found["samples"].values():
        assert list(samples) == [entry.key for entry in scenario.entries]
        for taken in samples.values():
            assert taken
            for sample in taken:
                assert sample["count"] > 0
                assert sample["wall"] > 0
                assert set(scenario.judges) - {"wall", "cpu"} <= set(sample)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_lane_has_its_figures(run: Run, scenario: Scenario) -> None:
    found = run.results["scenarios"][scenario.name]
    keys = {entry.key for entry in scenario.entries}
    for figures in found["figures"].values():
        assert set(figures) == keys
        for key, judged in figures.items():
            assert list(judged) == list(scenario.judges)
            variant = key.partition("/")[1] + key.partition("/")[2]
            for figure in judged.values():
                assert set(figure["cost"]) == {"median", "low", "high"}
                for peer in ("floor", "upstream"):
                    there = f"{peer}{variant}" in keys - {key}
                    assert (figure[f"to_{peer}"] is not None) == there


def test_every_bar_has_a_verdict_on_both_loops(run: Run) -> None:
    judged = [(bar["bar"], bar["scenario"], bar["loop"]) for bar in run.results["bars"]]
    assert sorted(judged) == sorted(
        (bar.wording, bar.scenario, loop) for bar in BARS for loop in LOOPS
    )
    assert {type(bar["met"]) for bar in run.results["bars"]} == {bool}


def test_the_run_says_where_it_happened(run: Run) -> None:
    versions = run.results["versions"]
    assert set(versions) == {"ours", "upstream", "floor"}
    assert "raceway" in versions["ours"]
    assert "channels" not in versions["ours"]
    assert versions["upstream"]["channels"] == "4.3.2"
    assert "raceway" not in versions["upstream"]
    for name in ("Python", "Django", "asgiref", "uvicorn", "websockets", "uvloop"):
        assert versions["ours"][name] == versions["upstream"][name]
    machine = run.results["machine"]
    assert machine["cores"]
    assert machine["processor"]
    assert " " in machine["system"]  # name and kernel


def test_a_smoke_run_is_not_to_be_quoted(run: Run) -> None:
    assert run.results["run"]["smoke"] is True
    assert run.results["run"]["quotable"] is False
    assert "this run is for trying out" in run.printed


def test_the_tables_are_printed(run: Run) -> None:
    for scenario in SCENARIOS:
        assert scenario.title in run.printed
    for bar in BARS:
        assert bar.wording in run.printed


def test_the_load_generator_says_what_it_used(run: Run) -> None:
    for name in ("served-echo", "served-room", "idle"):
        for samples in run.results["scenarios"][name]["samples"].values():
            for taken in samples.values():
                assert all(sample["load_cpu"] > 0 for sample in taken)
