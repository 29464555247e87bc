"""Imports of the package point one way: from what serves users down to what knows nothing."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import channels

ROOT = Path(channels.__file__).parent

RANKS: list[tuple[str, list[str]]] = [
    ("words", ["channels", "channels.exceptions", "channels.typing"]),
    (
        "pure pieces",
        [
            "channels.alarms",
            "channels.ahead",
            "channels.begun",
            "channels.boundaries",
            "channels.denial",
            "channels.direct",
            "channels.doorbell",
            "channels.dotted_path",
            "channels.gate",
            "channels.layers.deadlines",
            "channels.layers.drops",
            "channels.layers.forks",
            "channels.layers.following",
            "channels.layers.groups",
            "channels.layers.log",
            "channels.layers.loop_end",
            "channels.layers.mailbox",
            "channels.layers.ordering",
            "channels.layers.senders",
            "channels.layers.serializers",
            "channels.layers.rules",
            "channels.layers.snapshot",
            "channels.limits.addresses",
            "channels.limits.meter",
            "channels.limits.rejections",
            "channels.limits.roster",
            "channels.limits.values",
            "channels.live",
            "channels.statistics",
            "channels.pool",
            "channels.stop_signals",
            "channels.turn",
            "channels.utils",
            "channels.wire",
            "channels.watch",
        ],
    ),
    ("layers and brokers", ["channels.layers.*"]),
    (
        "settings and threads",
        [
            "channels.conf",
            "channels.db",
            "channels.jsontext",
            "channels.layers",
            "channels.layers.manager",
            "channels.missing_app",
            "channels.strands",
            "channels.threads",
        ],
    ),
    (
        "consumers and the way to them",
        [
            "channels.auth",
            "channels.closing",
            "channels.connection",
            "channels.consumer",
            "channels.control",
            "channels.draining.*",
            "channels.lifespan",
            "channels.limits.*",
            "channels.ending",
            "channels.layer_lane",
            "channels.middleware",
            "channels.outbox",
            "channels.overlap",
            "channels.revalidation",
            "channels.routing",
            "channels.sessions",
        ],
    ),
    ("what users subclass", ["channels.generic.*", "channels.security.*", "channels.worker"]),
    (
        "tools around the package",
        [
            "channels.apps",
            "channels.checks",
            "channels.management.*",
            "channels.server.*",
            "channels.testing.*",
        ],
    ),
]
"""From the bottom up. A module imports from its own rank and from those above it in this list.
``name.*`` stands for a package and all that no other line names."""

DRIVERS = {
    "hiredis": "channels.layers.redis",
    "pytest": "channels.testing",
    "redis": "channels.layers.redis",
    "uvicorn": "channels.server",
    "uvloop": "channels.server",
    "websockets": "channels.server",
}
"""What comes with an extra, and the only package of ours that may import it."""


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    line: int
    in_function: bool

    def __str__(self) -> str:
        where = " (inside a function)" if self.in_function else ""
        return f"{self.importer}, line {self.line}, imports {self.imported}{where}"


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("channels", *path.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def is_type_checking(node: ast.If) -> bool:
    test = node.test
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def import_nodes(
    nodes: list[ast.stmt], in_function: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import that can run: those for type checkers alone are left out."""
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, in_function
        elif isinstance(node, ast.If) and is_type_checking(node):
            yield from import_nodes(node.orelse, in_function)
        else:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for field in ("body", "orelse", "finalbody"):
                yield from import_nodes(getattr(node, field, []), in_function or function)
            for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
                yield from import_nodes(part.body, in_function)


def imports_of(name: str) -> Iterator[Import]:
    tree = ast.parse(MODULES[name].read_text())
    for node, in_function in import_nodes(tree.body):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            assert node.level == 0, f"{name}: relative imports hide where they point"
            base = node.module or ""
            targets = []
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                targets.append(inner if inner in MODULES else base)
        for target in dict.fromkeys(targets):
            yield Import(name, target, node.lineno, in_function)


def rank_of(name: str) -> int:
    best: tuple[int, int] | None = None
    for rank, (_, patterns) in enumerate(RANKS):
        for pattern in patterns:
            package = pattern.removesuffix(".*")
            exact = pattern == name
            inside = pattern.endswith(".*") and (name + ".").startswith(package + ".")
            if exact or inside:
                weight = len(pattern) + (1000 if exact else 0)
                best = max(best or (0, 0), (weight, rank))
    if best is None:
        pytest.fail(f"{name} has no rank: say in RANKS where it stands")
    return best[1]


INTERNAL = [i for name in MODULES for i in imports_of(name) if i.imported in MODULES]


def test_every_module_has_a_rank() -> None:
    for name in MODULES:
        rank_of(name)


def test_ranks_name_existing_modules() -> None:
    for _, patterns in RANKS:
        for pattern in patterns:
            assert pattern.removesuffix(".*") in MODULES, f"RANKS names {pattern}, which is gone"


def test_imports_point_one_way() -> None:
    wrong = [
        f"{i}: '{RANKS[rank_of(i.importer)][0]}' may not know '{RANKS[rank_of(i.imported)][0]}'"
        for i in INTERNAL
        if rank_of(i.imported) > rank_of(i.importer)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_itself_in_a_circle() -> None:
    """A circle through a function-level import is late binding, and allowed; see RANKS for it."""
    graph = {
        name: {i.imported for i in INTERNAL if i.importer == name and not i.in_function} - {name}
        for name in MODULES
    }
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            pytest.fail(" -> ".join([*path[path.index(name) :], name]))
        if name not in done:
            for imported in sorted(graph[name]):
                walk(imported, [*path, name])
            done.add(name)

    for name in MODULES:
        walk(name, [])


def test_drivers_are_imported_in_their_place_only() -> None:
    wrong = [
        str(i)
        for name in MODULES
        for i in imports_of(name)
        if (home := DRIVERS.get(i.imported.split(".")[0]))
        and not (name + ".").startswith(home + ".")
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_imported_from_the_tests() -> None:
    wrong = [
        str(i) for name in MODULES for i in imports_of(name) if i.imported.split(".")[0] == "tests"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a", [("a", False)]),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", [("b", False)]),
        ("import typing\nif typing.TYPE_CHECKING:\n    import a", [("typing", False)]),
        ("def f():\n    import a", [("a", True)]),
        ("class C:\n    async def f(self):\n        import a", [("a", True)]),
        ("try:\n    import a\nexcept ImportError:\n    import b", [("a", False), ("b", False)]),
        ("with x:\n    if y:\n        import a", [("a", False)]),
    ],
)
def test_the_reader_of_imports(source: str, expected: list[tuple[str, bool]]) -> None:
    found = import_nodes(ast.parse(source).body)
    assert [(node.names[0].name, in_function) for node, in_function in found] == expected
