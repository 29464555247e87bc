"""Every module can be imported first, before `django.setup()` and without any settings."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import channels

ROOT = Path(channels.__file__).parent

EACH_ALONE = """
import importlib, json, sys, traceback

failures = {}
for name in json.loads(sys.argv[1]):
    for loaded in [m for m in sys.modules if m.partition(".")[0] == "channels"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except Exception:
        failures[name] = traceback.format_exc()
from django.apps import apps
from django.conf import settings

print(json.dumps({"failures": failures, "ready": apps.ready, "configured": settings.configured}))
"""
"""Imports each module with none of the others loaded, as if it were the process's first."""


def modules() -> list[str]:
    names = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("channels", *path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] != "__main__":
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In a fresh interpreter that knows no settings module and turns warnings into errors."""
    environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_each_module_before_setup() -> None:
    names = modules()
    assert "channels.consumer" in names
    assert "channels.testing.conformance" in names
    done = run(EACH_ALONE, json.dumps(names))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert not report["failures"], "\n".join(report["failures"].values())
    assert report["ready"] is False
    assert report["configured"] is False


@pytest.mark.parametrize("name", ["channels.consumer", "channels.auth", "channels.testing"])
def test_as_the_first_import_of_a_process(name: str) -> None:
    done = run(f"import {name}")
    assert done.returncode == 0, done.stderr


def test_without_optional_packages() -> None:
    """Consumers, communicators, checks and commands need the runtime dependencies alone."""
    extras = ["daphne", "hiredis", "httpx", "pytest", "redis", "uvicorn", "uvloop", "websockets"]
    names = [
        "channels.checks",
        "channels.generic.http",
        "channels.generic.websocket",
        "channels.management.commands.runserver",
        "channels.management.commands.runworker",
        "channels.routing",
        "channels.testing",
        "channels.worker",
    ]
    done = run(
        "import importlib, json, sys\n"
        "extras, names = map(json.loads, sys.argv[1:])\n"
        "sys.modules.update(dict.fromkeys(extras))\n"
        "for name in names: importlib.import_module(name)",
        json.dumps(extras),
        json.dumps(names),
    )
    assert done.returncode == 0, done.stderr


def test_there_is_no_channels_http() -> None:
    """Others take its absence as a sign of Channels 4."""
    assert importlib.util.find_spec("channels.http") is None
    assert not (ROOT / "http.py").exists()
