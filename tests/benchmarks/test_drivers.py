"""The comparison of drivers runs, in tiny. Nothing here says how fast."""

import os
import subprocess
import sys

import pytest
from benchmarks.drivers import BASELINE, CONTENDERS, Sample, table
from benchmarks.machine import ROOT

from tests.redis_servers import server_program

pytestmark = pytest.mark.timeout(60)

ALWAYS = [
    BASELINE,
    "own connection",
    "redis-py, transaction",
    "own connection, transaction",
]


def run(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.drivers", *args],
        cwd=ROOT,
        env={**os.environ, "BENCH_REDIS": server_program("redis")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_every_driver_is_measured_or_named_as_left_out() -> None:
    done = run("--seconds", "0.02", "--pairs", "1")
    assert done.returncode == 0, done.stderr
    head, *tables = done.stdout.split("\n\n")
    left_out = [line for line in head.splitlines() if line.startswith("left out: ")]
    assert len(tables) == 2
    for printed in tables:
        measured = [line[:30].strip() for line in printed.strip().splitlines()[2:]]
        assert set(ALWAYS) <= set(measured)
        assert len(measured) == len(set(measured))
        assert set(measured) <= set(CONTENDERS)
        for name in CONTENDERS:
            assert (name in measured) != any(name in line for line in left_out)


def test_slices_of_no_length_are_refused() -> None:
    done = run("--seconds", "0")
    assert done.returncode == 2
    assert "must be above 0" in done.stderr


def test_ratios_are_taken_within_each_pair_of_slices() -> None:
    printed = table(
        {
            BASELINE: [Sample(100, 1e-3, 1e-4), Sample(10, 1e-2, 1e-3), Sample(50, 1e-3, 1e-4)],
            "coredis": [Sample(200, 5e-4, 1e-4), Sample(30, 1e-3, 2e-3), Sample(100, 2e-3, 1e-4)],
        }
    )
    assert printed.splitlines()[1].split()[-3:] == ["1.00x", "1.00x", "1.00x"]
    assert printed.splitlines()[2].split()[-3:] == ["2.00x", "0.50x", "1.00x"]
