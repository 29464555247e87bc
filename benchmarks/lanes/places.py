"""Where lanes run: interpreters, cores, and the workers in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import Child
from benchmarks.lanes.base import START_TIMEOUT


@dataclass(frozen=True)
class Environments:
    """The interpreters of a run.

    Upstream and ours cannot share an environment: both are the package ``channels``.
    """

    ours: Path
    upstream: Path
    cores: tuple[int, int] | None
    """Of the server and of the load, where processes can be pinned."""

    def python(self, contender: str) -> Path:
        return self.upstream if contender == "upstream" else self.ours

    def core(self, index: int) -> str:
        return str(self.cores[index]) if self.cores else "any"


class Worker:
    """A worker process and the versions it runs."""

    def __init__(
        self,
        environments: Environments,
        contender: str,
        loop: str,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        python = environments.python(contender)
        self.child = Child(python, "benchmarks.worker", contender, loop, variables=variables)
        self._versions: dict[str, str] | None = None

    def versions(self) -> dict[str, str]:
        """Wait for the greeting, which is the first answer."""
        if self._versions is None:
            self._versions = self.child.answer(START_TIMEOUT)["versions"]
        return self._versions


class Workers:
    """Gives out workers.

    Args:
        shared: one for all lanes of a side and loop, instead of one for each lane. That saves
            starts, and is no way to measure: what earlier lanes hold is there for all.
    """

    def __init__(self, environments: Environments, *, shared: bool) -> None:
        self._environments = environments
        self._kept: dict[tuple[str, str], Worker] | None = {} if shared else None

    def hire(self, contender: str, loop: str) -> Worker:
        if self._kept is None:
            return Worker(self._environments, contender, loop)
        if (contender, loop) not in self._kept:
            self._kept[contender, loop] = Worker(self._environments, contender, loop)
        return self._kept[contender, loop]

    def release(self, worker: Worker) -> None:
        if self._kept is None:
            worker.child.stop()

    def close(self) -> None:
        """End the workers that were shared."""
        for worker in (self._kept or {}).values():
            worker.child.stop()


class Places:
    """What a lane is given.

    Args:
        shared: see :class:`Workers`.
    """

    def __init__(self, environments: Environments, *, shared: bool) -> None:
        self.environments = environments
        self.workers = Workers(environments, shared=shared)
