"""The command: ``python -m benchmarks``."""

import argparse
import os
import resource
import signal
import sys
from pathlib import Path

from benchmarks.child import ChildError
from benchmarks.event_loops import LOOPS
from benchmarks.lanes.places import Environments
from benchmarks.machine import ROOT, usable_cores
from benchmarks.pinning import two_cores
from benchmarks.results import QUOTABLE_PAIRS, QUOTABLE_SECONDS
from benchmarks.scenarios import FULL, SMOKE, Scenario, catalogue
from benchmarks.session import Session

SMOKE_PAIRS, SMOKE_SECONDS = 1, 0.005


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    scenarios = catalogue(SMOKE if options.smoke else FULL)
    if options.list:
        for scenario in scenarios:
            print(f"{scenario.name:<14} {scenario.title}")
        return 0
    try:
        chosen = choose(scenarios, options.only)
        environments = find_environments(options.upstream_python)
    except ValueError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    allow_many_sockets()
    signal.signal(signal.SIGTERM, leave)
    session = Session(
        environments,
        pairs=options.pairs or (SMOKE_PAIRS if options.smoke else QUOTABLE_PAIRS),
        seconds=options.seconds or (SMOKE_SECONDS if options.smoke else QUOTABLE_SECONDS),
        loops=tuple(options.loop or LOOPS),
        smoke=options.smoke,
        output=options.output,
    )
    try:
        session.run(chosen)
    except ChildError as error:
        print(f"\nbenchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nbenchmarks: stopped. What was measured is in {session.path}", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Raceway beside upstream Channels and beside bare ASGI, in one run.",
        epilog="Only ratios may be quoted, and only those of a run with at least "
        f"{QUOTABLE_PAIRS} pairs of slices of at least "
        f"{QUOTABLE_SECONDS} s on a quiet machine.",
    )
    found.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="run this scenario; may be given more than once (see --list)",
    )
    found.add_argument("--list", action="store_true", help="list the scenarios and stop")
    found.add_argument(
        "--loop", action="append", choices=LOOPS, help="on this event loop only (default: both)"
    )
    found.add_argument(
        "--pairs",
        type=positive(int),
        metavar="N",
        help=f"slices of each lane (default {QUOTABLE_PAIRS})",
    )
    found.add_argument(
        "--seconds",
        type=positive(float),
        metavar="S",
        help=f"length of a slice (default {QUOTABLE_SECONDS})",
    )
    found.add_argument(
        "--smoke",
        action="store_true",
        help="tiny counts: shows that everything runs, says nothing about speed",
    )
    found.add_argument(
        "--output", type=Path, metavar="FILE", help="the JSON file (default: in benchmarks/results)"
    )
    found.add_argument(
        "--upstream-python",
        type=Path,
        metavar="FILE",
        default=ROOT / os.environ.get("BENCH_VENV", ".venv-bench") / "bin" / "python",
        help="Python of the environment with upstream and the load generator (make bench-env)",
    )
    return found


def positive(kind: type[int] | type[float]) -> type:
    """An argparse type: a number above zero."""

    def parse(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise ValueError
        return value

    parse.__name__ = f"positive {kind.__name__}"
    return parse  # type: ignore[return-value] # argparse takes any callable


def choose(scenarios: list[Scenario], names: list[str] | None) -> list[Scenario]:
    """The scenarios of these names.

    Raises:
        ValueError: one does not exist.
    """
    known = [scenario.name for scenario in scenarios]
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ValueError(f"there is no scenario {unknown[0]!r}; there are: {', '.join(known)}")
    return [scenario for scenario in scenarios if not names or scenario.name in names]


def find_environments(upstream: Path) -> Environments:
    """The interpreters to measure with.

    Raises:
        ValueError: upstream's does not exist.
    """
    if not upstream.exists():
        raise ValueError(f"{upstream} does not exist. Make the environment: make bench-env")
    return Environments(Path(sys.executable), upstream, two_cores(usable_cores()))


def leave(*_: object) -> None:
    """End the processes too; a second signal does not disturb that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def allow_many_sockets() -> None:
    """Raise the limit of open files as far as it goes, for the processes that will be started."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
