"""How a test names the line it proves, and what it expects on which side.

Three marks and one function:

``@behaviour("Consumers: ...")``
    the line of the behaviours list; every test here has exactly one.
``@differs(upstream="...", ours="...")``
    the two sides differ on purpose, and the test checks each side's own result, usually by
    ``expected(upstream=..., ours=...)``.
``@only("ours", because="...")``
    the line has no meaning on the other side. Such a test is deselected there, counted and named
    at the end of the run; nothing is skipped.
"""

from importlib import metadata
from typing import Any, Final, Literal, TypeVar

import pytest

Side = Literal["ours", "upstream"]
T = TypeVar("T")


def _side() -> Side:
    try:
        metadata.distribution("channels")
    except metadata.PackageNotFoundError:
        return "ours"
    return "upstream"


SIDE: Final[Side] = _side()
"""Which implementation is installed. Both at once is a mistake that Raceway's checks report."""


def behaviour(line: str) -> pytest.MarkDecorator:
    """Name the line: the group, a colon, and what holds."""
    if ": " not in line:
        raise ValueError(f"{line!r} names no group; write 'Group: what holds'")
    return pytest.mark.behaviour(line)


def differs(*, upstream: str, ours: str) -> pytest.MarkDecorator:
    """Say in words what each side does; the test checks both."""
    return pytest.mark.differs(upstream=upstream, ours=ours)


def only(side: Side, *, because: str) -> pytest.MarkDecorator:
    """Run on one side alone."""
    return pytest.mark.only(side, because=because)


def expected(*, upstream: T, ours: T) -> T:
    """What this side should give."""
    return ours if SIDE == "ours" else upstream


def marks(item: pytest.Item) -> dict[str, Any]:
    """The marks above that ``item`` carries, by name."""
    found = ((name, item.get_closest_marker(name)) for name in ("behaviour", "differs", "only"))
    return {name: mark for name, mark in found if mark is not None}
