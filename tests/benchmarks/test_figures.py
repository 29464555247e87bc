"""Medians, spread and ratios of samples."""

import math

import pytest
from benchmarks.clocks import percentile, percentile_by_time
from benchmarks.figures import Spread, beyond, cost, growth, rounds, speed
from benchmarks.numbers import duration, short, with_spread


def sample(wall: float, count: int = 10, **more: float) -> dict[str, float]:
    return {"count": count, "wall": wall, "cpu": wall / 2, **more}


def test_spread_is_the_median_between_quartiles() -> None:
    assert Spread.of([5, 1, 3, 2, 4]) == Spread(3, 2, 4)
    assert Spread.of([7]) == Spread(7, 7, 7)


def test_a_value_that_json_has_no_form_for_is_null() -> None:
    assert Spread.of([math.nan]).as_json() == {"median": None, "low": None, "high": None}
    assert Spread.of([1 / 3]).as_json()["median"] == 0.333333


def test_cost_is_per_unit_but_a_percentile_is_one_already() -> None:
    one = sample(2.0, count=10, p99=0.3, p99_time=0.4, bytes=500)
    assert cost(one, "wall") == 0.2
    assert cost(one, "cpu") == 0.1
    assert cost(one, "bytes") == 50
    assert cost(one, "p99") == 0.3
    assert cost(one, "p99_time") == 0.4


def test_rounds_pair_what_was_taken_together() -> None:
    samples = {"a": [sample(1), sample(2), sample(3)], "b": [sample(10), sample(20)]}
    taken = rounds(samples, "a", "b")
    assert [(one["a"]["wall"], one["b"]["wall"]) for one in taken] == [(1, 10), (2, 20)]
    assert len(rounds(samples, "a")) == 3


def test_ratios_say_which_way_round_they_are() -> None:
    one = {"ours": sample(1), "upstream": sample(4), "floor": sample(0.5)}
    assert speed(one, "ours", "upstream", "wall") == 4  # four times as fast
    assert speed(one, "ours", "floor", "wall") == 0.5
    assert growth(one, "upstream", "ours", "wall") == 4  # four times the cost
    assert beyond(one, "ours", "upstream", "floor", "wall") == pytest.approx(0.5 / 3.5)


def test_division_by_nothing_is_no_number() -> None:
    one = {"ours": sample(1, bytes=0), "floor": sample(1, bytes=0)}
    assert math.isnan(speed(one, "ours", "floor", "bytes"))


def test_percentiles_count_or_weigh() -> None:
    took = [1.0] * 99 + [101.0]
    assert percentile(took, 0.99) == 1.0
    assert percentile(took, 0.995) == 101.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    # The one long round trip is half of the time.
    assert percentile_by_time(took, 0.99) == 101.0
    assert percentile_by_time(took, 0.4) == 1.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.0000512, "0.0000512"),
        (0.98765, "0.988"),
        (12.345, "12.3"),
        (123.4, "123"),
        (27543.0, "27,500"),
        (-0.0416, "-0.0416"),
    ],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert short(value) == text


def test_durations_choose_their_unit() -> None:
    assert [duration(value) for value in (2.5, 0.0025, 0.0000025, None)] == [
        "2.50 s",
        "2.50 ms",
        "2.50 µs",
        "–",
    ]


def test_a_spread_shows_its_quartiles() -> None:
    assert with_spread({"median": 2.0, "low": 1.0, "high": 3.0}, "ms") == "2.00 ms [1.00–3.00]"
    assert with_spread(None) == "–"
