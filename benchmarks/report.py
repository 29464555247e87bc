"""``python -m benchmarks.report [RESULTS]``: results for the documentation.

Copies the results (the last run's, where none are named) to ``docs/_static/bench.json`` and writes
the table and the plot that follow from them.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import results as result_file
from benchmarks.bars import judge
from benchmarks.event_loops import LOOPS
from benchmarks.machine import ROOT
from benchmarks.numbers import NOTHING, short
from benchmarks.plot import plot
from benchmarks.session import LATEST
from benchmarks.terminal import JUDGES

DOCS = ROOT / "docs"
RESULTS = Path("_static") / "bench.json"
PLOT = Path("_static") / "bench.svg"
TABLE = Path("explanation") / "how-fast-table.md"

NOT_YET = """\
No full run has been recorded yet: the bars stand here without their figures. `make bench` measures
them."""
IMAGE = """\
```{image} ../_static/bench.svg
:alt: Speed of Raceway and of Channels as a share of bare ASGI, by scenario
:width: 100%
```"""
SPEEDS = """\
How many times as fast as the bare application, and as Channels; for memory, how many times as
small. Medians of {pairs} slices of {seconds} s each. Over Redis, Channels stands for the pub/sub
layer of channels_redis."""
GROWTHS = """\
Where a scenario has several cases: what a unit costs, as a multiple of its cost in the first
case."""

NAMES = {
    "ours": "Raceway",
    "ours-frame": "Raceway, `websocket.send`",
    "ours-stock": "Raceway, uvicorn's protocol",
    "ours-stock-frame": "Raceway, uvicorn's protocol, `websocket.send`",
    "ours-redis": "Raceway over Redis",
    "floor-own": "bare, Raceway's protocol",
    "upstream": "Channels",
    "upstream-core": "Channels, core layer",
}
PEERS = {"floor": "bare", "upstream": "Channels"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report",
        description="Put the results of a run into the documentation.",
    )
    parser.add_argument(
        "results",
        nargs="?",
        type=Path,
        default=LATEST,
        help="the JSON of a run (default: the last)",
    )
    parser.add_argument(
        "--none", action="store_true", help="take the results out; the bars stand alone"
    )
    options = parser.parse_args(arguments)
    if options.none:
        write(None)
        return 0
    try:
        results = result_file.read(options.results)
        require_quotable(results)
    except (OSError, ValueError) as error:
        print(f"benchmarks.report: {error}", file=sys.stderr)
        return 1
    # Judged anew: the bars may have moved since the run.
    results["bars"] = judge(results["scenarios"])
    write(results)
    return 0


def write(results: result_file.Results | None) -> None:
    """Put the results, the plot and the table into the documentation."""
    (DOCS / TABLE).write_text(table(results), encoding="utf-8")
    if results is None:
        (DOCS / RESULTS).unlink(missing_ok=True)
        (DOCS / PLOT).unlink(missing_ok=True)
    else:
        result_file.write(results, DOCS / RESULTS)
        (DOCS / PLOT).write_text(plot(results), encoding="utf-8")


def require_quotable(results: result_file.Results) -> None:
    """Refuse what nobody may quote.

    Raises:
        ValueError: the run was too short, or a smoke run.
    """
    if not results["run"]["quotable"]:
        run = results["run"]
        raise ValueError(
            f"this run took {run['pairs']} slices of {run['seconds']} s"
            f"{', and --smoke' if run['smoke'] else ''}; the documentation quotes runs with at "
            f"least {result_file.QUOTABLE_PAIRS} of {result_file.QUOTABLE_SECONDS} s (make bench)"
        )


def table(results: result_file.Results | None) -> str:
    """The part of the page that is made from results; without them it says so."""
    scenarios = results["scenarios"] if results else {}
    parts = ["<!-- Written by `make bench-docs`. Do not edit. -->"]
    if results is None:
        parts.append(NOT_YET)
    parts.append(_bars(judge(scenarios)))
    if results is not None:
        run = results["run"]
        parts += [
            IMAGE,
            "### Everything that was measured",
            SPEEDS.format(pairs=run["pairs"], seconds=run["seconds"]),
            _speeds(scenarios),
            GROWTHS,
            _growths(scenarios),
            "### Where",
            _where(results),
        ]
    return "\n\n".join(parts) + "\n"


def _bars(bars: list[dict[str, Any]]) -> str:
    found: dict[tuple[str, str], dict[str | None, dict[str, Any]]] = {}
    for bar in bars:
        found.setdefault((bar["figure"], bar["bar"]), {})[bar["loop"]] = bar
    lines = _head("figure", "bar", *LOOPS)
    for (figure, wording), loops in found.items():
        lines.append(_row(figure, wording, *(_verdict(loops.get(loop)) for loop in LOOPS)))
    return "\n".join(lines)


def _verdict(bar: Mapping[str, Any] | None) -> str:
    if bar is None:
        return "not measured"
    unit = f" {bar['unit']}" if bar["unit"] else ""
    return f"{short(bar['value']['median'])}{unit}, {'met' if bar['met'] else '**not met**'}"


def _speeds(scenarios: Mapping[str, Any]) -> str:
    lines = _head(
        "scenario",
        "",
        "",
        *(f"{loop}, × {peer}" for loop in LOOPS for peer in PEERS.values()),
    )
    rows = [
        (title, _name(key), JUDGES[judge_name], *cells)
        for title, key, judge_name, figures in _lanes(scenarios)
        if _any(cells := [_median(figures, loop, peer) for loop in LOOPS for peer in PEERS])
    ]
    return "\n".join([*lines, *_said_once(rows)])


def _growths(scenarios: Mapping[str, Any]) -> str:
    lines = _head("scenario", "", *LOOPS)
    rows = [
        (title, _name(key), *cells)
        for title, key, _, figures in _lanes(scenarios)
        if _any(cells := [_median(figures, loop, "first") for loop in LOOPS])
    ]
    return "\n".join([*lines, *_said_once(rows)])


def _any(cells: list[str]) -> bool:
    return any(cell != NOTHING for cell in cells)


def _said_once(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Rows of which only the first of a scenario bears its title."""
    before = ""
    for title, *cells in rows:
        yield _row("" if title == before else title, *cells)
        before = title


def _lanes(scenarios: Mapping[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Title, key, judge, and the figures by loop, of every lane but the floor's."""
    for scenario in scenarios.values():
        by_loop = scenario["figures"]
        for key in scenario["lanes"]:
            if key.partition("/")[0] != "floor":
                for judge_name in scenario["judges"]:
                    figures = {loop: lanes[key][judge_name] for loop, lanes in by_loop.items()}
                    yield scenario["title"], key, judge_name, figures


def _median(figures: Mapping[str, Any], loop: str, peer: str) -> str:
    # What has no event loop stands in the first column.
    figure = figures.get(loop) or (figures.get("none") if loop == LOOPS[0] else None)
    spread = figure[f"to_{peer}"] if figure else None
    return short(spread["median"]) if spread else NOTHING


def _name(key: str) -> str:
    who, _, variant = key.partition("/")
    return f"{NAMES[who]}, {variant}" if variant else NAMES[who]


def _where(results: result_file.Results) -> str:
    machine, run = results["machine"], results["run"]
    pinned = run["pinned"]
    pinning = f"{pinned[0]} and {pinned[1]}" if pinned else "not pinned"
    lines = _head("", "")
    lines += [
        _row("processor", f"{machine['processor']}, {len(machine['cores'])} cores"),
        _row("memory", f"{machine['memory_gib']} GiB"),
        _row("system", f"{machine['system']}, {machine['architecture']}"),
        _row("load average before the run", str(machine["load_average"])),
        _row("cores of server and load generator", pinning),
        _row("when", f"{results['started']}, commit {machine['commit']}"),
    ]
    for side in ("ours", "upstream"):
        found = results["versions"].get(side, {})
        versions = ", ".join(f"{name} {version}" for name, version in found.items())
        lines.append(_row(f"versions, {NAMES[side]}", versions))
    return "\n".join(lines)


def _head(*cells: str) -> list[str]:
    return [_row(*cells), "|" + "---|" * len(cells)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
