"""The suite itself: what it answers, and its ways in."""

import json
import unittest
from typing import Any

import pytest

from channels.layers import BaseChannelLayer, InMemoryChannelLayer
from channels.testing.conformance import (
    CHECKS,
    LayerConformance,
    Outcome,
    checks_named,
    run_checks,
)
from channels.testing.conformance.__main__ import main
from channels.testing.faulty import HoldsOneMore

MEMORY = "channels.layers.InMemoryChannelLayer"


class WithoutGroups(InMemoryChannelLayer):
    """Says that it has no groups, and has none."""

    extensions = ["flush"]

    async def group_add(self, group: str, channel: str) -> None:
        raise NotImplementedError

    def attach(self, channel: str, wake: Any) -> None:
        return None


class FixedOptions(BaseChannelLayer):
    """Can be made in one way only."""

    def __init__(self) -> None:
        super().__init__()


class Exploding(InMemoryChannelLayer):
    """Raises where it should not."""

    async def send(self, channel: str, message: Any) -> None:
        raise LookupError("a bug")


def test_every_check_has_a_name_of_its_own_and_a_sentence() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS) > 50
    for check in CHECKS:
        assert check.sentence[0].isupper() or check.sentence.startswith("``"), check.name
        assert check.sentence.endswith("."), check.name


async def test_what_the_extensions_do_not_name_is_lacking() -> None:
    results = await run_checks(
        WithoutGroups, checks_named(["group_members", "exclude", "order", "inbox"])
    )
    assert {r.check.name: (r.outcome, r.detail) for r in results} == {
        "order": (Outcome.KEPT, ""),
        "group_members": (Outcome.LACKING, "its extensions do not name 'groups'"),
        "exclude": (Outcome.LACKING, "its extensions do not name 'exclude', 'groups'"),
        "inbox": (
            Outcome.LACKING,
            "its attach() returns None: messages are waited for with receive()",
        ),
    }


async def test_an_option_that_the_layer_does_not_know_is_lacking() -> None:
    (result,) = await run_checks(FixedOptions, checks_named(["capacity"]))
    assert result.outcome is Outcome.LACKING
    assert "cannot be made with {'capacity': 3}" in result.detail


async def test_what_a_layer_raises_is_a_broken_promise() -> None:
    (result,) = await run_checks(Exploding, checks_named(["order"]))
    assert result.outcome is Outcome.BROKEN
    assert result.detail == "it raised LookupError('a bug')"
    assert isinstance(result.error, LookupError)


def test_an_unknown_check_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"no check named 'ordre'\. There are: .*order"):
        checks_named(["ordre"])


class TestMixin:
    def run_one(self, name: str, **members: Any) -> unittest.TestResult:
        case = type("Case", (LayerConformance, unittest.TestCase), members)
        result = unittest.TestResult()
        case(f"test_{name}").run(result)
        return result

    def test_a_kept_promise_passes(self) -> None:
        result = self.run_one("order", make_layer=lambda self, **o: InMemoryChannelLayer(**o))
        assert result.wasSuccessful()
        assert result.testsRun == 1
        assert not result.skipped

    def test_a_broken_promise_fails(self) -> None:
        result = self.run_one("capacity", make_layer=lambda self, **o: HoldsOneMore(**o))
        ((_, text),) = result.failures
        assert "the fourth message was accepted at capacity 3" in text

    def test_a_lacking_one_is_skipped_with_the_reason(self) -> None:
        result = self.run_one("group_members", make_layer=lambda self, **o: WithoutGroups(**o))
        ((_, text),) = result.skipped
        assert text == "its extensions do not name 'groups'"

    def test_make_layer_has_to_be_written(self) -> None:
        result = self.run_one("order")
        ((_, text),) = result.errors
        assert "needs make_layer(self, **options)" in text


class TestCommand:
    def test_it_prints_what_it_found_and_ends_with_0(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([MEMORY, "--check", "order", "--check", "send_from_a_peer"]) == 0
        out = capsys.readouterr().out.splitlines()
        assert out == [
            "kept     order",
            "lacking  send_from_a_peer",
            "         two layers of one configuration are not said to talk to each other",
            "1 kept, 0 broken, 1 lacking",
        ]

    def test_a_broken_promise_is_quoted_and_ends_with_1(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["channels.testing.faulty.HoldsOneMore", "--check", "capacity"]) == 1
        out = capsys.readouterr().out
        assert "broken   capacity\n         promised: A channel holds ``capacity`` messages" in out
        assert "the fourth message was accepted at capacity 3" in out

    def test_the_config_reaches_the_layer(self, capsys: pytest.CaptureFixture[str]) -> None:
        config = json.dumps({"expiry": 0.5, "capacity": 7})
        assert main([MEMORY, "--config", config, "--check", "capacity_by_name"]) == 0

    def test_the_expiry_is_that_of_the_option(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([MEMORY, "--expiry", "0.01", "--check", "expiry"]) == 0

    def test_it_lists_the_checks(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--list"]) == 0
        out = capsys.readouterr().out
        assert all(check.sentence in out for check in CHECKS)

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["--help"])
        assert ended.value.code == 0
        assert "--config JSON" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ([], "say which layer"),
            (["no.such.Layer"], "BACKEND 'no.such.Layer' cannot be imported"),
            ([MEMORY, "--config", "{"], "--config is not JSON"),
            ([MEMORY, "--config", "[]"], "it must be an object such as"),
            ([MEMORY, "--config", '{"hosts": []}'], "cannot be made with {'hosts': []}"),
            ([MEMORY, "--check", "ordre"], "There is no check named 'ordre'"),
        ],
    )
    def test_bad_input_ends_with_2_and_says_what_to_do(
        self, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert words in capsys.readouterr().err
