"""A project's tests by ``manage.py test``, in development mode, with every warning an error."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testing.site.runner import run_cases

CASES = "tests.testing.site.project_cases"


def assert_clean(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    assert "Ran 8 tests" in done.stderr
    # Such as "ResourceWarning: unclosed" and "Task was destroyed but it is pending", which are
    # printed where nobody can raise them.
    for word in ("Warning", "Exception ignored", "was destroyed", "never retrieved", "Traceback"):
        assert word not in done.stderr, done.stderr


@pytest.fixture
def databases(tmp_path: Path) -> dict[str, Callable[[], Path | None]]:
    return {"memory": lambda: None, "file": lambda: tmp_path / "site.sqlite3"}


@pytest.mark.parametrize("place", ["memory", "file"])
def test_one_after_the_other(place: str, databases: dict[str, Callable[[], Path | None]]) -> None:
    assert_clean(run_cases(module=CASES, database=databases[place]()))


@pytest.mark.parametrize(
    "start_method",
    [
        "spawn",
        pytest.param(
            "fork",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(sys.platform != "linux", reason="Django forks on Linux alone"),
            ],
        ),
    ],
)
def test_in_parallel(start_method: str) -> None:
    done = run_cases("--parallel", "2", module=CASES, start_method=start_method)
    assert "Cloning test database" in done.stderr, "it ran serially"
    assert_clean(done)
