"""The test suites that the packages ship in their source distributions, and how to run them.

Nothing of them is kept here. A source distribution is downloaded by pip into `build/packages`; its
tests are copied into a folder of the run, beside what it left out and what sends them to the run's
servers (`suites/`), and run by a pytest of their own.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOWNLOADS = ROOT / "build" / "packages"
BESIDES = Path(__file__).resolve().parent / "suites"


@dataclass(frozen=True)
class Suite:
    """A package's own tests: which, and with what options."""

    package: str
    passing: int
    """How many pass at least. A run with fewer has not run what the page says."""
    paths: tuple[str, ...] = ("tests",)
    options: tuple[str, ...] = ()

    @property
    def besides(self) -> Path:
        return BESIDES / self.package.replace("-", "_")


SUITES = [
    Suite(
        "djangochannelsrestframework",
        passing=52,
        options=("--ds=tests.suite_settings", "-odjango_find_project=false"),
    ),
    Suite("channels-redis", passing=118, options=("-pno:django", "-oasyncio_mode=auto")),
    Suite(
        "channels-postgres",
        passing=22,
        options=("-pno:django", "-oasyncio_mode=auto"),
    ),
    Suite(
        "sentry-sdk",
        passing=124,
        paths=("tests/integrations/django/asgi",),
        options=("--ds=tests.integrations.django.myapp.settings",),
    ),
]


@dataclass
class Outcome:
    """What a suite's run counted: `passed`, `failure`, `error`, `skipped`."""

    counts: Counter[str]
    output: str


def run(suite: Suite, folder: Path, **environment: str) -> Outcome:
    """Run a suite's tests in ``folder``, with Raceway in the place of Channels."""
    shutil.copytree(unpacked(suite.package) / "tests", folder / "tests")
    if suite.besides.is_dir():
        shutil.copytree(suite.besides, folder / "tests", dirs_exist_ok=True)
    report = folder / "report.xml"
    plain = ["-q", "--tb=short", "--timeout=60", "-pno:cacheprovider", "-c", os.devnull]
    where = ["--rootdir", str(folder), f"--junitxml={report}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plain, *where, *suite.options, *suite.paths],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    return read(report, done.stdout)


def read(report: Path, output: str) -> Outcome:
    """The counts in a report of JUnit's form."""
    outcome = Outcome(Counter(), output)
    for case in ET.parse(report).getroot().iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        outcome.counts[min(kinds, default="passed")] += 1
    return outcome


def unpacked(package: str) -> Path:
    """The folder of the package's source distribution, downloaded where it is not there yet."""
    name = f"{package.replace('-', '_')}-{version(package)}"
    if not (DOWNLOADS / name).is_dir():
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"),
                *("--no-deps", "--no-binary", ":all:", "--dest", str(DOWNLOADS)),
                f"{package}=={version(package)}",
            ],
            check=True,
            timeout=300,
        )
        with tarfile.open(DOWNLOADS / f"{name}.tar.gz") as archive:
            archive.extractall(DOWNLOADS, filter="data")
    return DOWNLOADS / name
