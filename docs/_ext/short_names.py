"""Resolves what docstrings and annotations name, without the network and without looking away.

Docstrings name things as their module does: ``Inbox``, ``ImproperlyConfigured``, ``T``. So a
reference that Sphinx cannot resolve is looked up, in this order,

1. among everything that is documented here, by its last parts, if only one thing ends so: a link;
2. in the class and the module that it stands in, in Raceway's other modules, in Python, Django and
   asgiref: plain text, because it exists but has no entry here.

What is found nowhere stays a warning, and a warning fails the build. Links into other projects
would need their inventories from the network at every build.
"""

import builtins
import importlib
import sys
from typing import Any

from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

PACKAGES = {"channels", "django", "asgiref", "msgspec", "uvicorn", *sys.stdlib_module_names}
"""Where a full name may come from."""

MODULES = (
    "typing",
    "collections.abc",
    "asyncio",
    "asgiref.sync",
    "django.core.exceptions",
    "django.contrib.auth.base_user",
    "django.contrib.auth.models",
    "django.contrib.sessions.backends.base",
)
"""Where a name without its module may come from."""


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: Element
) -> Element | None:
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"]
    here = importlib.import_module(node["py:module"]) if node.get("py:module") else builtins
    classes = getattr(getattr(here, node.get("py:class") or "", None), "__mro__", ())
    # In a class the name may be that of an inherited member, which is documented with its base.
    for wanted in (name, *(f"{cls.__qualname__}.{name}" for cls in classes)):
        documented = env.domains["py"].find_obj(env, None, None, wanted, node["reftype"], 1)
        if len(documented) == 1:
            found, entry = documented[0]
            return make_refnode(
                app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, found
            )
    # A class may be documented under another module than the one that it was written in.
    written_in = [sys.modules[cls.__module__] for cls in classes]
    places = [*classes, here, *written_in, builtins, *map(importlib.import_module, MODULES)]
    if any(_has(place, name) for place in places) or _can_be_imported(name):
        return contnode
    return None


def _can_be_imported(name: str) -> bool:
    """Whether ``name`` is a module of one of the packages, or something in one."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return False
    found: Any = importlib.import_module(parts[0])
    for position in range(1, len(parts)):
        if _has(found, ".".join(parts[position:])):
            return True
        try:
            found = importlib.import_module(".".join(parts[: position + 1]))
        except ImportError:
            return False
    return True


def _has(found: Any, attributes: str) -> bool:
    for attribute in attributes.split("."):
        annotated = attribute in getattr(found, "__annotations__", ())
        if not annotated and not hasattr(found, attribute):
            return False
        found = getattr(found, attribute, None)
    return True


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
