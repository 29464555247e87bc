"""Loads the applications of one side."""

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol, cast

DISTRIBUTIONS = {"ours": "raceway", "upstream": "channels"}


class Side(Protocol):
    """What ``framework`` and ``floor`` have in common."""

    APPLICATIONS: dict[str, Any]

    def joiner(self, count: int) -> Any: ...

    def member(self, group: str) -> Any: ...

    async def publish(self, group: str, path: str, text: str = ...) -> None: ...


def load(contender: str) -> Side:
    """The applications of ``ours``, ``upstream`` or ``floor``.

    Raises:
        RuntimeError: the environment's ``channels`` is another one than the contender's.
    """
    if contender == "floor":
        return cast("Side", importlib.import_module("benchmarks.apps.floor"))
    # Both distributions install a package of the same name: only one may be there.
    found = [name for name in DISTRIBUTIONS.values() if _is_installed(name)]
    if found != [DISTRIBUTIONS[contender]]:
        raise RuntimeError(
            f"{contender!r} needs an environment with {DISTRIBUTIONS[contender]!r} and without the "
            f"other one; this one has {found}. Make it anew: make clean bench-env"
        )
    return cast("Side", importlib.import_module("benchmarks.apps.framework"))


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
