"""The log behind a group against the list of everything that was ever appended."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from channels.layers.log import GroupLog, Position
from tests.property.examples import MACHINE, VALUES

EXPIRY = 10


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.appended: list[int] = []
        """When each entry was appended; the entry of offset n is at index n - 1."""

    @initialize(capacity=st.integers(0, 4))
    def begin(self, capacity: int) -> None:
        self.capacity = capacity
        self.log: GroupLog[str] = GroupLog("now", capacity, EXPIRY)

    def kept(self) -> list[tuple[int, str]]:
        last = len(self.appended)
        return [
            (offset, f"item {offset}")
            for offset, at in enumerate(self.appended, 1)
            if offset > last - self.capacity and at + EXPIRY > self.now
        ]

    @rule()
    def append(self) -> None:
        self.appended.append(self.now)
        offset = len(self.appended)
        assert self.log.append(f"item {offset}", self.now) == Position("now", offset)

    @rule(seconds=st.integers(1, EXPIRY))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def trim(self) -> None:
        self.log.trim(self.now)

    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(0, len(self.appended)))
        replay = self.log.since(Position("now", offset), self.now)
        entries = [tuple(entry) for entry in replay.entries]
        assert entries == [entry for entry in self.kept() if entry[0] > offset]
        assert replay.gap == len(self.appended) - offset - len(entries)
        assert replay.position == Position("now", len(self.appended))

    @rule(offset=st.integers(-3, 100), epoch=st.sampled_from(["now", "before", ""]))
    def come_from_another_life(self, offset: int, epoch: str) -> None:
        if epoch == "now" and 0 <= offset <= len(self.appended):
            return
        replay = self.log.since(Position(epoch, offset), self.now)
        assert [tuple(entry) for entry in replay.entries] == self.kept()
        assert replay.gap is None
        assert replay.position == Position("now", len(self.appended))

    @invariant()
    def the_position_never_goes_back(self) -> None:
        if hasattr(self, "log"):
            assert self.log.position == Position("now", len(self.appended))

    @invariant()
    def it_is_empty_when_it_says(self) -> None:
        if hasattr(self, "log"):
            assert (self.log.empty_at <= self.now) is (not self.kept())


TestLog = LogMachine.TestCase
TestLog.settings = MACHINE


@VALUES
@given(
    capacity=st.integers(1, 5),
    steps=st.lists(st.one_of(st.none(), st.integers(1, 15)), max_size=40),
)
def test_a_reader_that_follows_misses_nothing_that_it_is_not_told_of(
    capacity: int, steps: list[int | None]
) -> None:
    """``None`` appends, a number waits as long and reads: read plus gaps is everything."""
    log: GroupLog[int] = GroupLog("e", capacity, EXPIRY)
    now, appended = 0, 0
    position, seen = Position("e", 0), []
    for step in [*steps, 1]:
        if step is None:
            appended += 1
            log.append(appended, now)
            continue
        now += step
        replay = log.since(position, now)
        assert replay.gap is not None
        if replay.entries:
            assert replay.entries[0].offset == position.offset + replay.gap + 1
        seen += [("missed", replay.gap)] if replay.gap else []
        seen += [("read", entry.item) for entry in replay.entries]
        position = replay.position
    total = sum(number if kind == "missed" else 1 for kind, number in seen)
    assert total == appended == position.offset
    items = [number for kind, number in seen if kind == "read"]
    assert items == sorted(set(items))
