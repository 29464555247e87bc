"""``manage.py runserver``: the values that its own options take and refuse."""

import pytest
from django.core.management.base import CommandError

from channels.management.commands.runserver import HANDSHAKE_TIMEOUT, Command

OPTIONS = ["--http_timeout", "--websocket_handshake_timeout"]


def parse(*arguments: str) -> dict[str, object]:
    return vars(Command().create_parser("manage.py", "runserver").parse_args(arguments))


def test_what_is_so_without_an_option() -> None:
    options = parse()
    assert options["http_timeout"] is None
    assert options["websocket_handshake_timeout"] == HANDSHAKE_TIMEOUT
    assert options["use_asgi"] is True


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(("text", "value"), [("3", 3), ("0.5", 0.5), ("0", 0)])
def test_seconds(option: str, text: str, value: float) -> None:
    assert parse(option, text)[option.lstrip("-")] == value


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("text", ["soon", "", "-1", "nan", "inf"])
def test_what_is_no_number_of_seconds(option: str, text: str) -> None:
    with pytest.raises(CommandError) as refusal:
        # With "=", because a value that begins with a dash is taken for an option otherwise.
        parse(f"{option}={text}")
    assert f"argument {option}" in str(refusal.value)
    assert "seconds" in str(refusal.value)
    assert repr(text) in str(refusal.value)


def test_noasgi() -> None:
    assert parse("--noasgi")["use_asgi"] is False
