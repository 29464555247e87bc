"""Every parser for a while with inputs that coverage leads to."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

SECONDS = 15
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS * 8)
@pytest.mark.skipif(find_spec("atheris") is None, reason="Atheris has no wheel for this machine")
@pytest.mark.parametrize("name", list(TARGETS))
def test_nothing_is_found(name: str, tmp_path: Path) -> None:
    options = [f"--seconds={SECONDS}", f"--corpus={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.guided", name, *options],
        cwd=ROOT,
        timeout=SECONDS * 6,
        check=False,
        capture_output=True,
        text=True,
        errors="backslashreplace",
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-5000:]
    runs = re.search(r"number_of_executed_units:\s*(\d+)", said)
    assert runs is not None, said
    assert int(runs.group(1)) > 500, "it hardly ran"
