"""The mailbox against a list of what was put in."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from channels.layers.mailbox import Mailbox
from tests.property.examples import MACHINE

EXPIRY = 10


class MailboxMachine(RuleBasedStateMachine):
    """All items expire ``EXPIRY`` seconds after they were put, as in a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.next = 0
        self.model: list[tuple[int, int]] = []
        self.put_in = 0
        self.taken = 0
        self.cleared = 0

    @initialize(capacity=st.integers(0, 4))
    def begin(self, capacity: int) -> None:
        self.capacity = capacity
        self.box: Mailbox[int] = Mailbox(capacity)

    def alive(self) -> list[int]:
        return [item for expires_at, item in self.model if expires_at > self.now]

    @rule()
    def put(self) -> None:
        accepted = self.box.put(self.next, self.now + EXPIRY, self.now)
        assert accepted is (len(self.alive()) < self.capacity)
        if accepted:
            self.model.append((self.now + EXPIRY, self.next))
            self.put_in += 1
        self.next += 1

    @rule()
    def take(self) -> None:
        alive = self.alive()
        assert self.box.take(self.now) == (alive[0] if alive else None)
        self.taken += bool(alive)
        self.model = [entry for entry in self.model if entry[1] in alive[1:]]

    @rule(seconds=st.integers(1, EXPIRY))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def drop_expired(self) -> None:
        self.box.drop_expired(self.now)
        assert self.box.qsize() == len(self.alive())

    @rule()
    def clear(self) -> None:
        self.cleared += self.box.qsize()
        self.box.clear()
        self.model.clear()

    @invariant()
    def everything_is_accounted_for(self) -> None:
        gone = self.taken + self.cleared + self.box.expired
        assert self.put_in == gone + self.box.qsize()

    @invariant()
    def bounded(self) -> None:
        assert len(self.alive()) <= self.box.qsize() <= self.capacity
        assert self.box.empty() is (self.box.qsize() == 0)
        assert self.box.full() is (self.box.qsize() >= self.capacity)


TestMailbox = MailboxMachine.TestCase
TestMailbox.settings = MACHINE
