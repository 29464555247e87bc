"""Every table inside an object: what may grow without anybody noticing."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

CONTAINERS = (dict, set, list, deque, frozenset)


def tables(root: object) -> dict[str, int]:
    """By path, how much each container holds that is reachable from ``root`` through objects of
    the package. What a container holds counts for one path, ``boxes[]``."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    todo: list[tuple[str, Any]] = [(type(root).__name__, root)]
    while todo:
        path, value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, CONTAINERS):
            found[path] = max(found.get(path, 0), len(value))
            inside = value.values() if isinstance(value, Mapping) else value
            todo += [(f"{path}[]", each) for each in list(inside)]
        elif type(value).__module__.partition(".")[0] == "channels":
            todo += [(f"{path}.{name}", each) for name, each in _attributes(value)]
    return found


def _attributes(value: object) -> Iterator[tuple[str, Any]]:
    yield from getattr(value, "__dict__", {}).items()
    for kind in type(value).__mro__:
        names = getattr(kind, "__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if hasattr(value, name):
                yield name, getattr(value, name)
