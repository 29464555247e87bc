"""The plot: how much of the bare application's speed is left, on a logarithmic axis. SVG by hand,
because a plotting library would be the project's largest dependency for its smallest need."""

import math
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, NamedTuple

from benchmarks.event_loops import LOOPS

LEFT, RIGHT, WIDTH = 300, 24, 820
TOP, ROW, GAP = 92, 25, 52
DECADES = (-4, 0)
"""From 0.0001 of the bare application's speed to all of it."""

MARKS = {
    "ours": ("Raceway", "#1f6fb2"),
    "ours-frame": ("Raceway, websocket.send", "#2a9d6f"),
    "upstream": ("Channels", "#c2571a"),
}


HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
     aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="13">
<title id="title">Speed as a share of bare ASGI</title>
<desc id="desc">For each scenario the speed of Raceway and of Channels, relative to a bare ASGI
application in the same run. The numbers are in the tables of this page.</desc>
<rect width="{width}" height="{height}" rx="10" fill="#f7f9fc"/>
<text x="20" y="24" fill="#51647a">Speed as a share of bare ASGI in the same run: the median,
between the quartiles; logarithmic</text>"""


class Point(NamedTuple):
    """One mark: a median between its quartiles, as shares of the bare application's speed."""

    key: str
    median: float
    low: float
    high: float


def plot(results: Mapping[str, Any]) -> str:
    """An SVG with a panel for each event loop that was measured."""
    panels = [(loop, list(_rows(results["scenarios"], loop))) for loop in LOOPS]
    panels = [(loop, rows) for loop, rows in panels if rows]
    height = TOP + sum(len(rows) * ROW + GAP for _, rows in panels)
    parts = [HEAD.format(width=WIDTH, height=height), *_legend()]
    top = TOP
    for loop, rows in panels:
        parts += _panel(loop, rows, top)
        top += len(rows) * ROW + GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def position(share: float) -> float:
    """Where a share stands on the axis; what is off its ends stands at the end."""
    low, high = DECADES
    decades = math.log10(share) if share > 0 else low
    inside = min(max(decades, low), high + 0.15)
    return LEFT + (inside - low) / (high - low) * (WIDTH - LEFT - RIGHT - 30)


def _rows(scenarios: Mapping[str, Any], loop: str) -> Iterator[tuple[str, list[Point]]]:
    """The scenarios that have a bare application beside them and a single case."""
    for scenario in scenarios.values():
        judge = scenario["judges"][0]
        lanes = scenario["figures"].get(loop, {})
        points = [
            Point(key, spread["median"], spread["low"], spread["high"])
            for key, judged in lanes.items()
            if key in MARKS and (spread := judged[judge]["to_floor"]) and spread["median"]
        ]
        if points and judge != "bytes":
            yield scenario["title"], points


def _panel(loop: str, rows: list[tuple[str, list[Point]]], top: int) -> Iterator[str]:
    bottom = top + len(rows) * ROW
    yield f'<text x="20" y="{top - 8}" font-weight="600" fill="#1d2b3a">{loop}</text>'
    for decade in range(DECADES[0], DECADES[1] + 1):
        x = position(10.0**decade)
        colour = "#1d2b3a" if decade == 0 else "#d5deea"
        label = "bare ASGI" if decade == 0 else f"{10.0**decade:g}"
        yield f'<path d="M{x:.1f} {top}V{bottom}" stroke="{colour}"/>'
        yield (
            f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle" font-size="11" '
            f'fill="#51647a">{label}</text>'
        )
    for number, (title, points) in enumerate(rows):
        y = top + number * ROW + ROW / 2
        yield f'<text x="20" y="{y + 4:.1f}" fill="#1d2b3a">{escape(title)}</text>'
        for point in points:
            yield from _mark(point, y)


def _mark(point: Point, y: float) -> Iterator[str]:
    name, colour = MARKS[point.key]
    tip = escape(f"{name}: {point.median:.3g} of bare ASGI")
    yield (
        f'<path d="M{position(point.low):.1f} {y:.1f}H{position(point.high):.1f}" '
        f'stroke="{colour}" stroke-width="3" stroke-linecap="round" opacity="0.45"/>'
    )
    yield (
        f'<circle cx="{position(point.median):.1f}" cy="{y:.1f}" r="5" fill="{colour}">'
        f"<title>{tip}</title></circle>"
    )


def _legend() -> Iterator[str]:
    x = 20
    for name, colour in MARKS.values():
        yield f'<circle cx="{x + 5}" cy="48" r="5" fill="{colour}"/>'
        yield f'<text x="{x + 16}" y="52" fill="#1d2b3a">{escape(name)}</text>'
        x += 46 + 8 * len(name)
