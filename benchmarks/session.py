"""One run of the benchmark: scenario after scenario, a table and a file."""

import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import results
from benchmarks.lanes.places import Environments, Places
from benchmarks.machine import ROOT, machine
from benchmarks.rounds import run
from benchmarks.scenarios import NO_LOOP, Scenario
from benchmarks.terminal import bars_table, scenario_table

FOLDER = ROOT / "benchmarks" / "results"
LATEST = FOLDER / "latest.json"


class Session:
    """Measures, prints and keeps.

    Args:
        pairs: slices of each lane.
        seconds: length of a slice.
        smoke: whether this only shows that everything runs.
        output: the file for the results; without it one in :data:`FOLDER`.
    """

    def __init__(
        self,
        environments: Environments,
        *,
        pairs: int,
        seconds: float,
        loops: Sequence[str],
        smoke: bool,
        output: Path | None,
    ) -> None:
        started = datetime.now(UTC)
        self.path = output or FOLDER / f"{started:%Y%m%d-%H%M%S}.json"
        self._is_latest = output is None and not smoke
        self._environments = environments
        self._pairs = pairs
        self._seconds = seconds
        self._loops = loops
        self._places = Places(environments, shared=smoke)
        self._progress = Progress()
        self._results = results.begin(
            {
                "pairs": pairs,
                "seconds": seconds,
                "smoke": smoke,
                "loops": list(loops),
                "pinned": list(environments.cores) if environments.cores else None,
            },
            machine(),
            started.isoformat(timespec="seconds"),
        )

    def run(self, scenarios: Sequence[Scenario]) -> None:
        """Measure them all.

        Raises:
            ChildError: a lane failed; what was measured before is in the file.
        """
        todo = [
            (scenario, loop)
            for scenario in scenarios
            for loop in (NO_LOOP if scenario.loops == NO_LOOP else self._loops)
        ]
        try:
            for number, (scenario, loop) in enumerate(todo, 1):
                self._measure(scenario, loop, f"[{number}/{len(todo)}] {scenario.name} · {loop}")
        finally:
            self._places.workers.close()
        print(bars_table(self._results["bars"]))
        for remark in self._remarks():
            print(f"NOTE: {remark}")
        print(f"\n{self.path}")

    def _measure(self, scenario: Scenario, loop: str, head: str) -> None:
        samples, versions = run(
            scenario,
            loop,
            self._places,
            pairs=self._pairs,
            seconds=self._seconds,
            tell=partial(self._progress.tell, head),
        )
        warnings = results.add(self._results, scenario, loop, samples, versions)
        # After every scenario: a run that is stopped keeps what it has.
        results.write(self._results, self.path)
        if self._is_latest:
            shutil.copyfile(self.path, LATEST)
        self._progress.clear()
        print(scenario_table(self._results["scenarios"][scenario.name], loop))
        for warning in warnings:
            print(f"  WARNING: {warning}")
        print(flush=True)

    def _remarks(self) -> list[str]:
        remarks = results.check_versions(self._results)
        if self._environments.cores is None:
            remarks.append(
                "server and load generator share a core: processes cannot be pinned here"
            )
        if not self._results["run"]["quotable"]:
            remarks.append(
                "this run is for trying out; quote runs with at least "
                f"{results.QUOTABLE_PAIRS} pairs of {results.QUOTABLE_SECONDS} s, without --smoke"
            )
        return remarks


class Progress:
    """One line on stderr that says what is going on; a line a scenario where it is no terminal."""

    def __init__(self) -> None:
        self._overwrites = sys.stderr.isatty()
        self._start = time.monotonic()

    def tell(self, head: str, what: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        line = f"{minutes}:{seconds:02} {head}"
        if self._overwrites:
            print(f"\r\033[K{line}: {what}", end="", file=sys.stderr, flush=True)
        elif what == "starting":
            print(line, file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._overwrites:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
