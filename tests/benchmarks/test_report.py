"""The documentation's table and plot follow from the committed results."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from benchmarks.bars import BARS
from benchmarks.plot import LEFT, WIDTH, plot, position
from benchmarks.scenarios import FULL, catalogue

from benchmarks import report, results

SVG = "{http://www.w3.org/2000/svg}"


def committed() -> results.Results | None:
    path = report.DOCS / report.RESULTS
    return results.read(path) if path.exists() else None


@pytest.fixture
def found() -> results.Results:
    """A result with one scenario: invented numbers, for the form alone."""
    run = {"pairs": 10, "seconds": 0.5, "smoke": False, "loops": ["asyncio"], "pinned": [0, 1]}
    machine = {
        "processor": "a processor",
        "cores": [0, 1],
        "memory_gib": 8,
        "system": "Linux 6",
        "architecture": "x86_64",
        "load_average": 0.1,
        "commit": "abc",
    }
    made = results.begin(run, machine, "2026-01-01")
    walls = {"ours": 2.0, "upstream": 20.0, "floor": 1.0}
    made["scenarios"]["echo"] = {
        "title": "an <echo> of two",
        "unit": "round trip",
        "judges": ["wall"],
        "lanes": {key: {} for key in walls},
        "samples": {"asyncio": {k: [{"count": 1, "wall": w}] * 10 for k, w in walls.items()}},
        "figures": {},
        "warnings": [],
    }
    entry = made["scenarios"]["echo"]
    entry["figures"]["asyncio"] = results.figures(["wall"], entry["samples"]["asyncio"])
    return made


def test_the_committed_table_is_the_one_of_the_committed_results() -> None:
    table = (report.DOCS / report.TABLE).read_text(encoding="utf-8")
    assert table == report.table(committed()), "run: make bench-docs"


def test_the_committed_plot_is_the_one_of_the_committed_results() -> None:
    path, found = report.DOCS / report.PLOT, committed()
    assert path.exists() == (found is not None)
    if found is not None:
        assert path.read_text(encoding="utf-8") == plot(found), "run: make bench-docs"


def test_committed_results_may_be_quoted() -> None:
    found = committed()
    if found is not None:
        report.require_quotable(found)


def test_without_results_the_bars_stand_alone() -> None:
    table = report.table(None)
    assert "No full run" in table
    assert table.count("| not measured | not measured |") == len(BARS)
    assert "bench.svg" not in table


def test_the_table_shows_ratios(found: results.Results) -> None:
    table = report.table(found)
    row = "| async echo in-process | 0.75 of bare ASGI | 0.500, **not met** | not measured |"
    assert row in table
    assert "| an <echo> of two | Raceway | wall | 0.500 | 10.0 | – | – |" in table
    assert "|  | Channels | wall | 0.0500 | – | – | – |" in table
    assert "| processor | a processor, 2 cores |" in table


def test_the_plot_has_a_mark_for_each_lane(found: results.Results) -> None:
    root = ET.fromstring(plot(found))
    tips = [mark.findtext(f"{SVG}title") for mark in root.iter(f"{SVG}circle")]
    assert [tip for tip in tips if tip] == [
        "Raceway: 0.5 of bare ASGI",
        "Channels: 0.05 of bare ASGI",
    ]
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "an <echo> of two" in texts
    assert "asyncio" in texts
    assert "uvloop" not in texts


def test_the_axis_is_logarithmic_and_ends() -> None:
    one, tenth, hundredth = position(1), position(0.1), position(0.01)
    assert one - tenth == pytest.approx(tenth - hundredth)
    assert position(0) == position(1e-9) == LEFT
    assert one < position(50) <= WIDTH


def write(path: Path, found: Any) -> str:
    path.write_text(json.dumps(found))
    return str(path)


def test_results_go_into_the_documentation(
    found: results.Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "docs"
    (docs / "explanation").mkdir(parents=True)
    monkeypatch.setattr(report, "DOCS", docs)
    assert report.main([write(tmp_path / "run.json", found)]) == 0
    assert (docs / report.TABLE).read_text() == report.table(found)
    assert (docs / report.PLOT).read_text() == plot(found)
    assert results.read(docs / report.RESULTS)["bars"][0]["value"]["median"] == 0.5
    assert report.main(["--none"]) == 0
    assert (docs / report.TABLE).read_text() == report.table(None)
    assert list((docs / "_static").iterdir()) == []


def test_a_run_that_may_not_be_quoted_is_refused(
    found: results.Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found["run"]["quotable"] = False
    assert report.main([write(tmp_path / "run.json", found)]) == 1
    assert "the documentation quotes runs with at least 10 of 0.5 s" in capsys.readouterr().err


def test_no_results_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err


def test_every_lane_has_a_name() -> None:
    keys = {entry.key for scenario in catalogue(FULL) for entry in scenario.entries}
    assert {key.partition("/")[0] for key in keys} - {"floor"} == set(report.NAMES)
