"""Run make targets one after the other and sum up: time, result, and what was not run.

    steps.py TARGET…   run them all, also after a failure; exit 1 if one failed
    steps.py A+B…      run A and B at the same time; what B says comes after A
    steps.py           only add up what the last pytest runs left in test-results/

A skipped test is named at the end, and under CI (the variable ``CI`` is set) it is a failure.
"""

import json
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

RESULTS = Path("test-results")


@dataclass
class Totals:
    """What the pytest runs counted."""

    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    xfailed: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        counts = json.loads(path.read_text(encoding="utf-8"))
        self.passed += counts["passed"]
        self.failed += counts["failed"]
        self.skipped += counts["skipped"]
        self.xfailed += counts["xfailed"]
        # The slow run leaves out all that the other runs ran.
        if counts["deselected"] and path.stem != "slow":
            self.left_out[path.stem] = counts["deselected"]

    def line(self) -> str:
        parts = [f"{self.passed} passed", f"{self.failed} failed"]
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped")
        if self.xfailed:
            parts.append(f"{len(self.xfailed)} xfailed")
        return ", ".join(parts)


@dataclass
class Step:
    """One make target that was run."""

    name: str
    seconds: float
    code: int


def run(names: str) -> list[Step]:
    """Run the target, or those between plus signs at the same time: tests of servers wait most of
    their time."""
    first, *others = names.split("+")
    with ThreadPoolExecutor(max(1, len(others))) as beside:
        running = [beside.submit(make, name, quiet=True) for name in others]
        headline(first)
        steps = [make(first)[0]]
        for name, other in zip(others, running, strict=True):
            step, said = other.result()
            headline(name)
            print(said, flush=True)
            steps.append(step)
    return steps


def headline(name: str) -> None:
    print(f"\n── {name} ".ljust(80, "─"), flush=True)


def make(name: str, *, quiet: bool = False) -> tuple[Step, str]:
    """Run one target; what it said, if it was not to say it itself."""
    # A run that dies before its end must not be summed up by the counts of an earlier one.
    (RESULTS / f"{name}.json").unlink(missing_ok=True)
    start = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own targets
        [os.environ.get("MAKE", "make"), "--no-print-directory", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )
    return Step(name, time.monotonic() - start, done.returncode), done.stdout or ""


def summary(steps: list[Step], totals: Totals) -> bool:
    """Print each result and everything that did not run; return whether all is well."""
    print("\n── summary ".ljust(80, "─"))
    print(f"Python {platform.python_version()}, Django {version('Django')}")
    for step in steps:
        result = "ok" if step.code == 0 else "FAILED"
        print(f"  {step.name:<22}{result:<8}{step.seconds:7.1f} s")
    for entry in totals.xfailed:
        print(f"  expected to fail: {entry}")
    for name, count in totals.left_out.items():
        print(f"  left out of {name}: {count} (marked slow, or not for this side)")
    for entry in totals.skipped:
        print(f"  skipped: {entry}")
    if not totals.skipped:
        print("  skipped: nothing")
    fine = totals.failed == 0 and all(step.code == 0 for step in steps)
    if totals.skipped and os.environ.get("CI"):
        print("Under CI nothing may be skipped: this run FAILED.")
        fine = False
    print(totals.line(), flush=True)
    return fine


def main(names: list[str]) -> int:
    steps = [step for together in names for step in run(together)]
    ran = {step.name for step in steps}
    totals = Totals()
    for path in sorted(RESULTS.glob("*.json")):
        if not names or path.stem in ran:
            totals.add(path)
    return 0 if summary(steps, totals) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
