"""The environment holds Raceway and nothing of upstream, and lacks nothing else."""

import re
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import channels
from tests.packages.own_suites import SUITES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def test_channels_is_ours() -> None:
    assert distribution("raceway").metadata["Name"] == "raceway"
    assert Path(channels.__file__) == ROOT / "src" / "channels" / "__init__.py"
    with pytest.raises(PackageNotFoundError):
        distribution("channels")


def test_only_channels_is_missing() -> None:
    """Installing without dependencies has left out upstream Channels, and only that."""
    unmet = set()
    for found in distributions():
        for line in found.requires or ():
            wanted = Requirement(line)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
                continue
            if not _is_met(wanted):
                unmet.add(wanted.name)
    assert unmet == {"channels"}


def test_the_page_names_the_versions_and_the_numbers() -> None:
    requirements = (HERE / "requirements.txt").read_text(encoding="utf-8")
    under_test = requirements.partition("-- under test")[2].partition("# --")[0]
    wanted = [Requirement(line) for line in under_test.splitlines() if "==" in line]
    passing = {suite.package: suite.passing for suite in SUITES}
    page = (ROOT / "docs" / "reference" / "packages.md").read_text(encoding="utf-8")
    for package in wanted:
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {package.name} |"))
        assert package.specifier.contains(row.split("|")[2].strip()), row
        if package.name in passing:
            assert re.search(
                rf"\b{passing[package.name]}( of {passing[package.name]})? pass\b", row
            ), row


def _is_met(wanted: Requirement) -> bool:
    try:
        version = distribution(wanted.name).version
    except PackageNotFoundError:
        return False
    return wanted.specifier.contains(version, prereleases=True)
