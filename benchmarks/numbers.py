"""Numbers for people."""

import math
from collections.abc import Mapping

NOTHING = "–"


def short(value: float | None) -> str:
    """Three significant digits, thousands with a comma, never an exponent."""
    if value is None:
        return NOTHING
    if abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if value == 0:
        return "0"
    # As many decimals as three digits need, at most ten.
    decimals = min(2 - math.floor(math.log10(abs(value))), 10)
    return f"{value:.{decimals}f}"


def with_spread(spread: Mapping[str, float | None] | None, unit: str = "") -> str:
    """The median, and the quartiles behind it."""
    if spread is None or spread["median"] is None:
        return NOTHING
    tail = f" {unit}" if unit else ""
    return f"{short(spread['median'])}{tail} [{short(spread['low'])}–{short(spread['high'])}]"


def duration(seconds: float | None) -> str:
    """A duration in the unit that suits it."""
    if seconds is None:
        return NOTHING
    if seconds >= 1:
        return f"{short(seconds)} s"
    if seconds >= 1e-3:
        return f"{short(seconds * 1e3)} ms"
    return f"{short(seconds * 1e6)} µs"


def cost_of(spread: Mapping[str, float | None], judge: str) -> str:
    """A cost: a duration, or a size in KiB."""
    median = spread["median"]
    if judge == "bytes":
        return NOTHING if median is None else f"{short(median / 1024)} KiB"
    return duration(median)
