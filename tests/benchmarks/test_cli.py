"""The command's errors, before anything is measured."""

from pathlib import Path

import pytest
from benchmarks.cli import main
from benchmarks.pinning import two_cores


def test_an_unknown_scenario_is_named_beside_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "eccho"]) == 2
    error = capsys.readouterr().err
    assert "there is no scenario 'eccho'" in error
    assert "sync-echo" in error


def test_a_missing_environment_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--upstream-python", str(tmp_path / "python")]) == 2
    assert "make bench-env" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--pairs", "0"], ["--seconds", "-1"], ["--loop", "trio"]])
def test_nonsense_is_refused(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(option)
    assert option[0] in capsys.readouterr().err


def test_the_scenarios_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert len(names) == len(set(names)) == 20


def test_server_and_load_get_different_cores() -> None:
    assert two_cores([3, 5, 7]) in {(3, 5), None}  # None where processes cannot be pinned
    assert two_cores([3]) is None
