"""One timer for many."""

import asyncio
import gc
import weakref
from typing import Any

from channels.alarms import Alarm, Alarms


class Loop:
    """The timers of a loop, and its time."""

    def __init__(self, monkeypatch: Any) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Any]] = []
        monkeypatch.setattr("channels.alarms.asyncio.get_running_loop", lambda: self)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Any, *, context: Any) -> "Loop":
        assert len(context) == 0
        self.timers.append((when, call))
        return self

    def call_later(self, delay: float, call: Any, *, context: Any) -> "Loop":
        return self.call_at(self.now + delay, call, context=context)

    def cancel(self) -> None:
        self.timers.clear()

    def go_to(self, now: float) -> None:
        self.now = now
        due = [timer for timer in self.timers if timer[0] <= now]
        self.timers = [timer for timer in self.timers if timer[0] > now]
        for _, call in due:
            call()


def test_rings_for_each_in_its_time_with_one_timer(monkeypatch: Any) -> None:
    loop, rung = Loop(monkeypatch), list[str]()
    alarm: Alarm[str] = Alarm(10, rung.append)
    for now, key in ((100, "a"), (103, "b"), (103, "c"), (104, "b"), (105, "d")):
        loop.now = now
        alarm.watch(key)
        assert len(loop.timers) == 1
    alarm.forget("c")
    loop.go_to(110)
    assert rung == ["a"]
    assert [when for when, _ in loop.timers] == [113]
    loop.go_to(120)
    assert rung == ["a", "b", "d"]
    assert loop.timers == []


def test_no_timer_for_nobody(monkeypatch: Any) -> None:
    loop, rung = Loop(monkeypatch), list[str]()
    alarm: Alarm[str] = Alarm(10, rung.append)
    alarm.watch("a")
    alarm.forget("a")
    alarm.forget("a")
    assert loop.timers == []
    alarm.watch("a")
    loop.go_to(200)
    assert rung == ["a"]


def test_whoever_is_rung_for_may_be_watched_again(monkeypatch: Any) -> None:
    loop, rung = Loop(monkeypatch), list[float]()
    alarm: Alarm[str] = Alarm(10, lambda key: (rung.append(loop.now), alarm.watch(key))[0])
    alarm.watch("a")
    for now in range(100, 141):
        loop.go_to(now)
    assert rung == [110, 120, 130, 140]
    assert len(loop.timers) == 1


def test_loops_are_not_kept() -> None:
    rung: list[str] = []
    alarms: Alarms[str] = Alarms(rung.append)

    async def use() -> "weakref.ref[asyncio.AbstractEventLoop]":
        assert alarms.here(0.01) is alarms.here(0.01) is not alarms.here(5)
        alarms.here(5).watch("forgotten")
        alarms.here(5).forget("forgotten")
        alarms.here(0.01).watch("rung for")
        while not rung:
            await asyncio.sleep(0.001)
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(use())
    gc.collect()
    assert loop() is None
    assert rung == ["rung for"]
