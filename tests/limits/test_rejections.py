"""What is said of rejections, and how often."""

import pytest

from channels.limits.rejections import Rejections, shown
from channels.statistics import statistics


def test_one_line_each_interval_with_the_count(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    asked = []

    def who() -> str:
        asked.append(now)
        return f"somebody at {now:g}"

    rejections = Rejections(interval=60, clock=lambda: now)
    for moment in (0, 1, 59, 60, 61, 130):
        now = moment
        rejections.note("size", "Limit size=3", who)
    assert caplog.messages == [
        "Limit size=3 (somebody at 0). 1 such since the last line.",
        "Limit size=3 (somebody at 60). 3 such since the last line.",
        "Limit size=3 (somebody at 130). 2 such since the last line.",
    ]
    assert asked == [0, 60, 130], "nobody is described for nothing"
    assert rejections.counts == {"size": 6}


def test_each_limit_has_lines_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    rejections = Rejections(clock=lambda: 0.0)
    for limit in ("a", "b", "a", "b"):
        rejections.note(limit, f"Limit {limit}", lambda: "x")
    assert caplog.messages == [f"Limit {limit} (x). 1 such since the last line." for limit in "ab"]


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[2J", "\u2028", "\x85", "a" * 10_000, 5])
def test_nothing_splits_a_line(text: object) -> None:
    line = shown(text)
    assert len(line) <= 200
    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_a_forked_child_counts_anew(caplog: pytest.LogCaptureFixture) -> None:
    rejections = Rejections(clock=lambda: 0.0)
    rejections.note("size", "Limit size=3", lambda: "x")
    rejections._lock.acquire()  # by a thread that the child has not
    rejections.forget_inherited()
    rejections.note("size", "Limit size=3", lambda: "x")
    assert rejections.counts == {"size": 1}
    assert len(caplog.messages) == 2


def test_statistics_count_them() -> None:
    before = statistics().get("rejected.a_test", 0)
    Rejections().note("a_test", "Limit", lambda: "x")
    assert statistics()["rejected.a_test"] == before + 1
