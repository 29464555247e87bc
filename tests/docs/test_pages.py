"""The pages keep up with the code: what is public is documented, what is shown can be imported."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

from channels import exceptions

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)

DOCUMENTED_MODULES = [
    "channels.consumer",
    "channels.generic.websocket",
    "channels.generic.http",
    "channels.routing",
    "channels.middleware",
    "channels.sessions",
    "channels.auth",
    "channels.db",
    "channels.layers",
    "channels.security.websocket",
    "channels.testing",
    "channels.testing.live",
    "channels.testing.conformance",
    "channels.worker",
]
"""Modules that users import from. `channels.exceptions` is documented as a whole."""

INTERNAL = {"channels.worker.Lane", "channels.worker.require_channel_name"}
"""What modules without `__all__` define for themselves."""


def public_names(module_name: str) -> set[str]:
    """The classes and functions that a module offers: `__all__`, else what it defines."""
    module = importlib.import_module(module_name)
    if hasattr(module, "__all__"):
        return set(module.__all__)
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module_name
        and f"{module_name}.{name}" not in INTERNAL
    }


def python_blocks() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        blocks = re.findall(
            r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
        found += [(f"{page.relative_to(DOCS)}-{number}", b) for number, b in enumerate(blocks, 1)]
    return found


@pytest.mark.parametrize("module_name", DOCUMENTED_MODULES)
def test_every_public_name_has_its_entry(module_name: str) -> None:
    pages = "".join(page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md"))
    entries = re.findall(
        r"^\.\. (?:auto\w+|py:data):: channels\.(?:\w+\.)*(\w+)$", pages, re.MULTILINE
    )
    entries += vars(exceptions)  # their page is that of the whole module
    missing = public_names(module_name) - set(entries)
    assert missing == set()


@pytest.mark.parametrize(("where", "code"), [pytest.param(*b, id=b[0]) for b in python_blocks()])
def test_every_example_parses_and_imports_what_exists(where: str, code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "channels":
            module = importlib.import_module(str(node.module))
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_page_can_be_reached(page: Path) -> None:
    if page == DOCS / "index.md":
        return
    index = page.parent / "index.md" if page.name != "index.md" else DOCS / "index.md"
    entry = page.relative_to(index.parent).with_suffix("").as_posix()
    if any(f"{{include}} {page.name}" in other.read_text("utf-8") for other in PAGES):
        return  # a part of another page
    assert re.search(rf"^{re.escape(entry)}$", index.read_text("utf-8"), re.MULTILINE)
