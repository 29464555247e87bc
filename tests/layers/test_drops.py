"""Counted always, said once a minute."""

import logging
import threading

import pytest

from channels.layers.drops import SECONDS_BETWEEN_LINES, Drops
from tests.layers.tools import Clock


def drop(drops: Drops, reason: str, where: str, number: int = 1) -> None:
    drops.count(reason, number, where)
    drops.report()


def test_the_first_drop_is_said(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    drops = Drops("TheLayer", clock)
    drop(drops, "full", "group 'room'", 3)
    assert drops.counts == {"full": 3}
    (line,) = caplog.records
    assert (line.name, line.levelno) == ("django.channels.layers", logging.WARNING)
    assert line.getMessage().startswith("TheLayer dropped 3 message(s), the last for group 'room'")
    assert "full" in line.getMessage()


def test_later_ones_together_after_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    drops = Drops("TheLayer", clock)
    drop(drops, "full", "group 'a'")
    for _ in range(59):
        clock.advance(1)
        drop(drops, "full", "group 'b'")
    assert len(caplog.records) == 1
    clock.advance(SECONDS_BETWEEN_LINES - 59)
    drop(drops, "full", "group 'c'")
    assert "dropped 60 message(s), the last for group 'c'" in caplog.records[1].getMessage()
    clock.advance(1)
    drop(drops, "full", "group 'd'")
    assert len(caplog.records) == 2
    assert drops.counts == {"full": 62}


def test_the_last_ones_of_a_burst_are_said_too(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    drops = Drops("TheLayer", clock)
    for _ in range(5):
        drop(drops, "full", "group 'a'")
    clock.advance(SECONDS_BETWEEN_LINES)
    drops.report()
    for _ in range(2):
        clock.advance(SECONDS_BETWEEN_LINES)
        drops.report()
    assert [line.getMessage().split(",")[0] for line in caplog.records] == [
        "TheLayer dropped 1 message(s)",
        "TheLayer dropped 4 message(s)",
    ]


def test_each_reason_by_itself(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    drops = Drops("TheLayer", clock)
    drop(drops, "full", "group 'a'")
    drop(drops, "expired", "channel 'b'", 2)
    assert drops.counts == {"full": 1, "expired": 2}
    assert len(caplog.records) == 2


def test_what_is_counted_without_a_place_is_not_said(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    drops = Drops("TheLayer", clock)
    drops.count("closed", 7)
    drops.report()
    assert drops.counts == {"closed": 7}
    assert caplog.records == []


def test_counting_says_nothing_yet(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Layers count while they hold their lock."""
    Drops("TheLayer", clock).count("full", 1, "group 'a'")
    assert caplog.records == []


def test_a_log_handler_may_drop_messages_itself(clock: Clock) -> None:
    drops = Drops("TheLayer", clock)
    lines = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())
            drop(drops, "full", "group 'log'")

    handler = Handler()
    logger = logging.getLogger("django.channels.layers")
    logger.addHandler(handler)
    try:
        drop(drops, "full", "group 'a'")
    finally:
        logger.removeHandler(handler)
    assert len(lines) == 1
    assert drops.counts["full"] == 2


def test_no_count_is_lost_between_threads(clock: Clock) -> None:
    drops = Drops("TheLayer", clock)
    begin = threading.Barrier(4)

    def work() -> None:
        begin.wait()
        for _ in range(5000):
            drop(drops, "full", "group 'a'")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drops.counts["full"] == 20000
