"""The table on the terminal."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.numbers import cost_of, with_spread

JUDGES = {
    "wall": "wall",
    "cpu": "CPU",
    "bytes": "memory",
    "p99": "p99",
    "p99_time": "p99 by time",
    "p50": "p50",
    "broker_cpu": "Redis CPU",
}


def scenario_table(scenario: dict[str, Any], loop: str) -> str:
    """All lanes of one scenario on one loop."""
    rows = [("", "", "cost", "× floor", "× upstream", "cost × first")]
    for key, judged in scenario["figures"][loop].items():
        for number, (judge, figure) in enumerate(judged.items()):
            rows.append(
                (
                    "" if number else key,
                    JUDGES[judge],
                    cost_of(figure["cost"], judge),
                    with_spread(figure["to_floor"]),
                    with_spread(figure["to_upstream"]),
                    with_spread(figure["to_first"]),
                )
            )
    where = "" if loop == "none" else f" · {loop}"
    head = f"{scenario['title']}{where} · cost of one {scenario['unit']}"
    return "\n".join([head, *(f"  {line}" for line in aligned(rows))])


def bars_table(bars: Iterable[dict[str, Any]]) -> str:
    rows = [("figure", "bar", "loop", "value", "")]
    rows += [
        (
            bar["figure"].replace("`", ""),
            bar["bar"],
            bar["loop"] or "",
            with_spread(bar["value"], bar["unit"]),
            {True: "met", False: "NOT MET", None: "not measured"}[bar["met"]],
        )
        for bar in bars
    ]
    return "\n".join(aligned(rows))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width, two spaces apart."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
