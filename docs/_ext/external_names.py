"""Lets a reference to a name of Python, Django or asgiref stand without a link, if it exists.

Links into other projects would need their inventories from the network at every build. Ignoring what
cannot be resolved would hide misspellings, so each name is looked up in the installed package.
"""

import builtins
import importlib
import sys
from typing import Any

from docutils.nodes import Element
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

PACKAGES = {"django", "asgiref", "msgspec", "uvicorn", *sys.stdlib_module_names}


def exists(name: str) -> bool:
    """Whether ``name`` is a builtin or can be imported from one of the packages above."""
    first, *attributes = name.split(".")
    if hasattr(builtins, first):
        return _has(getattr(builtins, first), attributes)
    if first not in PACKAGES:
        return False
    found: Any = importlib.import_module(first)
    for position, attribute in enumerate(attributes):
        if hasattr(found, attribute):
            return _has(found, attributes[position:])
        try:
            found = importlib.import_module(".".join([first, *attributes[: position + 1]]))
        except ImportError:
            return False
    return True


def _has(found: Any, attributes: list[str]) -> bool:
    for attribute in attributes:
        if not hasattr(found, attribute):
            return False
        found = getattr(found, attribute)
    return True


def stand_without_a_link(
    app: Sphinx, env: BuildEnvironment, node: Element, contnode: Element
) -> Element | None:
    if node.get("refdomain") == "py" and exists(node["reftarget"]):
        return contnode
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("missing-reference", stand_without_a_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
