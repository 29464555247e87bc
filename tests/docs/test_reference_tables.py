"""Tables of the reference that list what is in the code: complete, and with nothing else."""

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import BaseCommand
from django.core.management.commands.runserver import Command as DjangoRunserver

import channels
from channels.conf import KEYS
from channels.layers import InMemoryChannelLayer
from channels.limits.values import Limits
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


def table(name: str, begin: str, end: str) -> list[list[str]]:
    """The rows of a table, as the texts of their cells."""
    text = page(name).partition(begin)[2].partition(end)[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r" \|(?= )", line.strip("|"))] for line in lines]


def value(cell: str) -> Any:
    """The first value in code that a cell shows."""
    shown = re.match("`([^`]*)`", cell)
    assert shown, f"{cell!r} begins with no value"
    return ast.literal_eval(shown[1])


def test_every_key_of_channels_stands_on_the_page_of_settings_with_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ASGI_THREADS", raising=False)
    rows = table("settings", "## `CHANNELS`", "\n### ")
    assert {name: value(default) for name, default, *_ in rows} == {
        f"`{name}`": key.default() for name, key in KEYS.items()
    }


def test_every_setting_that_is_a_number_has_a_unit() -> None:
    units = {"SECONDS": "seconds", "THREADS": "threads", "BYTES": "bytes"}
    for name, default, unit, _ in table("settings", "## `CHANNELS`", "\n### "):
        words = name.strip("`").split("_")
        assert unit == units.get(words[-1], ""), name
        assert unit or not isinstance(value(default), int | float) or value(default) is False, name


def test_every_limit_stands_on_its_page_with_its_default() -> None:
    rows = table("limits", "<!-- limits: begin -->", "<!-- limits: end -->")
    assert {name: value(default) for name, default, *_ in rows} == {
        f"`{limit.name}`": limit.default for limit in fields(Limits)
    }


def test_every_option_of_the_in_memory_layer_stands_on_the_page_of_settings() -> None:
    rows = table("settings", "<!-- memory options: begin -->", "<!-- memory options: end -->")
    parameters = inspect.signature(InMemoryChannelLayer).parameters.values()
    assert {name: value(default) for name, _, default, _ in rows} == {
        f"`{parameter.name}`": parameter.default
        for parameter in parameters
        if parameter.name not in {"clock", "kwargs"}  # for tests, and for subclasses
    }


def test_the_page_of_settings_has_them_all() -> None:
    """By including the tables of the other pages."""
    text = page("settings")
    for name, marker in (("limits", "limits"), ("redis", "options")):
        assert f'```{{include}} {name}.md\n:start-after: "<!-- {marker}: begin -->"' in text
