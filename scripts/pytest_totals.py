"""pytest plugin: leaves the counts of a run, and what it did not run, in the file of ``--totals``.

JUnit XML would do for the counts, but it does not know of tests that were deselected.
"""

import json
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--totals", metavar="FILE", help="write the counts of the run as JSON")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    target = config.getoption("--totals")
    if not target:
        return
    stats = terminalreporter.stats
    totals = {
        "passed": len(stats.get("passed", ())),
        # An XPASS under xfail_strict arrives as a failure already.
        "failed": len(stats.get("failed", ())) + len(stats.get("error", ())),
        "xfailed": [f"{report.nodeid}: {report.wasxfail}" for report in stats.get("xfailed", ())],
        "skipped": [f"{report.nodeid}: {_reason(report)}" for report in stats.get("skipped", ())],
        "deselected": len(stats.get("deselected", ())),
    }
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(totals, indent=1), encoding="utf-8")


def _reason(report: Any) -> str:
    """The skip's text; pytest keeps it as the last of (file, line, text)."""
    longrepr = report.longrepr
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return str(text).removeprefix("Skipped: ")
