"""The soak run: its command, and a minute of it on each layer."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def soak(*arguments: str, limit: float) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "soak", *arguments],
        cwd=ROOT,
        timeout=limit,
        check=False,
        capture_output=True,
        text=True,
    )


def test_help() -> None:
    done = soak("--help", limit=30)
    assert done.returncode == 0
    assert "--minutes" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("layer", ["memory", "redis"])
def test_the_account_balances(layer: str, tmp_path: Path) -> None:
    done = soak("--layer", layer, "--minutes", "1", "--log", str(tmp_path), limit=200)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "FAILED" not in done.stdout
    assert done.stdout.count("  ok ") == 14
