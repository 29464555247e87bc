"""Tables of the reference that list what is in the code: complete, and with nothing else."""

import re
from pathlib import Path

import pytest
from django.core.management.base import BaseCommand
from django.core.management.commands.runserver import Command as DjangoRunserver

import channels
from channels.conf import KEYS
from channels.management.commands import runserver, runworker

SOURCE = Path(channels.__file__).parent
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def in_source(pattern: str) -> set[str]:
    return {
        found
        for path in SOURCE.rglob("*.py")
        for found in re.findall(pattern, path.read_text(encoding="utf-8"))
    }


def test_every_system_check_stands_on_its_page() -> None:
    in_code = in_source(r'id="(channels\.[EW]\d{3})"')
    assert len(in_code) > 5
    assert set(re.findall(r"^\| `(channels\.\w+)`", page("checks"), re.MULTILINE)) == in_code


def options(command: BaseCommand, base: BaseCommand) -> set[str]:
    def long_ones(one: BaseCommand) -> set[str]:
        parser = one.create_parser("manage.py", "command")
        return {
            name for action in parser._actions for name in action.option_strings if "--" in name
        }

    return long_ones(command) - long_ones(base)


@pytest.mark.parametrize(
    ("command", "base"),
    [(runserver.Command(), DjangoRunserver()), (runworker.Command(), BaseCommand())],
    ids=["runserver", "runworker"],
)
def test_every_option_of_our_own_stands_on_its_page(
    command: BaseCommand, base: BaseCommand
) -> None:
    ours = options(command, base)
    assert ours
    named = set(re.findall(r"`(--\w+)", page("commands")))
    assert ours <= named, ours - named


def test_no_option_is_named_that_is_none() -> None:
    known = options(runserver.Command(), BaseCommand()) | options(
        runworker.Command(), BaseCommand()
    )
    rows = "\n".join(line for line in page("commands").splitlines() if line.startswith("| `--"))
    assert set(re.findall(r"`(--\w+)", rows)) <= known


def test_every_logger_stands_on_the_page_of_settings() -> None:
    in_code = in_source(r'getLogger\("([\w.]+)"\)')
    assert len(in_code) > 3
    rows = page("settings").partition("## Loggers")[2]
    assert set(re.findall(r"^\| `([\w.]+)` \|", rows, re.MULTILINE)) == in_code


def test_every_key_of_channels_stands_on_the_page_of_settings() -> None:
    rows = page("settings").partition("## `CHANNELS`")[2].partition("|---|")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)) == set(KEYS)
