"""The suite fails for what it leaves behind (tests/conftest.py), also in development mode."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """pytest in a process of its own, with Python's development mode and warnings as errors."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "pytest", "-q", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


OTHER_PROCESSES = (
    "browser",
    "deploys",
    "endings",
    "faults",
    "fuzz",
    "limits",
    "management",
    "redis_servers",
    "server",
)
"""Tests of what runs in a process of its own, which this process's mode does not reach."""

LEAVES = {
    "tasks": """
import asyncio
async def waits(): await asyncio.Event().wait()
async def test():
    global task
    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
""",
    "threads": """
import threading
def test(): threading.Thread(target=threading.Event().wait, name="forgotten", daemon=True).start()
""",
    "nothing": """
import asyncio
async def test(): await asyncio.gather(asyncio.sleep(0))
""",
}


@pytest.mark.parametrize(
    ("left", "told"),
    [
        ("tasks", "its event loop ended with tasks that still ran: <coroutine object waits"),
        ("threads", "The run FAILED: it left <Thread(forgotten"),
        ("nothing", None),
    ],
)
def test_what_is_left_fails(left: str, told: str | None, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(LEAVES[left])
    done = run("-p", "tests.conftest", "-c", "pyproject.toml", str(tmp_path / "test_it.py"))
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert (done.returncode == 0) is (told is None), done.stdout
    assert told is None or told in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_suite_in_development_mode() -> None:
    done = run(
        *("-m", "not slow", "-p", "no:cacheprovider"),
        *(f"--ignore=tests/{folder}" for folder in (*OTHER_PROCESSES, "benchmarks", "packages")),
        timeout=850,
    )
    assert done.returncode == 0, done.stdout[-10_000:]
    # What is found as objects go, where no test can fail for it, is printed.
    for words in ("Exception ignored", "ResourceWarning", "was destroyed but it is pending"):
        assert words not in done.stdout + done.stderr, done.stderr[-10_000:]
