"""`make types`: an unknown type, a new difference from the published stubs, a stale explanation."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check_types = load("check_types")
check_stubs = load("check_stubs")


def symbol(**changes: Any) -> dict[str, Any]:
    return {
        "name": "channels.layers.channel_layers",
        "isExported": True,
        "isTypeKnown": True,
        "isTypeAmbiguous": False,
        "diagnostics": [],
        **changes,
    }


def report(*symbols: dict[str, Any], typed: bool = True, known: int = 1) -> str:
    completeness = {
        "packageRootDirectory": "src/channels",
        "exportedSymbolCounts": {"withKnownType": known},
        "symbols": list(symbols),
    }
    if typed:
        completeness["pyTypedPath"] = "src/channels/py.typed"
    return json.dumps({"typeCompleteness": completeness})


def test_all_known() -> None:
    assert check_types.judged(report(symbol())) == (True, "all 1 public names are known")


@pytest.mark.parametrize(
    "open_one",
    [symbol(isTypeKnown=False), symbol(isTypeAmbiguous=True)],
    ids=["unknown", "ambiguous"],
)
def test_a_public_name_that_is_open_fails_and_is_named(open_one: dict[str, Any]) -> None:
    open_one["diagnostics"] = [{"message": "Type is missing"}]
    passed, output = check_types.judged(report(symbol(), open_one))
    assert not passed
    assert "channels.layers.channel_layers: Type is missing" in output


def test_what_is_not_exported_is_nobodys_concern() -> None:
    assert check_types.judged(report(symbol(), symbol(isExported=False, isTypeKnown=False)))[0]


@pytest.mark.parametrize(
    "output",
    ["", "Error: no such package", "{}", report(symbol(), typed=False), report(known=0)],
    ids=["nothing", "text", "empty", "no py.typed", "no names"],
)
def test_no_report_is_no_success(output: str) -> None:
    assert not check_types.judged(output)[0]


def test_a_new_difference_and_one_that_went_away() -> None:
    known = check_stubs.listed("| difference | reason |\n|---|---|\n| `channels.a old` | Why. |\n")
    assert known == {"channels.a old"}
    assert check_stubs.verdict({"channels.a old"}, known) == []
    new, gone = check_stubs.verdict({"channels.b new"}, known)
    assert new == "not in docs/reference/typing.md: channels.b new"
    assert gone.endswith("no difference any more: channels.a old")


def test_every_listed_difference_has_a_reason() -> None:
    page = (ROOT / check_stubs.PAGE).read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `channels.")]
    assert len(rows) == len(check_stubs.listed(page)) > 10
    for row in rows:
        assert len(row.split(" | ")) == 2, row
        assert row.rpartition("` |")[2].strip(" |"), row


def test_stubs_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make types"):
        check_stubs.differences(tmp_path)
