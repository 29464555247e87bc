"""The live test server carries the example site, database in memory and all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_site_on_the_live_server(chromium: str, tmp_path: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO_")}
    done = subprocess.run(
        [sys.executable, "examples/chat/manage.py", "test", "tests.browser.on_live_server"],
        cwd=ROOT,
        env={
            **kept,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"))),
            "SECRET_KEY": "tests only",
            "CHAT_DATABASE": str(tmp_path / "chat.sqlite3"),
            "CHROMIUM": chromium,
            # Playwright's synchronous API has an event loop running in the test's thread.
            "DJANGO_ALLOW_ASYNC_UNSAFE": "1",
        },
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr
    assert "\nOK\n" in done.stderr, done.stderr
