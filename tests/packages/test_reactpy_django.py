"""reactpy-django: components that live on the server. See `reactpy_site`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SITE = Path(__file__).resolve().parent / "reactpy_site"


@pytest.mark.timeout(150)
def test_component(tmp_path: Path) -> None:
    # The settings of the run that this test is part of would go before those of the site's ini.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", str(SITE / "pytest.ini"), str(SITE)],
        env={**kept, "PACKAGES_SQLITE": str(tmp_path / "test.sqlite3")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
