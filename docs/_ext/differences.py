"""The directive ``differences``: where Raceway departs from Channels, read from the tests.

A test in ``tests/behaviours`` that is marked ``@differs`` runs on both sides and checks each side's
own result. So the table cannot say anything that is not so.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

BEHAVIOURS = Path(__file__).parent.parent.parent / "tests" / "behaviours"


class Difference(NamedTuple):
    """One test that expects something else on each side."""

    group: str
    line: str
    upstream: str
    ours: str


def differences() -> Iterator[Difference]:
    for path in sorted(BEHAVIOURS.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                marks = {
                    mark.func.id: mark
                    for mark in node.decorator_list
                    if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name)
                }
                if "differs" in marks:
                    group, line = ast.literal_eval(marks["behaviour"].args[0]).split(": ", 1)
                    words = {
                        str(keyword.arg): ast.literal_eval(keyword.value)
                        for keyword in marks["differs"].keywords
                    }
                    yield Difference(group, line, words["upstream"], words["ours"])


class Differences(SphinxDirective):
    """All of them, a table for each group."""

    def run(self) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        everything = sorted(differences())
        for group in sorted({difference.group for difference in everything}):
            rows = [row for row in everything if row.group == group]
            text = ["| " + group + " | Channels | Raceway |", "|---|---|---|"]
            text += [f"| {_cell(r.line)} | {_cell(r.upstream)} | {_cell(r.ours)} |" for r in rows]
            found += self.parse_text_to_nodes("\n".join(text))
        for path in BEHAVIOURS.glob("test_*.py"):
            self.env.note_dependency(str(path))
        return found


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*").replace("_", r"\_").replace("<", r"\<")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("differences", Differences)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
