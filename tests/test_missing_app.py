"""`channels` is missing from INSTALLED_APPS: told where a project imports it as Django starts."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.checks.registry import registry
from django.test import override_settings

import channels
from channels.missing_app import check_installed, register_check

WITHOUT = ["django.contrib.auth", "django.contrib.contenttypes"]
LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ASGI_APPLICATION": "site.asgi.application"}, "ASGI_APPLICATION is set"),
        ({"CHANNEL_LAYERS": LAYERS}, "CHANNEL_LAYERS is set"),
        (
            {"ASGI_APPLICATION": "site.asgi.application", "CHANNEL_LAYERS": LAYERS},
            "ASGI_APPLICATION and CHANNEL_LAYERS are set",
        ),
    ],
)
def test_settings_of_channels_without_the_application(changes: dict[str, Any], told: str) -> None:
    settings = {"CHANNEL_LAYERS": {}, "ASGI_APPLICATION": None, **changes}
    with override_settings(INSTALLED_APPS=WITHOUT, **settings):
        (warning,) = [message for message in run_checks() if message.id == "channels.W005"]
    assert told in warning.msg
    assert warning.hint is not None
    assert 'Add "channels" to INSTALLED_APPS' in warning.hint


@pytest.mark.parametrize("apps", [["channels", *WITHOUT], ["channels.apps.ChannelsConfig"]])
def test_nothing_to_say_where_it_is_installed(apps: list[str]) -> None:
    with override_settings(INSTALLED_APPS=apps, ASGI_APPLICATION="x.y", CHANNEL_LAYERS=LAYERS):
        assert check_installed() == []


def test_nothing_to_say_where_nothing_of_it_is_set() -> None:
    with override_settings(INSTALLED_APPS=WITHOUT, ASGI_APPLICATION=None, CHANNEL_LAYERS={}):
        assert check_installed() == []


def test_registering_twice_changes_nothing() -> None:
    before = set(registry.registered_checks)
    assert check_installed in before
    register_check()
    assert set(registry.registered_checks) == before


@pytest.mark.parametrize("installed", [False, True])
def test_a_project_with_a_signal_handler(tmp_path: Path, installed: bool) -> None:
    """In an interpreter of its own, where nothing but the project imports the package."""
    (tmp_path / "notices").mkdir()
    (tmp_path / "notices/__init__.py").write_text("")
    (tmp_path / "notices/models.py").write_text("from channels.layers import get_channel_layer\n")
    (tmp_path / "site_settings.py").write_text(
        f"INSTALLED_APPS = {['channels', 'notices'] if installed else ['notices']!r}\n"
        "SECRET_KEY = 'x'\n"
        "ASGI_APPLICATION = 'site_asgi.application'\n"
        f"CHANNEL_LAYERS = {LAYERS!r}\n"
    )
    (tmp_path / "site_asgi.py").write_text("application = None\n")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "check"],
        cwd=tmp_path,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(channels.__file__).parents[1])]),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ("channels.W005" in done.stderr) is not installed
