"""What travels, and what the sync neighbours do; the same on every side."""

import time

TEXT = "Hello, world!"
JSON_TEXT = '{"name": "Ann", "text": "Hello, world!"}'

SLEEP = 0.05
"""Seconds of a sleeping sync handler: a slow query, a call of another service."""

STEPS = 50_000
"""Steps of a computing sync handler: some milliseconds of pure Python that keep the GIL."""


def sleep() -> None:
    time.sleep(SLEEP)


def compute() -> None:
    total = 0
    for number in range(STEPS):
        total += number
