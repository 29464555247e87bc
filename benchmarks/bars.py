"""The bars: which figures a release has to reach, and whether a run did. Nothing asserts them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import Round, Spread, beyond, cost, growth, rounds, speed


@dataclass(frozen=True)
class Bar:
    """One bound on one figure.

    Args:
        lanes: those that the figure is about.
        value: the figure in one round of them.
        bound: ``value`` is to be at least that, or at most where ``at_most`` is set.
        wording: the bound in words.
        unit: of the value; nothing for a ratio.
    """

    figure: str
    scenario: str
    wording: str
    bound: float
    lanes: tuple[str, ...]
    value: Callable[[Round], float]
    at_most: bool = False
    unit: str = ""

    def judge(self, spread: Spread) -> bool:
        return spread.median <= self.bound if self.at_most else spread.median >= self.bound


def _speed(
    figure: str, scenario: str, wording: str, bound: float, of: str, to: str, judge: str = "wall"
) -> Bar:
    return Bar(figure, scenario, wording, bound, (of, to), lambda one: speed(one, of, to, judge))


BARS = (
    _speed("async echo in-process", "echo", "0.75 of bare ASGI", 0.75, "ours", "floor"),
    _speed("JSON echo in-process", "json-echo", "0.6 of bare ASGI", 0.6, "ours", "floor"),
    _speed("sync echo in-process", "sync-echo", "1.8 × upstream", 1.8, "ours", "upstream"),
    _speed("sync echo in-process", "sync-echo", "0.6 of a bare hop", 0.6, "ours", "floor"),
    _speed("fan-out to 1,000, handler", "fanout-1000", "30 × upstream", 30, "ours", "upstream"),
    _speed(
        "fan-out to 1,000, `websocket.send`",
        "fanout-1000",
        "150 × upstream's handler path",
        150,
        "ours-frame",
        "upstream",
    ),
    _speed(
        "fan-out to 1,000, `websocket.send`",
        "fanout-1000",
        "0.07 of the floor loop",
        0.07,
        "ours-frame",
        "floor",
    ),
    _speed(
        "echo behind uvicorn, CPU",
        "served-echo",
        "0.85 of the bare application (0.9 aimed at)",
        0.85,
        "ours",
        "floor",
        "cpu",
    ),
    _speed(
        "room of 500 behind uvicorn, JSON handler, CPU",
        "served-room",
        "0.7 of the bare application",
        0.7,
        "ours",
        "floor",
        "cpu",
    ),
    _speed(
        "room of 500 behind uvicorn, `websocket.send`, CPU",
        "served-room",
        "0.9 of the bare application",
        0.9,
        "ours-frame",
        "floor",
        "cpu",
    ),
    Bar(
        "memory per idle connection, beyond the bare application's",
        "idle",
        "at most 0.6 of upstream's",
        0.6,
        ("ours", "upstream", "floor"),
        lambda one: beyond(one, "ours", "upstream", "floor", "bytes"),
        at_most=True,
    ),
    Bar(
        "cost of a send with 50,000 others",
        "growth",
        "at most 1.1 of its cost with 10",
        1.1,
        ("ours/50,000 others", "ours/10 others"),
        lambda one: growth(one, "ours/50,000 others", "ours/10 others", "wall"),
        at_most=True,
    ),
    Bar(
        "async echo p99 beside 50 sleeping sync consumers",
        "neighbours",
        "at most 10 × its p99 alone",
        10,
        ("ours/50 sleeping", "ours/alone"),
        lambda one: growth(one, "ours/50 sleeping", "ours/alone", "p99"),
        at_most=True,
    ),
    Bar(
        "async echo p99 beside 50 sleeping sync consumers",
        "neighbours",
        "under 5 ms",
        5,
        ("ours/50 sleeping",),
        lambda one: 1000 * cost(one["ours/50 sleeping"], "p99"),
        at_most=True,
        unit="ms",
    ),
    _speed(
        "Redis: sends of one task",
        "redis-sends-1",
        "0.7 of channels_redis' pub/sub layer",
        0.7,
        "ours",
        "upstream",
    ),
    _speed(
        "Redis: sends of 50 tasks",
        "redis-sends-50",
        "3 × channels_redis' pub/sub layer",
        3,
        "ours",
        "upstream",
    ),
    _speed(
        "Redis: deliveries to 100 members",
        "redis-deliveries",
        "1.5 × channels_redis' pub/sub layer",
        1.5,
        "ours",
        "upstream",
    ),
    _speed(
        "Redis: deliveries to 100 members",
        "redis-deliveries",
        "10 × channels_redis' core layer",
        10,
        "ours",
        "upstream-core",
    ),
    Bar(
        "Redis: the server's CPU for a delivery",
        "redis-deliveries",
        "at most that of channels_redis' core layer",
        1,
        ("ours", "upstream-core"),
        lambda one: growth(one, "ours", "upstream-core", "broker_cpu"),
        at_most=True,
    ),
    Bar(
        "Redis: p99 latency at 100 messages a second",
        "redis-latency",
        "at most that of channels_redis' pub/sub layer",
        1,
        ("ours", "upstream"),
        lambda one: growth(one, "ours", "upstream", "p99"),
        at_most=True,
    ),
    _speed(
        "Redis: room of 500 behind uvicorn, CPU",
        "redis-room",
        "0.7 of the room in memory",
        0.7,
        "ours-redis",
        "ours",
        "cpu",
    ),
)


def judge(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every bar on every loop that was measured; a bar without measurements stands there too."""
    judged: list[dict[str, Any]] = []
    for bar in BARS:
        loops: Mapping[str, Any] = results.get(bar.scenario, {}).get("samples", {})
        head: dict[str, Any] = {"figure": bar.figure, "scenario": bar.scenario, "bar": bar.wording}
        if not loops:
            judged.append({**head, "loop": None, "value": None, "unit": bar.unit, "met": None})
        for loop, samples in loops.items():
            spread = Spread.of([bar.value(one) for one in rounds(samples, *bar.lanes)])
            judged.append(
                {
                    **head,
                    "loop": loop,
                    "value": spread.as_json(),
                    "unit": bar.unit,
                    "met": bar.judge(spread),
                }
            )
    return judged
