"""When who is told."""

import math
import random
from itertools import pairwise

import pytest

from channels.draining.plan import LONGEST_GAP, Limits, moments, spread_over


def test_one_moment_in_each_equal_part() -> None:
    values = iter([0.0, 0.5, 0.99, 0.25])
    assert moments(4, 0.2, lambda: next(values)) == pytest.approx([0, 0.075, 0.1495, 0.1625])


def test_nobody_needs_no_moment() -> None:
    assert moments(0, 5, random.random) == []
    assert spread_over(0, 5) == 0


@pytest.mark.parametrize(
    ("count", "seconds", "over"),
    [(3, 5, 0.3), (50, 5, 5), (1000, 5, 5), (1000, 0, 0), (1, 0.01, 0.01)],
)
def test_few_clients_are_not_worth_the_whole_time(count: int, seconds: float, over: float) -> None:
    assert spread_over(count, seconds) == pytest.approx(over)
    assert max(moments(count, seconds, lambda: 0.999)) <= over
    assert over / count <= LONGEST_GAP


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_are_spread_evenly_and_never_in_step(seed: int) -> None:
    told = moments(1000, 5.0, random.Random(seed).random)
    assert told == sorted(told)
    for tenth in range(10):
        # Exactly a hundred, because each part of 5 ms has one.
        assert sum(tenth * 0.5 <= moment < (tenth + 1) * 0.5 for moment in told) == 100
    gaps = {round(later - earlier, 9) for earlier, later in pairwise(told)}
    assert len(gaps) > 900, "processes that end together must not beat the same time"


@pytest.mark.parametrize(
    ("seconds", "deadline", "limits"),
    [
        (5, 25, Limits(5, 23, 24, 24.75)),
        (5, 4, Limits(3, 3, 3.5, 3.875)),
        (0, 1, Limits(0, 0.75, 0.875, 0.96875)),
        (5, math.inf, Limits(5, math.inf, math.inf, math.inf)),
    ],
)
def test_what_has_to_be_over_by_when(seconds: float, deadline: float, limits: Limits) -> None:
    assert Limits.of(seconds, deadline) == limits
