"""Django's test runner in a process of its own, with warnings as errors."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PYTHON = [sys.executable, "-X", "dev", "-W", "error", "-c"]
PROGRAM = """
import multiprocessing, sys
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv.pop(1))
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""


def run_cases(
    *cases: str,
    module: str = "tests.testing.site.cases",
    start_method: str = "spawn",
    database: Path | None = None,
    test_name: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run test cases of a module, or all of them.

    Args:
        cases: their names; those with a dash are options of the command.
        database: the file of the database; in memory without.
        test_name: whether the settings name the test database too.
    """
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.testing.site.settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
    }
    if database is not None:
        environment["SITE_DATABASE"] = str(database)
        if test_name:
            environment["SITE_TEST_DATABASE"] = str(database.with_name("test.sqlite3"))
    options = [case for case in cases if case.startswith("-") or case.isdecimal()]
    names = [f"{module}.{case}" for case in cases if case not in options] or [module]
    return subprocess.run(
        [*PYTHON, PROGRAM, start_method, "test", "--noinput", *options, *names],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
