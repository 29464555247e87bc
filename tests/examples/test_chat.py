"""The example chat: its own tests as its reader runs them, and room names over all of Unicode."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.layers import BaseChannelLayer
from rooms.names import MAX_LENGTH, BadRoomNameError, clean_room_name, room_group

CHAT = Path(__file__).resolve().parents[2] / "examples" / "chat"


def manage(*arguments: str, database: Path) -> subprocess.CompletedProcess[str]:
    """Run the example's ``manage.py`` with warnings as errors and leaks reported."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO_")}
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(CHAT / "manage.py"), *arguments],
        env={**kept, "SECRET_KEY": "tests only", "CHAT_DATABASE": str(database)},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )


@pytest.mark.parametrize("app", ["rooms", "kinds"])
def test_its_own_tests_pass(app: str, tmp_path: Path) -> None:
    done = manage("test", app, database=tmp_path / "chat.sqlite3")
    assert done.returncode == 0, done.stderr
    # An empty run is no success, nor is a skipped test or an exception that was only printed.
    assert "Ran 0 tests" not in done.stderr
    assert "\nOK\n" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def test_checks_and_migrations_are_complete(tmp_path: Path) -> None:
    for command in (["check", "--fail-level", "WARNING"], ["makemigrations", "--check"]):
        done = manage(*command, database=tmp_path / "chat.sqlite3")
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_demo_on_a_bad_port_says_so_in_one_line(tmp_path: Path) -> None:
    done = manage("demo", "web", database=tmp_path / "chat.sqlite3")
    assert done.returncode == 1
    assert done.stderr == "CommandError: The port is 'web'; it must be a number from 1 to 65535.\n"
    assert not (tmp_path / "chat.sqlite3").exists()


@given(st.text(max_size=MAX_LENGTH + 10))
def test_a_typed_name_gives_a_room_or_a_clear_error(typed: str) -> None:
    try:
        name = clean_room_name(typed)
    except BadRoomNameError:
        return
    assert 0 < len(name) <= MAX_LENGTH
    # Otherwise the page of a room would redirect to another one, and that one again.
    assert clean_room_name(name) == name
    # One path segment, whatever a browser makes of it, and a group that a layer takes.
    assert not {"/", "\\"} & set(name)
    assert name not in {".", ".."}
    assert BaseChannelLayer().require_valid_group_name(room_group(name))


@given(st.text(max_size=20), st.text(max_size=20))
def test_two_rooms_share_no_group(one: str, two: str) -> None:
    assert (room_group(one) == room_group(two)) == (one == two)
