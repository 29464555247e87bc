"""Lanes whose layer has a broker: a Redis server of their own, and one worker or two."""

import itertools
from typing import Any

from benchmarks.broker import Broker
from benchmarks.lanes.base import PREPARE_TIMEOUT, SLICE_TIMEOUT, Sample
from benchmarks.lanes.places import Places, Worker

_numbers = itertools.count()


class BrokeredLane:
    """See :class:`benchmarks.lanes.base.Lane`. A sample's ``broker_cpu`` is the server's.

    Args:
        layer: the backend, see :data:`benchmarks.apps.settings.LAYERS`.
        members: how many of them live in a process of their own; 0 for a sender alone.
        options: of the sender's workload.
    """

    def __init__(
        self,
        places: Places,
        contender: str,
        loop: str,
        *,
        layer: str,
        workload: str,
        members: int,
        **options: Any,
    ) -> None:
        self._places = places
        self._side = (contender, loop)
        self._layer = layer
        self._workload = workload
        self._members = members
        self._options = options
        self._number = next(_numbers)
        self._broker: Broker | None = None
        self._receiver: Worker | None = None
        self._sender: Worker | None = None
        self.versions: dict[str, str] = {}

    def begin(self) -> None:
        self._broker = Broker()
        variables = {"BENCH_LAYER": self._layer, "BENCH_REDIS_PORT": str(self._broker.port)}
        self._sender = self._hire(variables)
        if self._members:
            self._receiver = self._hire(variables)
            self._prepare(self._receiver, "members", members=self._members)

    def ready(self) -> None:
        assert self._sender is not None, "begin() comes first"
        self.versions = self._sender.versions()
        options = self._options
        if self._receiver is not None:
            self._receiver.versions()
            options = {**options, "port": self._receiver.child.answer(PREPARE_TIMEOUT)["port"]}
        self._prepare(self._sender, self._workload, **options)
        self._sender.child.answer(PREPARE_TIMEOUT)

    def warm_up(self, seconds: float) -> None:
        self.slice(seconds)

    def slice(self, seconds: float) -> Sample:
        assert self._sender is not None, "begin() comes first"
        assert self._broker is not None, "begin() comes first"
        broker_cpu = self._broker.cpu()
        both = [worker for worker in (self._receiver, self._sender) if worker is not None]
        for worker in both:
            worker.child.ask("slice", lane=self._number, seconds=seconds)
        samples = [worker.child.answer(seconds + SLICE_TIMEOUT) for worker in both]
        sent = samples[-1]
        return {
            **samples[0],
            "wall": sent["wall"],
            "cpu": sum(sample["cpu"] for sample in samples),
            "broker_cpu": self._broker.cpu() - broker_cpu,
        }

    def stop(self) -> None:
        for worker in (self._sender, self._receiver):
            if worker is not None:
                worker.child.stop()
        if self._broker is not None:
            self._broker.stop()

    def _hire(self, variables: dict[str, str]) -> Worker:
        # Never shared: a worker has one layer.
        return Worker(self._places.environments, *self._side, variables=variables)

    def _prepare(self, worker: Worker, workload: str, **options: Any) -> None:
        worker.child.ask("prepare", lane=self._number, workload=workload, options=options)
