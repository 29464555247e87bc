"""Messages of one sender over several logs, in its order: what is held, and for how long. Pure.

Each log keeps its own order. A message says besides which *places* in other logs it comes after,
because its sender had been told that it had written there. Of a message whose places this process
follows and has not delivered yet, the delivery waits; and so does what comes later in its *lane*: a
group's log is one lane, of a process's mail each channel is one.

Nothing waits in a circle. What a message waits for, a place or an earlier message of its lane, was
in its log before the message was appended to its own. So a log that is read after the message came
has the place, or has lost it: a server that lost its newest entries in a failover gives positions
away twice, and with them these arguments. Places that were lost are waited for no longer.

No wait is longer than a deadline. A message whose time has come is delivered out of its sender's
order, never dropped. The log that it waited for is waited for no more until it moves: where its
server is away, every message would be that late.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

MOST_HELD = 10_000
"""Messages that are held at a time. One more, and the one that waits longest is given up."""

MOST_HELD_BYTES = 16 << 20
"""Bytes that are held at a time, in the same way."""


class Place(NamedTuple):
    """An entry of some log."""

    log: str
    epoch: int
    offset: int


class Arrival(NamedTuple, Generic[T]):
    """A message as it comes out of its log, in the order of the log."""

    epoch: int
    offset: int
    lane: str
    """The channel of a direct message; empty for a group's."""
    after: Sequence[Place]
    size: int
    item: T


class _Held(Generic[T]):
    """One message that waits."""

    __slots__ = ("arrival", "deadline", "in_vain", "lane")

    def __init__(self, lane: "_Lane[T]", arrival: Arrival[T], deadline: float) -> None:
        self.lane = lane
        self.arrival = arrival
        self.deadline = deadline
        self.in_vain = False
        """Whether it is delivered whatever comes before it."""


class _Lane(Generic[T]):
    """Messages that are delivered one after the other. It is there while the first one waits."""

    __slots__ = ("held", "log", "name", "ticket")

    def __init__(self, log: "Log[T]", name: str) -> None:
        self.log = log
        self.name = name
        self.held: deque[_Held[T]] = deque()
        self.ticket = 0
        """Of the wait that counts; others of this lane, in the heaps of logs, are over."""


class Log(Generic[T]):
    """A log that is followed here, and how far it has come."""

    __slots__ = ("asked", "awaited", "epoch", "held", "lanes", "lost", "name", "offset", "stalled")

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.epoch: int = 0
        """0 until it is known."""
        self.offset: int = 0
        """Everything up to here was delivered, or is held."""
        self.lost: int = 0
        """Places of this epoch up to here are waited for no longer: the log had them once, or
        should have them, and was found to end before."""
        self.asked: int = 0
        """The newest ticket when the log was last asked for what it has."""
        self.lanes: dict[str, _Lane[T]] = {}
        # Ordered ones, because a plain dict takes long to find its first key after many went.
        self.held: OrderedDict[_Held[T], None] = OrderedDict()
        self.awaited: list[tuple[int, int, _Lane[T]]] = []
        """A heap of waits, all for the epoch that it stands in: offset, ticket, lane."""
        self.stalled: bool = False
        """Whether somebody waited for it in vain, and it has not moved since."""

    @property
    def busy(self) -> bool:
        """Whether its next entry may have to wait, or may end a wait."""
        return bool(self.held or self.awaited or self.stalled)

    def stand(self, epoch: int, offset: int) -> None:
        """It has come this far."""
        if epoch != self.epoch:
            self.epoch, self.lost = epoch, 0
        elif offset < self.offset:
            self.lost = max(self.lost, self.offset)
        self.offset = offset

    def delivered(self) -> tuple[int, int]:
        """Everything up to here was delivered."""
        if self.held:
            first = next(iter(self.held)).arrival
            return first.epoch, first.offset - 1
        return self.epoch, self.offset


class Order(Generic[T]):
    """The order of what comes out of the logs that one process follows.

    What the methods return is to be delivered now, as it stands there.

    Args:
        patience: seconds that a message is held at most.
        concerns: asked with a log and a channel that has direct mail: whether the channel gets
            what is in the log.
        most: messages that are held at a time.
        most_bytes: bytes that are held at a time.
    """

    def __init__(
        self,
        patience: float,
        concerns: Callable[[str, str], bool],
        *,
        most: int = MOST_HELD,
        most_bytes: int = MOST_HELD_BYTES,
    ) -> None:
        self.logs: dict[str, Log[T]] = {}
        self.given_up: list[str] = []
        """For each message that was delivered without what it comes after, its log. Whoever counts
        them clears it."""
        self._patience = patience
        self._concerns = concerns
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._held: OrderedDict[_Held[T], None] = OrderedDict()
        self._due: dict[_Lane[T], None] = {}
        self._stalled = 0
        self._tickets = 0

    def __len__(self) -> int:
        """How many messages are held."""
        return len(self._held)

    def follow(self, name: str) -> Log[T]:
        """A log is followed from now on. Where it begins, the first :meth:`passed` tells."""
        log = self.logs[name] = Log(name)
        return log

    def unfollow(self, log: Log[T]) -> bool:
        """Forget a log, with what is held of it. Nobody waits for it any longer; whether somebody
        did, so that :meth:`settle` has something to return."""
        if self.logs.get(log.name) is log:
            del self.logs[log.name]
        for lane in log.lanes.values():
            for held in lane.held:
                self._forget(held)
            lane.held.clear()
            lane.ticket = 0
            self._due.pop(lane, None)
        log.lanes.clear()
        self._stall(log, False)
        self._wake(log, over=True)
        return bool(self._due)

    def left(self, log: Log[T], lane: str) -> bool:
        """The channel of a lane gets less than before; returns what :meth:`unfollow` does."""
        found = log.lanes.get(lane)
        if found is not None:
            self._due[found] = None
        return bool(self._due)

    def is_next(self, log: Log[T], after: Sequence[Place]) -> bool:
        """Whether the next message of a log can be delivered at once and ends no wait, as nearly
        all can: then :meth:`Log.stand` does instead of :meth:`bring`, for less. ``False`` if it
        takes more to find out."""
        if log.busy:
            return False
        for place in after:
            other = self.logs.get(place.log)
            if other is None or other is log or other.epoch != place.epoch:
                continue
            if other.offset < place.offset or other.held:
                return False
        return True

    def bring(self, log: Log[T], arrival: Arrival[T], now: float) -> list[T]:
        """The next message of a log."""
        lane = log.lanes.get(arrival.lane)
        awaited = self._unmet(log, arrival) if lane is None else None
        if lane is None and awaited is None:
            if self._stalled:
                self._note(log, arrival)
            return [arrival.item, *self.passed(log, arrival.epoch, arrival.offset)]
        if lane is None:
            lane = log.lanes[arrival.lane] = _Lane(log, arrival.lane)
        held = _Held(lane, arrival, now + self._patience)
        lane.held.append(held)
        log.held[held] = self._held[held] = None
        self._bytes += arrival.size
        if awaited is not None:
            self._wait(lane, awaited)
        ready = self.passed(log, arrival.epoch, arrival.offset)
        while len(self) > self._most or (self._bytes > self._most_bytes and len(self) > 1):
            self._give_up(next(iter(self._held)))
            ready += self.settle()
        return ready

    def passed(self, log: Log[T], epoch: int, offset: int) -> list[T]:
        """A log has come this far; what is not held of it was delivered, or was for nobody."""
        over = epoch != log.epoch  # nobody can wait for an epoch that had not begun
        if log.stalled and (over or offset != log.offset):
            self._stall(log, False)
        log.stand(epoch, offset)
        self._wake(log, over=over)
        return self.settle()

    def asks(self, log: Log[T]) -> None:
        """A log is being asked for what it has: all that was written before now."""
        log.asked = self._tickets

    def read(self, log: Log[T], epoch: int, offset: int) -> list[T]:
        """The answer: it ends there."""
        ready = self.passed(log, epoch, offset)
        for place, ticket, lane in log.awaited:
            if place > offset and ticket <= log.asked and lane.ticket == ticket:
                log.lost = max(log.lost, place)
        self._wake(log)
        return ready + self.settle()

    def overdue(self, now: float) -> list[T]:
        """What has waited as long as it may."""
        ready: list[T] = []
        while self._held and (oldest := next(iter(self._held))).deadline <= now:
            place = self._unmet(oldest.lane.log, oldest.arrival)
            if place is not None:
                self._stall(self.logs[place.log], True)
                self._wake(self.logs[place.log], over=True)
            self._give_up(oldest)
            ready += self.settle()
        return ready

    def awaited(self) -> list[str]:
        """The logs that somebody waits for."""
        return [
            log.name
            for log in self.logs.values()
            if any(lane.ticket == ticket for _, ticket, lane in log.awaited)
        ]

    def settle(self) -> list[T]:
        """Deliver what no longer waits."""
        ready: list[T] = []
        while self._due:
            lane, _ = self._due.popitem()
            lane.ticket = 0
            while lane.held:
                held = lane.held[0]
                if not held.in_vain and (awaited := self._unmet(lane.log, held.arrival)):
                    self._wait(lane, awaited)
                    break
                lane.held.popleft()
                self._forget(held)
                if held.in_vain or self._stalled:
                    self._note(lane.log, held.arrival)
                ready.append(held.arrival.item)
                self._wake(lane.log)
            else:
                del lane.log.lanes[lane.name]
        return ready

    def _unmet(self, log: Log[T], arrival: Arrival[T]) -> Place | None:
        """A place that the message has to wait for."""
        for place in self._missing(log, arrival):
            if not self.logs[place.log].stalled:
                return place
        return None

    def _missing(self, log: Log[T], arrival: Arrival[T]) -> Iterator[Place]:
        """The places that the message comes after and that were not delivered."""
        for place in arrival.after:
            other = self.logs.get(place.log)
            if (
                other is not None
                and other is not log
                and other.epoch == place.epoch
                and other.lost < place.offset
                and (other.offset < place.offset or other.delivered() < place[1:])
                and (not arrival.lane or self._concerns(place.log, arrival.lane))
            ):
                yield place

    def _note(self, log: Log[T], arrival: Arrival[T]) -> None:
        """Count a message that is delivered now, if it should have come after another."""
        if any(self._missing(log, arrival)):
            self.given_up.append(log.name)

    def _stall(self, log: Log[T], stalled: bool) -> None:
        if log.stalled is not stalled:
            log.stalled = stalled
            self._stalled += 1 if stalled else -1

    def _wait(self, lane: _Lane[T], place: Place) -> None:
        self._tickets += 1
        lane.ticket = self._tickets
        awaited = self.logs[place.log].awaited
        heappush(awaited, (place.offset, lane.ticket, lane))
        if len(awaited) > 2 * len(self._held) + 64:
            # Waits that were given up, for a log that does not move.
            awaited[:] = [wait for wait in awaited if wait[1] == wait[2].ticket]
            heapify(awaited)

    def _wake(self, log: Log[T], *, over: bool = False) -> None:
        """After a log moved, or its epoch is over: look at who waited for that."""
        if not log.awaited:
            return
        reached = max(log.delivered(), (log.epoch, log.lost))
        while log.awaited and (over or (log.epoch, log.awaited[0][0]) <= reached):
            _, ticket, lane = heappop(log.awaited)
            if lane.ticket == ticket:
                self._due[lane] = None

    def _give_up(self, oldest: _Held[T]) -> None:
        """Deliver a message that came before all others that are held: the first of its lane."""
        oldest.in_vain = True
        self._due[oldest.lane] = None

    def _forget(self, held: _Held[T]) -> None:
        del self._held[held], held.lane.log.held[held]
        self._bytes -= held.arrival.size
