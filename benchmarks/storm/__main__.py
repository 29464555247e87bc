"""``python -m benchmarks.storm``: a deploy under a crowd, ours beside upstream, in one run."""

import argparse
import asyncio
import sys
from dataclasses import fields
from pathlib import Path

from benchmarks.storm.restart import Outcome, deploy, upstream_python

ROWS = {
    "status": ("exit status of the old process", "{}"),
    "ended_after": ("it ended after (s)", "{:.1f}"),
    "all_back_after": ("everybody was back after (s)", "{:.1f}"),
    "lost_for_good": ("never came back", "{}"),
    "close_frames": ("clients that got a close frame", "{}"),
    "dropped": ("clients that were dropped without one", "{}"),
    "disconnects": ("disconnect() calls", "{}"),
    "refused": ("attempts that nobody listened to", "{}"),
    "denied": ("attempts that were denied (503)", "{}"),
    "most_at_once": ("handshakes in the busiest 0.1 s", "{}"),
    "median_away": ("a client was away, median (s)", "{:.2f}"),
    "longest_away": ("a client was away, longest (s)", "{:.2f}"),
}


def table(columns: dict[str, Outcome]) -> str:
    """The outcomes side by side."""
    assert set(ROWS) == {field.name for field in fields(Outcome)} - {"clients"}
    lines = [f"{'':40}" + "".join(f"{name:>20}" for name in columns)]
    for key, (words, form) in ROWS.items():
        cells = (form.format(getattr(outcome, key)) for outcome in columns.values())
        lines.append(f"{words:40}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storm", description=__doc__)
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--upstream-python", type=Path, default=upstream_python())
    options = parser.parse_args()
    columns: dict[str, Outcome] = {}
    for rolling in (False, True):
        for side, python in (("upstream", options.upstream_python), ("ours", Path(sys.executable))):
            name = f"{side}, {'rolling' if rolling else 'in place'}"
            columns[name] = asyncio.run(deploy(python, options.clients, rolling=rolling))
            print(f"{name}: done", file=sys.stderr)
    print(f"{options.clients} clients")
    print(table(columns))
    return int(any(o.lost_for_good for name, o in columns.items() if name.startswith("ours")))


if __name__ == "__main__":
    sys.exit(main())
