import logging
from collections.abc import Iterator

import pytest

from channels.security.denials import SHOWN_ALLOWED, SHOWN_BYTES, DenialLog


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The lines that have been logged, as a list that grows."""
    messages: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert record.levelno == logging.WARNING
            messages.append(record.getMessage())

    handler = Handler()
    logger = logging.getLogger("django.channels.security")
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


def test_once_a_minute_for_each_origin(clock: Clock, lines: list[str]) -> None:
    log = DenialLog(clock=clock)
    for _ in range(3):
        log.denied((b"http://evil.example",), ["example.com"])
        log.denied((b"http://other.example",), ["example.com"])
        log.denied((), ["example.com"])
    assert len(lines) == 3
    clock.now += 59.9
    log.denied((b"http://evil.example",), ["example.com"])
    assert len(lines) == 3
    clock.now += 0.1
    log.denied((b"http://evil.example",), ["example.com"])
    log.denied((b"http://evil.example",), ["example.com"])
    assert len(lines) == 4


def test_a_line_names_origin_and_allowed(clock: Clock, lines: list[str]) -> None:
    DenialLog(clock=clock).denied((b"http://evil.example",), ["example.com", ".example.org"])
    assert lines == [
        (
            "WebSocket denied: the Origin 'http://evil.example' is not allowed. "
            "Allowed: 'example.com', '.example.org'."
        )
    ]


def test_a_line_for_no_origin_names_the_option(clock: Clock, lines: list[str]) -> None:
    DenialLog(clock=clock).denied((), [])
    assert lines == [
        (
            "WebSocket denied: no Origin header came "
            "(allow_missing_origin=True admits such clients). Allowed: nothing."
        )
    ]


def test_a_line_for_repeated_headers_names_both(clock: Clock, lines: list[str]) -> None:
    DenialLog(clock=clock).denied((b"http://a.example", b"http://b.example"), [])
    assert "'http://a.example' and 'http://b.example'" in lines[0]


def test_what_a_client_sends_cannot_forge_lines(clock: Clock, lines: list[str]) -> None:
    DenialLog(clock=clock).denied((b"http://x\r\nERROR forged\x1b[31m\x85\xff",), [])
    assert "'http://x\\r\\nERROR forged\\x1b[31m\\x85ÿ'" in lines[0]
    assert lines[0].isprintable()


def test_lines_are_bounded(clock: Clock, lines: list[str]) -> None:
    log = DenialLog(clock=clock)
    log.denied((b"http://" + b"x" * 100_000,) * 1000, [f"host-{n}" for n in range(1000)])
    assert "x" * (SHOWN_BYTES - len("http://")) + "'" in lines[0]
    assert f"'host-{SHOWN_ALLOWED - 1}' and {1000 - SHOWN_ALLOWED} more." in lines[0]
    assert len(lines[0]) < 1500
    log.denied((b"http://" + b"x" * 99_999,) * 2, [])
    assert len(lines) == 1


def test_new_origins_all_the_time_flood_neither_log_nor_memory(
    clock: Clock, lines: list[str]
) -> None:
    log = DenialLog(origins=10, clock=clock)
    for minute in range(3):
        for n in range(1000):
            log.denied((f"http://{minute}-{n}.example".encode(),), [])
            clock.now += 0.01
        assert len(log._logged) == 11
        clock.now += 50
    assert len(lines) == 3 * 11
    assert lines[10] == (
        "WebSocket denied: more than 10 different origins within 60 s; further ones are not logged."
    )


def test_another_interval(clock: Clock, lines: list[str]) -> None:
    log = DenialLog(interval=1.0, clock=clock)
    log.denied((b"a",), [])
    clock.now += 1.0
    log.denied((b"a",), [])
    assert len(lines) == 2
