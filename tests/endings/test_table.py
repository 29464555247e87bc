"""The table in the documentation is the one that the tests of the endings check."""

from pathlib import Path

from tests.endings.expected import ENDINGS, SERVERS, table

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "endings.md"


def test_the_page_has_the_table() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")


def test_every_other_server_that_is_named_is_tried() -> None:
    for name, ending in ENDINGS.items():
        assert set(ending.elsewhere) < set(SERVERS), name
        for server in ending.elsewhere:
            assert ending.behind(server) != (ending.code, ending.saw), (name, server)
