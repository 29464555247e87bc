"""What is measured: every scenario with its lanes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.event_loops import LOOPS
from benchmarks.lanes.base import Lane
from benchmarks.lanes.brokered import BrokeredLane
from benchmarks.lanes.in_process import InProcessLane
from benchmarks.lanes.places import Places
from benchmarks.lanes.served import IdleLane, ServedLane
from benchmarks.lanes.start_up import DemoLane, ImportLane

SIDES = ("ours", "upstream", "floor")

NO_LOOP = ("none",)
"""For what has no event loop."""


@dataclass(frozen=True)
class Sizes:
    """How many of everything. The names of scenarios and lanes tell the full sizes; a smoke run
    shrinks what they stand for."""

    small_room: int = 100
    room: int = 1_000
    large_room: int = 10_000
    served_connections: int = 50
    served_room: int = 500
    idle_connections: int = 5_000
    others: tuple[int, int, int] = (10, 1_000, 50_000)
    growing_room: int = 100
    joined: tuple[int, int, int] = (1, 10, 100)
    neighbours: int = 50
    senders: int = 50


FULL = Sizes()
SMOKE = Sizes(
    small_room=3,
    room=5,
    large_room=10,
    served_connections=3,
    served_room=5,
    idle_connections=10,
    others=(1, 2, 5),
    growing_room=3,
    joined=(1, 2, 3),
    neighbours=3,
    senders=3,
)


TOO_SLOW = 2
"""Rounds of upstream where every member that got its message looks at thousands of channels: one
message takes it up to minutes, and against that no spread matters."""


@dataclass(frozen=True)
class Entry:
    """One lane of a scenario.

    Its key is the contender, after a dash what sets the lane apart (``-frame`` where the message is
    a finished frame, ``-stock`` where uvicorn has its own WebSocket protocol for Raceway and
    ``-own`` where it has Raceway's for the bare application, ``-core`` and
    ``-redis`` for a layer), and the variant after a slash: ``ours-frame/one slow``.

    Args:
        options: what the lane is made with.
        rounds: in how many rounds it takes part, and without warming up; ``None`` is all of them.
            For a lane whose single unit takes minutes.
    """

    key: str
    options: dict[str, Any] = field(default_factory=dict)
    rounds: int | None = None

    @property
    def contender(self) -> str:
        return self.key.partition("/")[0].partition("-")[0]


@dataclass(frozen=True)
class Scenario:
    """A comparison: lanes that take turns.

    Args:
        judges: which costs are compared: ``wall`` or ``cpu`` seconds a unit, ``bytes`` of memory a
            unit, ``p99`` or ``p99_time`` seconds, ``broker_cpu`` seconds of the Redis server. The
            first one decides, the others are shown beside it.
        unit: what is counted.
    """

    name: str
    title: str
    unit: str
    judges: tuple[str, ...]
    lane: Callable[..., Lane]
    entries: tuple[Entry, ...]
    loops: tuple[str, ...] = LOOPS

    def lanes(self, places: Places, loop: str) -> dict[str, Lane]:
        return {
            entry.key: self.lane(places, entry.contender, loop, **entry.options)
            for entry in self.entries
        }


def catalogue(sizes: Sizes) -> list[Scenario]:
    """Every scenario, in the order in which they run."""
    return [
        _echo("echo", "async echo, in-process"),
        _echo("json-echo", "JSON echo, in-process"),
        _echo("sync-echo", "sync echo, in-process"),
        _fanout("fanout-100", "fan-out to 100, in-process", sizes.small_room),
        _fanout("fanout-1000", "fan-out to 1,000, in-process", sizes.room),
        _fanout("fanout-10000", "fan-out to 10,000, in-process", sizes.large_room),
        Scenario(
            "served-echo",
            "echo behind uvicorn, 50 connections",
            "echo",
            ("cpu", "wall"),
            ServedLane,
            (
                *_each_side(path="echo", drive="echo", connections=sizes.served_connections),
                *(
                    Entry(
                        key,
                        {
                            "path": "echo",
                            "drive": "echo",
                            "connections": sizes.served_connections,
                            "own_protocol": own_protocol,
                        },
                    )
                    for key, own_protocol in (("ours-stock", False), ("floor-own", True))
                ),
            ),
        ),
        Scenario(
            "served-room",
            "room of 500 behind uvicorn, JSON",
            "frame received",
            ("cpu", "wall"),
            ServedLane,
            tuple(
                Entry(
                    key,
                    {
                        "path": path,
                        "drive": "room",
                        "connections": sizes.served_room,
                        "own_protocol": own_protocol,
                    },
                )
                for key, path, own_protocol in (
                    ("ours", "room", True),
                    ("ours-frame", "frame-room", True),
                    ("ours-stock", "room", False),
                    ("ours-stock-frame", "frame-room", False),
                    ("upstream", "room", False),
                    ("floor", "room", False),
                    ("floor-own", "room", True),
                )
            ),
        ),
        Scenario(
            "idle",
            "5,000 idle connections behind uvicorn",
            "connection",
            ("bytes", "cpu", "wall"),
            IdleLane,
            _each_side(path="echo", connections=sizes.idle_connections),
        ),
        _growth(sizes),
        _joins(sizes),
        Scenario(
            "import", "import of channels", "import", ("wall",), ImportLane, _apart(), NO_LOOP
        ),
        Scenario(
            "demo",
            "start of the example site",
            "start",
            ("wall",),
            DemoLane,
            (Entry("ours"), Entry("floor")),
            NO_LOOP,
        ),
        _slow_member(sizes),
        _neighbours(sizes),
        *_redis(sizes),
    ]


def _each_side(**options: Any) -> tuple[Entry, ...]:
    return tuple(Entry(side, options) for side in SIDES)


def _apart() -> tuple[Entry, ...]:
    """Ours and upstream, where a bare application has nothing to compare."""
    return (Entry("ours"), Entry("upstream"))


def _echo(name: str, title: str) -> Scenario:
    entries = _each_side(workload="echo", application=name)
    return Scenario(name, title, "round trip", ("wall",), InProcessLane, entries)


def _paths() -> Iterator[tuple[str, str]]:
    """The ways of a group message: which lane, which path."""
    yield "ours", "handler"
    yield "ours-frame", "frame"
    yield "upstream", "handler"
    yield "floor", "frame"


def _fanout(name: str, title: str, members: int) -> Scenario:
    entries = tuple(
        Entry(
            key,
            {"workload": "fanout", "path": path, "members": members},
            TOO_SLOW if key == "upstream" and members >= 10_000 else None,
        )
        for key, path in _paths()
    )
    return Scenario(name, title, "member reached", ("wall",), InProcessLane, entries)


def _slow_member(sizes: Sizes) -> Scenario:
    entries = tuple(
        Entry(
            f"{key}/{variant}",
            {"workload": "fanout", "path": path, "members": sizes.room, "slow": slow},
        )
        for key, path in _paths()
        for variant, slow in (("all quick", 0), ("one slow", 1))
    )
    title = "one slow member among 1,000, in-process"
    return Scenario("slow-member", title, "member reached", ("wall",), InProcessLane, entries)


def _growth(sizes: Sizes) -> Scenario:
    entries = tuple(
        Entry(
            f"{side}/{name} others",
            {
                "workload": "fanout",
                "path": "handler",
                "members": sizes.growing_room,
                "others": others,
            },
            TOO_SLOW if side == "upstream" and others >= 10_000 else None,
        )
        for side in ("ours", "upstream")
        for name, others in zip(("10", "1,000", "50,000"), sizes.others, strict=True)
    )
    title = "send to a group of 100 among other channels and groups"
    return Scenario("growth", title, "member reached", ("wall",), InProcessLane, entries)


def _joins(sizes: Sizes) -> Scenario:
    entries = tuple(
        Entry(f"{side}/{name}", {"workload": "joins", "groups": groups})
        for side in SIDES
        for name, groups in zip(("1 group", "10 groups", "100 groups"), sizes.joined, strict=True)
    )
    title = "a connection that joins groups and leaves"
    return Scenario("joins", title, "connection", ("wall",), InProcessLane, entries)


def _neighbours(sizes: Sizes) -> Scenario:
    variants = (
        ("alone", "sleeper", 0),
        ("50 sleeping", "sleeper", sizes.neighbours),
        ("50 computing", "computer", sizes.neighbours),
    )
    entries = tuple(
        Entry(
            f"{side}/{name}",
            {"workload": "neighbours", "application": application, "count": count},
        )
        for side in SIDES
        for name, application, count in variants
    )
    title = "p99 of an async echo beside sync consumers"
    return Scenario("neighbours", title, "round trip", ("p99", "p99_time"), InProcessLane, entries)


THROUGHPUT: tuple[str, ...] = ("wall", "cpu", "broker_cpu")
LATENCY: tuple[str, ...] = ("p99", "p50")


def _redis(sizes: Sizes) -> Iterator[Scenario]:
    """The Redis layer beside the two of channels_redis. ``upstream`` is the pub/sub one."""
    for name, title, tasks in (
        ("redis-sends-1", "Redis: sends of one task", 1),
        ("redis-sends-50", "Redis: sends of 50 tasks", sizes.senders),
    ):
        entries = _redis_layers(workload="sends", members=0, tasks=tasks)
        yield Scenario(name, title, "send", THROUGHPUT, BrokeredLane, entries)
    for name, title, judges, paced in (
        (
            "redis-deliveries",
            "Redis: to 100 members in another process",
            THROUGHPUT,
            False,
        ),
        (
            "redis-latency",
            "Redis: latency of 100 messages a second to 100 members",
            LATENCY,
            True,
        ),
    ):
        entries = _redis_layers(workload="publisher", members=sizes.small_room, paced=paced)
        yield Scenario(name, title, "member reached", judges, BrokeredLane, entries)
    yield Scenario(
        "redis-room",
        "room of 500 behind uvicorn, JSON, in memory and over Redis",
        "frame received",
        ("cpu", "wall"),
        ServedLane,
        tuple(
            Entry(
                key,
                {
                    "path": "room",
                    "drive": "room",
                    "connections": sizes.served_room,
                    "redis": key == "ours-redis",
                },
            )
            for key in ("ours", "ours-redis")
        ),
    )


def _redis_layers(**options: Any) -> tuple[Entry, ...]:
    return tuple(
        Entry(key, {"layer": layer, **options})
        for key, layer in (("ours", "redis"), ("upstream", "pubsub"), ("upstream-core", "core"))
    )
