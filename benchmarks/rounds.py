"""Takes turns: a slice of every lane, then again, in changing order."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.lanes.base import Sample
from benchmarks.lanes.places import Places
from benchmarks.scenarios import Scenario

Tell = Callable[[str], None]


def run(
    scenario: Scenario,
    loop: str,
    places: Places,
    *,
    pairs: int,
    seconds: float,
    tell: Tell,
) -> tuple[dict[str, list[Sample]], dict[str, dict[str, str]]]:
    """Measure one scenario on one loop.

    Returns the samples of each lane, in the order of the rounds, and the versions each side ran.
    Before the first round the lanes warm up, which does not count.
    """
    lanes = scenario.lanes(places, loop)
    samples: dict[str, list[Sample]] = {key: [] for key in lanes}
    with ExitStack() as cleanup:
        for lane in lanes.values():
            cleanup.callback(lane.stop)
        tell("starting")
        for lane in lanes.values():
            lane.begin()
        for key, lane in lanes.items():
            tell(f"preparing {key}")
            lane.ready()
        rounds = {entry.key: entry.rounds for entry in scenario.entries}
        for key, lane in lanes.items():
            if rounds[key] is None:
                tell(f"warming up {key}")
                lane.warm_up(seconds / 2)
        for number in range(pairs):
            tell(f"round {number + 1} of {pairs}")
            for key in order(list(lanes), number):
                limit = rounds[key]
                if limit is None or number < limit:
                    samples[key].append(lanes[key].slice(seconds))
        versions: dict[str, Any] = {
            entry.contender: lanes[entry.key].versions for entry in scenario.entries
        }
    return samples, versions


def order(keys: list[str], number: int) -> list[str]:
    """Another lane begins each round, and every second round goes backwards: a machine that gets
    slower or faster meanwhile favours none."""
    start = number // 2 % len(keys)
    turned = keys[start:] + keys[:start]
    return turned if number % 2 == 0 else turned[::-1]
