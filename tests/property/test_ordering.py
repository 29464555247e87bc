"""One sender's order over several logs, however their deliveries interleave."""

from collections import defaultdict, deque
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from channels.layers.ordering import Arrival, Log, Order, Place
from channels.layers.redis.envelope import seal, unseal
from channels.layers.senders import MOST_LOGS, Sender

EPOCH = 7
GROUPS = {"g:one": ("a", "b"), "g:two": ("b", "c"), "g:three": ("a", "c")}
CHANNELS = ("a", "b", "c")
MAIL = "p:here"
PATIENCE = 100.0


class Sent(NamedTuple):
    """A message as its sender counts it."""

    sender: int
    number: int
    log: str
    channels: tuple[str, ...]


class World:
    """Senders that write to logs, and a process that reads those in any interleaving."""

    def __init__(self, senders: int) -> None:
        self.order: Order[Sent] = Order(PATIENCE, lambda log, channel: channel in GROUPS[log])
        self.logs: dict[str, Log[Sent]] = {}
        for name in (*GROUPS, MAIL):
            self.logs[name] = self.order.follow(name)
            assert self.order.passed(self.logs[name], EPOCH, 0) == []
        self.senders = [Sender() for _ in range(senders)]
        self.written: dict[str, deque[Arrival[Sent]]] = defaultdict(deque)
        self.tops: dict[str, int] = defaultdict(int)
        self.numbers = 0
        self.got: dict[str, list[Sent]] = {channel: [] for channel in CHANNELS}

    def send(self, number: int, log: str, channel: str) -> None:
        sender = self.senders[number]
        after = unseal(seal(b"m", after=sender.after("", log, 0.0))).after
        self.numbers += 1
        self.tops[log] += 1
        channels, lane = ((channel,), channel) if log == MAIL else (GROUPS.get(log, ()), "")
        sent = Sent(number, self.numbers, log, channels)
        self.written[log].append(Arrival(EPOCH, self.tops[log], lane, after, 1, sent))
        sender.wrote("", log, str(EPOCH), self.tops[log], 1.0)

    def deliver(self, log: str) -> None:
        """What comes next out of a log."""
        if log in self.logs and self.written[log]:
            arrival, here = self.written[log].popleft(), self.logs[log]
            if self.order.is_next(here, arrival.after):
                here.stand(arrival.epoch, arrival.offset)
                self.take([arrival.item])
            else:
                self.take(self.order.bring(here, arrival, 0.0))

    def take(self, ready: list[Sent]) -> None:
        for sent in ready:
            for channel in sent.channels:
                self.got[channel].append(sent)


sends = st.tuples(
    st.just("send"),
    st.integers(0, 2),
    st.sampled_from([*GROUPS, MAIL, MAIL, "g:elsewhere"]),
    st.sampled_from(CHANNELS),
)
deliveries = st.tuples(
    st.just("deliver"), st.just(0), st.sampled_from([*GROUPS, MAIL]), st.just("")
)


@given(st.lists(sends | deliveries, max_size=80), st.permutations([*GROUPS, MAIL]))
@settings(max_examples=500, deadline=None)
def test_each_channel_gets_each_senders_messages_in_order_once(
    steps: list[tuple[str, int, str, str]], rest: list[str]
) -> None:
    world = World(3)
    sent: list[tuple[int, str, str]] = []
    for what, sender, log, channel in steps:
        if what == "send":
            world.send(sender, log, channel)
            sent.append((sender, log, channel))
        else:
            world.deliver(log)
    for log in rest:
        while world.written[log]:
            world.deliver(log)
    assert len(world.order) == 0
    assert not world.order.given_up
    assert world.order.awaited() == []
    expected = sum(1 if log == MAIL else len(GROUPS.get(log, ())) for _, log, _ in sent)
    assert sum(map(len, world.got.values())) == expected
    for got in world.got.values():
        assert len(set(got)) == len(got)
        for sender in range(3):
            of_sender = [each.number for each in got if each.sender == sender]
            assert of_sender == sorted(of_sender)


@given(
    st.lists(sends | deliveries, max_size=80),
    st.sampled_from([*GROUPS, MAIL]),
    st.integers(1, 4),
)
@settings(max_examples=300, deadline=None)
def test_a_log_that_does_not_come_costs_nothing_but_order(
    steps: list[tuple[str, int, str, str]], away: str, most: int
) -> None:
    """Each log keeps its own order, and in the end all is there."""
    world = World(3)
    world.order = Order(PATIENCE, lambda log, channel: channel in GROUPS[log], most=most)
    for name in world.logs:
        world.logs[name] = world.order.follow(name)
        world.order.passed(world.logs[name], EPOCH, 0)
    for what, sender, log, channel in steps:
        if what == "send":
            world.send(sender, log, channel)
        elif log != away:
            world.deliver(log)
            assert len(world.order) <= most
    for log in world.logs:
        while log != away and world.written[log]:
            world.deliver(log)
    world.take(world.order.overdue(PATIENCE))
    assert len(world.order) == 0
    numbers = [each.number for got in world.got.values() for each in set(got)]
    assert len(numbers) == sum(len(got) for got in world.got.values())
    here = sum(world.tops[log] for log in world.logs if log != away)
    assert len(set(numbers)) == here
    while world.written[away]:
        world.deliver(away)
    assert len(world.order) == 0
    for got in world.got.values():
        for log in world.logs:
            of_log = [each.number for each in got if each.log == log]
            assert of_log == sorted(of_log)


@given(
    st.lists(
        st.tuples(st.sampled_from([f"g:{n}" for n in range(40)]), st.integers(0, 5)), max_size=120
    )
)
def test_a_sender_remembers_its_last_places(writes: list[tuple[str, int]]) -> None:
    sender, last = Sender(), dict[str, int]()
    for log, offset in writes:
        last[log] = max(offset, last.pop(log, 0))
        sender.wrote("", log, str(EPOCH), offset, 1.0)
        newest = list(last.items())[-MOST_LOGS:]
        last = dict(newest)
        words = sender.after("", "g:other", 0.0)
        assert words == [f"{name}:{EPOCH}-{offset}" for name, offset in newest]
        assert sender.after("", "g:other", 1.0) == sender.after("other", "g:x", 0.0) == []
        assert sender.after("", log, 0.0) == words[:-1]


@given(
    st.lists(
        st.builds(Place, st.sampled_from(["g:a.b-c", "p:0a1"]), st.integers(0), st.integers(0))
    )
)
def test_places_are_read_as_they_were_written(places: list[Place]) -> None:
    words = [f"{place.log}:{place.epoch}-{place.offset}" for place in places]
    for kind, names in ((b"m", []), (b"m", ["x.1!2", ">g:a:1-2"]), (b"d", ["x.1!2"])):
        envelope = unseal(seal(kind, names, b"\n> :", after=words))
        assert envelope == (kind, names, b"\n> :", places or ())
