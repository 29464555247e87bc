"""What is published: the wheel holds the package and nothing else."""

import subprocess
import sys
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "channels"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (built,) = folder.iterdir()
    return ZipFile(built)


def metadata(wheel: ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode("utf-8"))


def test_it_holds_the_package_and_its_metadata_alone(wheel: ZipFile) -> None:
    tops = {name.split("/")[0].split("-")[0] for name in wheel.namelist()}
    assert tops == {"channels", "raceway"}


def test_it_holds_every_file_of_the_package(wheel: ZipFile) -> None:
    source = {
        f"channels/{path.relative_to(SOURCE).as_posix()}"
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel.namelist() if name.startswith("channels/")} == source


def test_it_says_that_it_is_typed_and_free_software(wheel: ZipFile) -> None:
    assert "channels/py.typed" in wheel.namelist()
    licences = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert len(licences) == 1
    assert metadata(wheel)["License-Expression"] == "BSD-3-Clause"


def test_it_needs_no_server_and_no_upstream(wheel: ZipFile) -> None:
    requirements = metadata(wheel).get_all("Requires-Dist", [])
    always = {line.split(">")[0].split("<")[0] for line in requirements if "extra ==" not in line}
    assert always == {"asgiref", "django", "msgspec"}
    assert metadata(wheel)["Name"] == "raceway"
    assert metadata(wheel)["Requires-Python"] == ">=3.11"


def test_there_is_no_channels_http(wheel: ZipFile) -> None:
    # Others take its absence as a sign of a Channels that is new enough.
    assert not [name for name in wheel.namelist() if name.startswith("channels/http")]
