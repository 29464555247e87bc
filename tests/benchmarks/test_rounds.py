"""Lanes take turns, and their processes end whatever happens."""

from typing import Any

import pytest
from benchmarks.rounds import order, run
from benchmarks.scenarios import Entry, Scenario


class FakeLane:
    """Writes down what it is asked for."""

    def __init__(self, log: list[str], contender: str, loop: str, *, breaks: bool = False) -> None:
        self._log = log
        self._name = contender
        self._breaks = breaks
        self.versions = {"Python": loop}

    def begin(self) -> None:
        self._log.append(f"begin {self._name}")

    def ready(self) -> None:
        self._log.append(f"ready {self._name}")

    def warm_up(self, seconds: float) -> None:
        self._log.append(f"warm {self._name} {seconds}")

    def slice(self, seconds: float) -> dict[str, Any]:
        if self._breaks:
            raise RuntimeError("broken")
        self._log.append(f"slice {self._name} {seconds}")
        return {"count": 1, "wall": seconds}

    def stop(self) -> None:
        self._log.append(f"stop {self._name}")


def measure(log: Any, *entries: Entry, pairs: int) -> Any:
    scenario = Scenario("fake", "fake", "unit", ("wall",), FakeLane, entries)
    return run(scenario, "a loop", log, pairs=pairs, seconds=0.5, tell=lambda _: None)


def test_all_are_ready_before_the_first_slice() -> None:
    log: list[str] = []
    samples, versions = measure(log, Entry("ours"), Entry("floor"), pairs=2)
    assert log == [
        "begin ours",
        "begin floor",
        "ready ours",
        "ready floor",
        "warm ours 0.25",
        "warm floor 0.25",
        "slice ours 0.5",
        "slice floor 0.5",
        "slice floor 0.5",
        "slice ours 0.5",
        "stop floor",
        "stop ours",
    ]
    assert [len(taken) for taken in samples.values()] == [2, 2]
    assert versions == {"ours": {"Python": "a loop"}, "floor": {"Python": "a loop"}}


def test_a_lane_with_a_limit_joins_the_first_rounds_without_warming_up() -> None:
    log: list[str] = []
    samples, _ = measure(log, Entry("ours"), Entry("upstream", rounds=1), pairs=3)
    assert {key: len(taken) for key, taken in samples.items()} == {"ours": 3, "upstream": 1}
    assert not any(line.startswith("warm upstream") for line in log)


def test_every_lane_is_stopped_when_one_fails() -> None:
    log: list[str] = []
    with pytest.raises(RuntimeError, match="broken"):
        measure(log, Entry("ours"), Entry("floor", {"breaks": True}), pairs=1)
    assert log[-2:] == ["stop floor", "stop ours"]


def test_the_order_favours_nobody() -> None:
    orders = [order(["a", "b", "c"], number) for number in range(6)]
    assert orders[0] == ["a", "b", "c"]
    assert orders[1] == ["c", "b", "a"]
    assert orders[2] == ["b", "c", "a"]
    # After six rounds everybody has been first twice and last twice.
    assert sorted(one[0] for one in orders) == ["a", "a", "b", "b", "c", "c"]
    assert sorted(one[-1] for one in orders) == ["a", "a", "b", "b", "c", "c"]


def test_the_contender_is_read_from_the_key() -> None:
    keys = ["ours", "ours-frame", "ours-frame/one slow", "upstream/10 others", "floor"]
    assert [Entry(key).contender for key in keys] == ["ours", "ours", "ours", "upstream", "floor"]
