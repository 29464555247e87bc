"""What a run leaves, and what it warns of."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.scenarios import Entry, Scenario

from benchmarks import results

SCENARIO = Scenario(
    "fake",
    "a title",
    "unit",
    ("wall",),
    lambda *_: None,  # type: ignore[arg-type,return-value]
    (Entry("ours/a"), Entry("ours/b"), Entry("upstream/b"), Entry("floor/b")),
)


def sample(wall: float, **more: float) -> dict[str, Any]:
    return {"count": 1, "wall": wall, **more}


def begun(**run: Any) -> results.Results:
    return results.begin({"pairs": 10, "seconds": 0.5, "smoke": False, **run}, {}, "today")


SAMPLES = {
    "ours/a": [sample(1), sample(2)],
    "ours/b": [sample(2), sample(6)],
    "upstream/b": [sample(8)],
    "floor/b": [sample(1), sample(3)],
}


def test_a_lane_is_compared_with_its_own_variant_and_with_the_first_of_its_side() -> None:
    found = begun()
    results.add(found, SCENARIO, "asyncio", SAMPLES, {"ours": {"Django": "5.2"}})
    figures = found["scenarios"]["fake"]["figures"]["asyncio"]
    lane = figures["ours/b"]["wall"]
    assert lane["cost"]["median"] == 4
    assert lane["to_floor"]["median"] == 0.5
    assert lane["to_upstream"]["median"] == 4  # in the one round that both took part in
    assert lane["to_first"]["median"] == 2.5
    assert figures["ours/a"]["wall"] | {"cost": None} == dict.fromkeys(lane)
    assert figures["floor/b"]["wall"]["to_floor"] is None
    assert found["versions"] == {"ours": {"Django": "5.2"}}


@pytest.mark.parametrize(
    ("run", "quotable"),
    [
        ({}, True),
        ({"pairs": 9}, False),
        ({"seconds": 0.4}, False),
        ({"smoke": True}, False),
    ],
)
def test_what_may_be_quoted(run: dict[str, Any], quotable: bool) -> None:
    assert begun(**run)["run"]["quotable"] is quotable


def test_a_busy_load_generator_is_named() -> None:
    samples = {
        "ours/a": [sample(1, load_cpu=0.5), sample(1, load_cpu=0.6)],
        "ours/b": [sample(1, load_cpu=0.95), sample(1, load_cpu=0.97)],
        "upstream/b": [sample(1)],
        "floor/b": [sample(1)],
    }
    warnings = results.add(begun(), SCENARIO, "uvloop", samples, {})
    assert len(warnings) == 1
    assert "uvloop" in warnings[0]
    assert "96%" in warnings[0]
    assert "'ours/b'" in warnings[0]
    assert "bottleneck" in warnings[0]


def test_different_versions_are_named() -> None:
    found = begun()
    found["versions"] = {
        "ours": {"Django": "5.2", "uvicorn": "1", "raceway": "1"},
        "upstream": {"Django": "6.0", "uvicorn": "1", "channels": "4"},
    }
    assert results.check_versions(found) == ["Django is 5.2 beside ours and 6.0 beside upstream"]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    found = begun()
    results.add(found, SCENARIO, "asyncio", SAMPLES, {})
    path = tmp_path / "folder" / "bench.json"
    results.write(found, path)
    assert results.read(path) == found


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match=r"other\.json is not a result of this benchmark"):
        results.read(path)
