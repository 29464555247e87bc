"""Lanes behind uvicorn. The judge is the server's CPU time, because a shared machine steals wall
time from single slices."""

from benchmarks.broker import Broker
from benchmarks.child import Child
from benchmarks.lanes.base import PREPARE_TIMEOUT, SLICE_TIMEOUT, START_TIMEOUT, Sample
from benchmarks.lanes.places import Environments, Places

HELD_BACK = 100
"""Connections that come and go before memory is looked at: what the first ones make the process
allocate once is not the price of a connection."""


OWN_PROTOCOL = "channels.server.websocket:WebSocketProtocol"
"""What ``uvicorn --ws`` is given for Raceway: it brings this protocol. What it does for a bare
application is shown in a lane of its own."""

UVICORNS_PROTOCOL = "websockets-sansio"


class _Pair:
    """A server and the clients that drive it, on different cores."""

    def __init__(
        self,
        environments: Environments,
        contender: str,
        loop: str,
        broker: Broker | None = None,
        *,
        own_protocol: bool | None = None,
    ) -> None:
        if own_protocol is None:
            own_protocol = contender == "ours"
        python = environments.python(contender)
        layer = {"BENCH_LAYER": "redis", "BENCH_REDIS_PORT": str(broker.port)} if broker else None
        protocol = OWN_PROTOCOL if own_protocol else UVICORNS_PROTOCOL
        arguments = (contender, loop, environments.core(0), protocol)
        self.server = Child(python, "benchmarks.server", *arguments, variables=layer)
        # The clients' environment is upstream's: it has the client library, and no ours to mix up.
        self.load = Child(environments.upstream, "benchmarks.load", environments.core(1))
        self.port = 0

    def greet(self) -> dict[str, str]:
        """Wait until both are there; the versions of the server's environment."""
        self.load.answer(START_TIMEOUT)
        greeting = self.server.answer(START_TIMEOUT)
        self.port = greeting["port"]
        versions: dict[str, str] = greeting["versions"]
        return versions

    def open(self, path: str, count: int) -> Sample:
        self.load.ask("open", port=self.port, path=path, count=count)
        return self.load.answer(PREPARE_TIMEOUT)

    def server_cpu(self) -> float:
        self.server.ask("cpu")
        cpu: float = self.server.answer(START_TIMEOUT)["cpu"]
        return cpu

    def server_memory(self) -> int:
        self.server.ask("memory")
        memory: int = self.server.answer(START_TIMEOUT)["bytes"]
        return memory

    def stop(self) -> None:
        # Clients first: a server that is told to stop would say goodbye to every one of them.
        self.load.stop()
        self.server.stop()


class ServedLane:
    """``connections`` clients of one application that are busy all the time.

    Args:
        path: the application.
        drive: ``echo`` or ``room``, what the clients do.
        redis: whether the layer has a Redis server.
        own_protocol: whether uvicorn uses the WebSocket protocol that Raceway brings; ``None``
            where Raceway itself is served.
    """

    def __init__(
        self,
        places: Places,
        contender: str,
        loop: str,
        *,
        path: str,
        drive: str,
        connections: int,
        redis: bool = False,
        own_protocol: bool | None = None,
    ) -> None:
        self._redis = redis
        self._own_protocol = own_protocol
        self._broker: Broker | None = None
        self._side = (places.environments, contender, loop)
        self._path = path
        self._drive = drive
        self._connections = connections
        self._pair: _Pair | None = None
        self.versions: dict[str, str] = {}

    def begin(self) -> None:
        if self._redis:
            self._broker = Broker()
        self._pair = _Pair(*self._side, self._broker, own_protocol=self._own_protocol)

    def ready(self) -> None:
        assert self._pair is not None, "begin() comes first"
        self.versions = self._pair.greet()
        self._pair.open(self._path, self._connections)

    def warm_up(self, seconds: float) -> None:
        self.slice(seconds)

    def slice(self, seconds: float) -> Sample:
        pair = self._pair
        assert pair is not None, "begin() comes first"
        before = pair.server_cpu()
        pair.load.ask(self._drive, seconds=seconds)
        sample = pair.load.answer(seconds + SLICE_TIMEOUT)
        return {**sample, "cpu": pair.server_cpu() - before, "load_cpu": sample["cpu"]}

    def stop(self) -> None:
        if self._pair is not None:
            self._pair.stop()
        if self._broker is not None:
            self._broker.stop()


class IdleLane:
    """``connections`` clients that come and then say nothing, to a new server in every slice.

    A sample's unit is a connection; ``bytes`` is what the server's memory grew by.
    """

    def __init__(
        self,
        places: Places,
        contender: str,
        loop: str,
        *,
        path: str,
        connections: int,
    ) -> None:
        self._side = (places.environments, contender, loop)
        self._path = path
        self._connections = connections
        self._pair: _Pair | None = None
        self.versions: dict[str, str] = {}

    def begin(self) -> None:
        """Nothing runs between slices."""

    def ready(self) -> None:
        """Nothing runs between slices."""

    def warm_up(self, seconds: float) -> None:
        """Every slice has a server of its own."""

    def slice(self, seconds: float) -> Sample:
        pair = self._pair = _Pair(*self._side)
        self.versions = pair.greet()
        pair.open(self._path, HELD_BACK)
        pair.load.ask("close")
        pair.load.answer(SLICE_TIMEOUT)
        memory, cpu = pair.server_memory(), pair.server_cpu()
        sample = pair.open(self._path, self._connections)
        cpu = pair.server_cpu() - cpu
        memory = pair.server_memory() - memory
        self.stop()
        return {**sample, "cpu": cpu, "load_cpu": sample["cpu"], "bytes": memory}

    def stop(self) -> None:
        if self._pair is not None:
            self._pair.stop()
            self._pair = None
