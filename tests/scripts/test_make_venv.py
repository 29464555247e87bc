"""Which Python the environment is made with, and what is said where none will do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "make-venv.sh"


def python(folder: Path, name: str, version: str, *, check: int = 0) -> None:
    """A program that answers as a Python of that version, whose check ends with `check`."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = -m ] && mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && exit\n'
        f'[ "$1" = --version ] && echo "Python {version}" && exit\n'
        'case "$2" in\n'
        f"*ensurepip*) exit {check};;\n"
        f"*implementation*) echo cpython.{version};;\n"
        f"*platform*) echo {version};;\n"
        "esac\n"
    )
    program.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "programs"


def make_venv(folder: Path, wanted: str = "") -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(tools(folder.parent))])
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), str(folder.parent / "venv"), wanted],
        env={"PATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def tools(parent: Path) -> Path:
    """A folder with the commands that the stand-ins call, and without any Python."""
    folder = parent / "tools"
    folder.mkdir(exist_ok=True)
    for name in ("cp", "mkdir"):
        link = folder / name
        if not link.exists():
            link.symlink_to(next(p for p in (Path("/bin", name), Path("/usr/bin", name)) if p))
    return folder


def test_the_first_suitable_one_is_taken(folder: Path) -> None:
    python(folder, "python3", "3.9.18", check=3)
    python(folder, "python3.12", "3.12.1")
    done = make_venv(folder)
    assert done.returncode == 0, done.stderr
    assert "with Python 3.12.1" in done.stderr


def test_one_that_is_too_old_is_named(folder: Path) -> None:
    python(folder, "python3", "3.9.18", check=3)
    done = make_venv(folder)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "python3 is Python 3.9.18" in done.stderr
    assert "make demo PYTHON=" in done.stderr


def test_one_without_venv_is_named_with_the_cure(folder: Path) -> None:
    python(folder, "python3", "3.11.2", check=1)
    done = make_venv(folder)
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_a_wish_that_is_no_program_is_refused(folder: Path) -> None:
    python(folder, "python3", "3.12.1")
    done = make_venv(folder, "python3.99")
    assert done.returncode == 1
    assert "PYTHON=python3.99 is not a program" in done.stderr


def test_a_wish_for_another_version_makes_the_environment_anew(folder: Path) -> None:
    python(folder, "python3.12", "3.12.1")
    python(folder, "python3.13", "3.13.0")
    assert make_venv(folder, "python3.12").returncode == 0
    assert make_venv(folder, "python3.12").stderr == ""
    assert "with Python 3.13.0" in make_venv(folder, "python3.13").stderr


def test_this_python_is_good_enough(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", str(SCRIPT), str(tmp_path / "venv"), sys.executable],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "venv/bin/pip").exists()
