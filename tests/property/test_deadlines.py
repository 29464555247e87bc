"""Deadlines against a dictionary of due times."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from channels.layers.deadlines import Deadlines
from tests.property.examples import MACHINE

PERIOD = 10
KEYS = st.sampled_from("abcd")


class DeadlinesMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.deadlines: Deadlines[str] = Deadlines(PERIOD)
        self.model: dict[str, int] = {}
        """key -> when it was put under watch; the order is that of watching."""

    @rule(key=KEYS)
    def watch(self, key: str) -> None:
        self.deadlines.watch(key, self.now)
        self.model.setdefault(key, self.now)

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.deadlines.forget(key)
        self.model.pop(key, None)

    @rule(seconds=st.integers(1, PERIOD))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def pop_one(self) -> None:
        key = self.deadlines.pop_due(self.now)
        due = [key for key, since in self.model.items() if since + PERIOD <= self.now]
        assert key == (due[0] if due else None)
        if key is not None:
            del self.model[key]

    @rule()
    def pop_all(self) -> None:
        while self.deadlines.pop_due(self.now) is not None:
            pass
        self.model = {key: since for key, since in self.model.items() if since + PERIOD > self.now}

    @rule()
    def clear(self) -> None:
        self.deadlines.clear()
        self.model.clear()

    @invariant()
    def as_many_as_watched(self) -> None:
        assert len(self.deadlines) == len(self.model)


TestDeadlines = DeadlinesMachine.TestCase
TestDeadlines.settings = MACHINE
