"""Judge the dotted path of an object without importing the module that it is in."""

import re
import symtable
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

DEFINES_AT_RUN_TIME = re.compile(r"import\s*\*|__getattr__|globals\(|setattr\(|exec\(")
"""Where one of these stands in a module's source, only running it tells which names it has."""


def fault_without_import(path: Any) -> str | None:
    """Why ``path`` cannot name an object in a module, in words; None if it may.

    What the module would raise when it is imported does not show. Its parent packages are
    imported. Never raises.
    """
    if not isinstance(path, str) or not all(path.partition(".")):
        return 'it is not a dotted path of the form "module.name"'
    module_name, _, name = path.rpartition(".")
    module = sys.modules.get(module_name)
    if module is not None:
        has_it = _is_being_imported(module) or hasattr(module, name)
    else:
        try:
            spec = find_spec(module_name)
            if spec is None:
                return f"there is no module {module_name!r}"
            source = getattr(spec.loader, "get_source", lambda _: None)(module_name)
            has_it = source is None or _may_define(source, name)
        except ModuleNotFoundError as error:
            return f"there is no module {error.name!r}"
        except SyntaxError as error:
            return f"the module {module_name!r} has a syntax error in line {error.lineno}"
        except Exception as error:  # importing the parent package runs its code
            return f"looking for the module {module_name!r} raised {error!r}"
    return None if has_it else f"the module {module_name!r} has no {name!r}"


def _is_being_imported(module: ModuleType) -> bool:
    """Such a module does not have all of its names yet."""
    return getattr(module.__spec__, "_initializing", False)


def _may_define(source: str, name: str) -> bool:
    """Whether a module of this source can have the name once it was run."""
    if DEFINES_AT_RUN_TIME.search(source):
        return True
    tables = [symtable.symtable(source, "<module>", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        if name not in table.get_identifiers():
            continue
        symbol = table.lookup(name)
        is_bound = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
        if is_bound and (table.get_type() == "module" or symbol.is_declared_global()):
            return True
    return False
