"""reactpy-django: components that live on the server. See `reactpy_site`."""

import subprocess
import sys
from pathlib import Path

import pytest

SITE = Path(__file__).resolve().parent / "reactpy_site"


@pytest.mark.timeout(150)
def test_component() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", str(SITE / "pytest.ini"), str(SITE)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
