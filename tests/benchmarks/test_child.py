"""Processes that the harness asks for work: what it says when one fails."""

import sys
from pathlib import Path

import pytest
from benchmarks.child import Child, ChildError

PYTHON = Path(sys.executable)


def test_a_worker_answers_in_order() -> None:
    worker = Child(PYTHON, "benchmarks.worker", "floor", "asyncio")
    try:
        for lane in range(2):
            worker.ask("prepare", lane=lane, workload="echo", options={"application": "echo"})
            worker.ask("slice", lane=lane, seconds=0.001)
        greeting, *answers = [worker.answer(20) for _ in range(5)]
    finally:
        worker.stop()
    assert greeting["versions"]["Python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert [answer.get("count", 0) >= 20 for answer in answers] == [False, True, False, True]


def test_an_error_comes_with_its_traceback_and_the_worker_lives() -> None:
    worker = Child(PYTHON, "benchmarks.worker", "floor", "asyncio")
    try:
        worker.ask("prepare", lane=0, workload="no such thing", options={})
        worker.answer(20)
        with pytest.raises(ChildError, match=r"(?s)worker floor asyncio failed.*no such thing"):
            worker.answer(20)
        worker.ask("prepare", lane=0, workload="joins", options={"groups": 1})
        assert worker.answer(20) == {}
    finally:
        worker.stop()


def test_a_process_that_ends_shows_what_it_said() -> None:
    worker = Child(PYTHON, "benchmarks.worker", "nobody", "asyncio")
    try:
        with pytest.raises(ChildError, match=r"(?s)ended with exit code 1.*KeyError: 'nobody'"):
            worker.answer(20)
    finally:
        worker.stop()


def test_upstream_is_not_measured_where_ours_is_installed() -> None:
    worker = Child(PYTHON, "benchmarks.worker", "upstream", "asyncio")
    try:
        with pytest.raises(ChildError, match="'upstream' needs an environment with 'channels'"):
            worker.answer(20)
    finally:
        worker.stop()


def test_silence_is_an_error() -> None:
    worker = Child(PYTHON, "benchmarks.worker", "floor", "asyncio")
    try:
        worker.answer(20)
        with pytest.raises(ChildError, match="no answer in 0 s"):
            worker.answer(0.01)
    finally:
        worker.stop()
