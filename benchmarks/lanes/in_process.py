"""Lanes whose applications run in a worker, without a server."""

import itertools
from typing import Any

from benchmarks.lanes.base import PREPARE_TIMEOUT, SLICE_TIMEOUT, Sample
from benchmarks.lanes.places import Places, Worker

_numbers = itertools.count()


class InProcessLane:
    """See :class:`benchmarks.lanes.base.Lane`."""

    def __init__(
        self, places: Places, contender: str, loop: str, *, workload: str, **options: Any
    ) -> None:
        self._workers = places.workers
        self._side = (contender, loop)
        self._workload = workload
        self._options = options
        self._number = next(_numbers)
        self._worker: Worker | None = None
        self.versions: dict[str, str] = {}

    def begin(self) -> None:
        self._worker = self._workers.hire(*self._side)
        self._worker.child.ask(
            "prepare", lane=self._number, workload=self._workload, options=self._options
        )

    def ready(self) -> None:
        assert self._worker is not None, "begin() comes first"
        self.versions = self._worker.versions()
        self._worker.child.answer(PREPARE_TIMEOUT)

    def warm_up(self, seconds: float) -> None:
        self.slice(seconds)

    def slice(self, seconds: float) -> Sample:
        assert self._worker is not None, "begin() comes first"
        self._worker.child.ask("slice", lane=self._number, seconds=seconds)
        return self._worker.child.answer(seconds + SLICE_TIMEOUT)

    def stop(self) -> None:
        if self._worker is not None:
            self._workers.release(self._worker)
