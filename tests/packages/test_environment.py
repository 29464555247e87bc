"""The environment holds Raceway and nothing of upstream, and lacks nothing else."""

from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import channels

ROOT = Path(__file__).resolve().parents[2]


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


def _is_met(wanted: Requirement) -> bool:
    try:
        version = distribution(wanted.name).version
    except PackageNotFoundError:
        return False
    return wanted.specifier.contains(version, prereleases=True)
