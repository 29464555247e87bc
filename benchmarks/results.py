"""The JSON that a run leaves: what was measured, where, and the figures that follow from it."""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bars import judge
from benchmarks.figures import Round, Spread, cost, growth, rounds, speed
from benchmarks.scenarios import Scenario

FORMAT = 1

QUOTABLE_PAIRS = 10
QUOTABLE_SECONDS = 0.5

BUSY = 0.9
"""The share of a core from which on the load generator may be what limits the server."""

Results = dict[str, Any]
Samples = Mapping[str, Sequence[Mapping[str, Any]]]


def is_quotable(pairs: int, seconds: float, smoke: bool) -> bool:
    """Whether ratios of such a run may be quoted at all."""
    return not smoke and pairs >= QUOTABLE_PAIRS and seconds >= QUOTABLE_SECONDS


def begin(run: dict[str, Any], machine: dict[str, Any], started: str) -> Results:
    quotable = is_quotable(run["pairs"], run["seconds"], run["smoke"])
    return {
        "format": FORMAT,
        "started": started,
        "run": {**run, "quotable": quotable},
        "machine": machine,
        "versions": {},
        "scenarios": {},
        "bars": [],
    }


def add(
    results: Results,
    scenario: Scenario,
    loop: str,
    samples: Samples,
    versions: Mapping[str, Mapping[str, str]],
) -> list[str]:
    """Note the samples of a scenario on one loop; return what a reader has to be warned of."""
    for side, found in versions.items():
        results["versions"].setdefault(side, {}).update(found)
    entry = results["scenarios"].setdefault(
        scenario.name,
        {
            "title": scenario.title,
            "unit": scenario.unit,
            "judges": list(scenario.judges),
            "lanes": {lane.key: lane.options for lane in scenario.entries},
            "samples": {},
            "figures": {},
            "warnings": [],
        },
    )
    entry["samples"][loop] = {
        key: [_rounded(one) for one in taken] for key, taken in samples.items()
    }
    entry["figures"][loop] = figures(scenario.judges, samples)
    warnings = [f"{loop}: {warning}" for warning in _bottlenecks(samples)]
    entry["warnings"] += warnings
    results["bars"] = judge(results["scenarios"])
    return warnings


def figures(judges: Iterable[str], samples: Samples) -> dict[str, Any]:
    """For every lane and judge the cost of a unit, and how the lane compares: with the floor and
    with upstream (how many times as fast), and with the first variant of its own side (how many
    times the cost)."""
    return {key: {name: _lane_figures(samples, key, name) for name in judges} for key in samples}


def _lane_figures(samples: Samples, key: str, judge_name: str) -> dict[str, Any]:
    who, _, variant = key.partition("/")
    peers = {side: f"{side}/{variant}" if variant else side for side in ("floor", "upstream")}
    first = next(other for other in samples if other.partition("/")[0] == who)
    return {
        "cost": Spread.of([cost(one, judge_name) for one in samples[key]]).as_json(),
        "to_floor": _compare(speed, samples, key, peers["floor"], judge_name),
        "to_upstream": _compare(speed, samples, key, peers["upstream"], judge_name),
        "to_first": _compare(growth, samples, key, first, judge_name),
    }


def check_versions(results: Results) -> list[str]:
    """Packages that the sides have in different versions: their figures do not compare."""
    ours = results["versions"].get("ours", {})
    upstream = results["versions"].get("upstream", {})
    return [
        f"{name} is {ours[name]} beside ours and {upstream[name]} beside upstream"
        for name in sorted(ours.keys() & upstream.keys())
        if ours[name] != upstream[name]
    ]


def write(results: Results, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read(path: Path) -> Results:
    """Read what :func:`write` wrote.

    Raises:
        ValueError: it is something else.
    """
    results: Results = json.loads(path.read_text(encoding="utf-8"))
    if results.get("format") != FORMAT:
        raise ValueError(f"{path} is not a result of this benchmark (format {FORMAT}).")
    return results


def _compare(
    ratio: Callable[[Round, str, str, str], float],
    samples: Samples,
    key: str,
    peer: str,
    judge_name: str,
) -> dict[str, float | None] | None:
    if peer == key or peer not in samples:
        return None
    taken = rounds(samples, key, peer)
    return Spread.of([ratio(one, key, peer, judge_name) for one in taken]).as_json()


def _rounded(sample: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in sample.items()
    }


def _bottlenecks(samples: Samples) -> list[str]:
    warnings = []
    for key, taken in samples.items():
        busy = [one["load_cpu"] / one["wall"] for one in taken if "load_cpu" in one]
        if busy and statistics.median(busy) > BUSY:
            share = Spread.of(busy).median
            warnings.append(
                f"the load generator was busy for {share:.0%} of the time with {key!r}: it was the "
                "bottleneck, and the wall clock of this lane says nothing about the server"
            )
    return warnings
