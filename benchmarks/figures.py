"""From samples to figures: costs, ratios, medians and spread. Pure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Sample = Mapping[str, Any]
Round = Mapping[str, Sample]
"""One sample of every lane, taken one after the other."""


@dataclass(frozen=True)
class Spread:
    """The median of some values, between their quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(statistics.median(values), low, high)

    def as_json(self) -> dict[str, float | None]:
        """JSON knows no NaN: a figure that has no value is null."""
        return {name: _finite(value) for name, value in asdict(self).items()}


def cost(sample: Sample, judge: str) -> float:
    """What one unit cost: seconds or bytes."""
    value: float = sample[judge]
    return value if judge.startswith("p") else value / sample["count"]


def rounds(samples: Mapping[str, Sequence[Sample]], *keys: str) -> list[Round]:
    """The samples of these lanes, put together by the round in which they were taken.

    A lane that took part in the first rounds only is compared in those.
    """
    taken = zip(*(samples[key] for key in keys), strict=False)
    return [dict(zip(keys, together, strict=True)) for together in taken]


def speed(one: Round, of: str, to: str, judge: str) -> float:
    """How many times as fast as ``to`` the lane ``of`` was; memory: how many times as small."""
    return _divide(cost(one[to], judge), cost(one[of], judge))


def growth(one: Round, of: str, to: str, judge: str) -> float:
    """How many times the cost of ``to`` the lane ``of`` had."""
    return _divide(cost(one[of], judge), cost(one[to], judge))


def beyond(one: Round, of: str, to: str, floor: str, judge: str) -> float:
    """What ``of`` costs beyond the floor, as a share of what ``to`` costs beyond it."""
    bottom = cost(one[floor], judge)
    return _divide(cost(one[of], judge) - bottom, cost(one[to], judge) - bottom)


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _divide(value: float, by: float) -> float:
    # Memory of a handful of connections may not grow at all, or shrink.
    return value / by if by else float("nan")
