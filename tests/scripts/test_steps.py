"""`make test` names what it did not run, and CI accepts no skip."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

STEPS = Path(__file__).parent.parent.parent / "scripts" / "steps.py"

MAKEFILE = """
good:
\t@echo '{"passed": 3, "failed": 0, "skipped": [], "xfailed": [], "deselected": 0}' > \
test-results/good.json
bad:
\t@echo bad was here; exit 3
"""


class Run:
    """One run of steps.py in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "test-results").mkdir()
        (folder / "Makefile").write_text(MAKEFILE)

    def leave(self, name: str, **counts: Any) -> None:
        """Write what a pytest run would have left."""
        result = {"passed": 0, "failed": 0, "skipped": [], "xfailed": [], "deselected": 0}
        (self.folder / f"test-results/{name}.json").write_text(json.dumps(result | counts))

    def __call__(self, *steps: str, ci: bool = False) -> tuple[int, list[str]]:
        environment = {key: value for key, value in os.environ.items() if key != "CI"}
        done = subprocess.run(
            [sys.executable, str(STEPS), *steps],
            cwd=self.folder,
            env=environment | ({"CI": "true"} if ci else {}),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout.splitlines()


@pytest.fixture
def steps(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_the_last_line_adds_up_all_runs(steps: Run) -> None:
    steps.leave("unit", passed=400)
    steps.leave("browser", passed=12)
    code, lines = steps()
    assert code == 0
    assert lines[-1] == "412 passed, 0 failed"


def test_a_failure_does_not_keep_the_next_step_from_running(steps: Run) -> None:
    code, lines = steps("bad", "good")
    assert code == 1
    assert [line.split()[:2] for line in lines if line.startswith("  ")][:2] == [
        ["bad", "FAILED"],
        ["good", "ok"],
    ]
    assert lines[-1] == "3 passed, 0 failed"


def test_the_counts_of_an_earlier_run_do_not_count_for_a_step_that_died(steps: Run) -> None:
    steps.leave("bad", passed=99)
    _, lines = steps("bad")
    assert lines[-1] == "0 passed, 0 failed"


def test_a_failed_test_fails_the_run(steps: Run) -> None:
    steps.leave("unit", passed=1, failed=1)
    assert steps()[0] == 1


def test_skips_are_named(steps: Run) -> None:
    steps.leave("unit", passed=1, skipped=["tests/test_x.py::test_y: no browser"])
    code, lines = steps()
    assert code == 0
    assert "  skipped: tests/test_x.py::test_y: no browser" in lines
    assert lines[-1] == "1 passed, 0 failed, 1 skipped"


def test_ci_accepts_no_skip(steps: Run) -> None:
    steps.leave("unit", passed=1, skipped=["tests/test_x.py::test_y: no browser"])
    assert steps(ci=True)[0] == 1


def test_a_run_without_skips_says_so(steps: Run) -> None:
    steps.leave("unit", passed=1, deselected=7)
    _, lines = steps()
    assert "  skipped: nothing" in lines
    assert "  left out of unit: 7 (marked slow, or not for this side)" in lines


def test_the_plugin_leaves_what_the_summary_reads(steps: Run) -> None:
    (steps.folder / "test_sample.py").write_text(
        "import pytest\n"
        "def test_passes(): pass\n"
        "def test_fails(): assert False\n"
        "def test_skips(): pytest.skip('no browser')\n"
        "@pytest.mark.xfail(reason='not yet')\n"
        "def test_is_expected_to_fail(): assert False\n"
        "def test_is_left_out(): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir=."]
    command += ["-p", "pytest_totals", "--totals=test-results/unit.json", "-k", "not left_out"]
    subprocess.run(
        [*command, "test_sample.py"],
        cwd=steps.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(STEPS.parent)},
        capture_output=True,
        timeout=30,
        check=False,
    )
    totals = json.loads((steps.folder / "test-results/unit.json").read_text())
    assert (totals["passed"], totals["failed"], totals["deselected"]) == (1, 1, 1)
    assert totals["skipped"] == ["test_sample.py::test_skips: no browser"]
    assert totals["xfailed"] == ["test_sample.py::test_is_expected_to_fail: not yet"]


def test_steps_between_plus_signs_run_at_the_same_time(steps: Run) -> None:
    """Each waits for what the other leaves: one after the other they would fail."""
    (steps.folder / "Makefile").write_text(
        "one:\n\t@touch one; for n in $$(seq 100); do test -e two && break; sleep 0.1; done; "
        "test -e two && echo one is done\n"
        "two:\n\t@touch two; for n in $$(seq 100); do test -e one && break; sleep 0.1; done; "
        "test -e one && echo two is done\n"
        "bad:\n\t@echo bad was here; exit 3\n"
    )
    code, lines = steps("one+two+bad")
    assert code == 1
    said = [line for line in lines if line.endswith((" is done", " was here"))]
    assert said == ["one is done", "two is done", "bad was here"]
    results = [line.split()[:2] for line in lines if line.startswith("  ")]
    assert results[:3] == [["one", "ok"], ["two", "ok"], ["bad", "FAILED"]]
