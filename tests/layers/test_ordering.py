"""What is held until what its sender sent before is delivered, and what ends the wait."""

from collections.abc import Callable

import pytest

from channels.layers.ordering import Arrival, Log, Order, Place

EPOCH = 1000
PATIENCE = 10.0
MEMBERS = {"g:one": {"a"}, "g:two": {"a", "b"}}


def made(**bounds: int) -> Order[str]:
    return Order(PATIENCE, lambda log, channel: channel in MEMBERS.get(log, ()), **bounds)


class Logs:
    """Two groups and the mail of a process, all at their beginning."""

    def __init__(self, order: Order[str]) -> None:
        self.order = order
        self.one, self.two, self.mail = map(self.follow, ("g:one", "g:two", "p:here"))

    def follow(self, name: str) -> Log[str]:
        log = self.order.follow(name)
        assert self.order.passed(log, EPOCH, 0) == []
        return log

    def bring(
        self,
        log: Log[str],
        item: str,
        *after: tuple[str, int],
        lane: str = "",
        now: float = 0.0,
        offset: int | None = None,
        epoch: int = EPOCH,
    ) -> list[str]:
        """The next entry of a log, unless it says another."""
        offset = log.offset + 1 if offset is None else offset
        places = [Place(name, EPOCH, number) for name, number in after]
        return self.order.bring(log, Arrival(epoch, offset, lane, places, 10, item), now)


@pytest.fixture
def logs() -> Logs:
    return Logs(made())


def test_what_comes_after_nothing_is_delivered(logs: Logs) -> None:
    assert logs.bring(logs.one, "1") == ["1"]
    assert logs.bring(logs.mail, "2", lane="a") == ["2"]
    assert not logs.one.busy


def test_what_was_delivered_is_not_waited_for(logs: Logs) -> None:
    assert logs.bring(logs.one, "1") == ["1"]
    assert logs.bring(logs.two, "2", ("g:one", 1)) == ["2"]
    assert len(logs.order) == 0


def test_a_group_waits_and_keeps_its_order(logs: Logs) -> None:
    assert logs.bring(logs.two, "2", ("g:one", 1)) == []
    assert logs.bring(logs.two, "3") == []
    assert len(logs.order) == 2
    assert logs.order.awaited() == ["g:one"]
    assert logs.bring(logs.one, "1") == ["1", "2", "3"]
    assert len(logs.order) == 0
    assert not logs.order.given_up


def test_a_message_that_comes_after_two(logs: Logs) -> None:
    three = logs.follow("g:three")
    assert logs.bring(three, "3", ("g:one", 1), ("g:two", 1)) == []
    assert logs.bring(logs.one, "1") == ["1"]
    assert logs.order.awaited() == ["g:two"]
    assert logs.bring(logs.two, "2") == ["2", "3"]


def test_a_wait_for_what_waits_itself(logs: Logs) -> None:
    three = logs.follow("g:three")
    assert logs.bring(logs.two, "2", ("g:one", 1)) == []
    assert logs.bring(three, "3", ("g:two", 1)) == []
    assert logs.bring(logs.one, "1") == ["1", "2", "3"]


def test_a_gap_keeps_its_place(logs: Logs) -> None:
    """It is told where it is, between entries that wait, and moves nothing."""
    assert logs.bring(logs.two, "2", ("g:one", 1)) == []
    assert logs.bring(logs.two, "gap", offset=logs.two.offset) == []
    assert logs.bring(logs.two, "9", offset=9) == []
    assert logs.bring(logs.one, "1") == ["1", "2", "gap", "9"]
    assert logs.two.delivered() == (EPOCH, 9)


def test_mail_waits_by_channel(logs: Logs) -> None:
    assert logs.bring(logs.mail, "to a", ("g:two", 1), lane="a") == []
    assert logs.bring(logs.mail, "to c", ("g:two", 1), lane="c") == ["to c"]
    assert logs.bring(logs.mail, "to b", lane="b") == ["to b"]
    assert logs.bring(logs.mail, "to a, too", lane="a") == []
    # A group waits for all of the mail up to there.
    assert logs.bring(logs.one, "1", ("p:here", 2)) == []
    assert logs.bring(logs.two, "2") == ["2", "to a", "to a, too", "1"]


@pytest.mark.parametrize(
    ("name", "epoch", "offset"),
    [("g:elsewhere", EPOCH, 5), ("g:one", EPOCH + 1, 5), ("g:one", EPOCH - 1, 5)],
)
def test_places_that_nobody_will_see_here(logs: Logs, name: str, epoch: int, offset: int) -> None:
    arrival = Arrival(EPOCH, 1, "", [Place(name, epoch, offset)], 10, "2")
    assert logs.order.bring(logs.two, arrival, 0.0) == ["2"]


def test_places_of_its_own_log(logs: Logs) -> None:
    assert logs.bring(logs.two, "2", ("g:two", 9)) == ["2"]


def new_epoch(logs: Logs) -> list[str]:
    return logs.order.passed(logs.one, EPOCH + 5, 0)


def later_entry(logs: Logs) -> list[str]:
    return logs.bring(logs.one, "9", offset=9)[1:]


def position(logs: Logs) -> list[str]:
    return logs.order.passed(logs.one, EPOCH, 3)


def unfollowed(logs: Logs) -> list[str]:
    assert logs.order.unfollow(logs.one)
    return logs.order.settle()


@pytest.mark.parametrize("ends", [new_epoch, later_entry, position, unfollowed])
def test_what_else_ends_a_wait(logs: Logs, ends: Callable[[Logs], list[str]]) -> None:
    assert logs.bring(logs.two, "2", ("g:one", 3)) == []
    assert logs.bring(logs.one, "1") == ["1"]
    assert ends(logs) == ["2"]
    assert not logs.order.given_up


def test_a_channel_that_leaves(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    assert logs.bring(logs.mail, "2", ("g:one", 1), lane="a") == []
    monkeypatch.setitem(MEMBERS, "g:one", set())
    assert logs.order.left(logs.mail, "a")
    assert logs.order.settle() == ["2"]
    assert not logs.order.left(logs.mail, "a")


def test_what_is_held_of_a_log_goes_with_it(logs: Logs) -> None:
    assert logs.bring(logs.two, "2", ("g:one", 1)) == []
    assert logs.bring(logs.mail, "3", ("g:two", 1), lane="a") == []
    assert logs.order.unfollow(logs.two)
    assert logs.order.settle() == ["3"]
    assert len(logs.order) == 0
    assert logs.bring(logs.one, "1") == ["1"]


def test_a_log_that_begins_anew_while_some_of_it_is_held(logs: Logs) -> None:
    assert logs.bring(logs.two, "2", ("g:one", 1)) == []
    assert logs.bring(logs.two, "3", epoch=EPOCH + 1, offset=1) == []
    places = [Place("g:two", EPOCH + 1, 1)]
    assert logs.order.bring(logs.mail, Arrival(EPOCH, 1, "a", places, 10, "4"), 0.0) == []
    assert logs.bring(logs.one, "1") == ["1", "2", "3", "4"]


def test_a_deadline(logs: Logs) -> None:
    assert logs.bring(logs.two, "2", ("g:one", 1)) == []
    assert logs.bring(logs.two, "3", now=1.0) == []
    assert logs.bring(logs.mail, "4", ("g:one", 2), lane="a", now=5.0) == []
    assert logs.order.overdue(9.9) == []
    # The log has kept somebody waiting: nobody waits for it any longer.
    assert sorted(logs.order.overdue(10.0)) == ["2", "3", "4"]
    assert sorted(logs.order.given_up) == ["g:two", "p:here"]
    assert logs.bring(logs.two, "5", ("g:one", 2), now=11.0) == ["5"]
    assert logs.order.given_up[2:] == ["g:two"]
    # Until it moves.
    assert logs.bring(logs.one, "1") == ["1"]
    assert logs.bring(logs.two, "6", ("g:one", 2), now=11.0) == []
    assert logs.bring(logs.one, "1b") == ["1b", "6"]
    assert len(logs.order.given_up) == 3


def test_a_look_that_finds_nothing_is_no_move(logs: Logs) -> None:
    assert logs.bring(logs.two, "2", ("g:one", 1)) == []
    assert logs.order.overdue(10.0) == ["2"]
    assert logs.order.passed(logs.one, EPOCH, 0) == []
    assert logs.bring(logs.two, "3", ("g:one", 1), now=11.0) == ["3"]


def test_what_a_log_should_have_and_has_not(logs: Logs) -> None:
    order = logs.order
    assert logs.bring(logs.two, "2", ("g:one", 3)) == []
    order.asks(logs.one)
    assert logs.bring(logs.mail, "3", ("g:one", 4), lane="a") == []
    assert order.read(logs.one, EPOCH, 2) == ["2"]
    # What came after the question may have been written after the answer.
    assert order.awaited() == ["g:one"]
    order.asks(logs.one)
    assert order.read(logs.one, EPOCH, 2) == ["3"]
    assert logs.bring(logs.two, "4", ("g:one", 4)) == ["4"]
    assert logs.bring(logs.two, "5", ("g:one", 5)) == []
    assert not order.given_up


def test_a_log_that_goes_back(logs: Logs) -> None:
    """What it had was delivered, and is there no more."""
    assert logs.bring(logs.one, "1", offset=9) == ["1"]
    assert logs.order.read(logs.one, EPOCH, 5) == []
    assert logs.bring(logs.two, "2", ("g:one", 9)) == ["2"]
    assert logs.bring(logs.two, "3", ("g:one", 10)) == []
    assert logs.order.passed(logs.one, EPOCH + 1, 0) == ["3"]


@pytest.mark.parametrize("bounds", [{"most": 3}, {"most_bytes": 35}])
def test_the_longest_wait_makes_room(bounds: dict[str, int]) -> None:
    logs = Logs(made(**bounds))
    assert logs.bring(logs.two, "2", ("g:one", 1)) == []
    assert logs.bring(logs.mail, "3", ("g:one", 1), lane="a") == []
    assert logs.bring(logs.mail, "4", lane="a") == []
    assert logs.bring(logs.mail, "5", lane="a") == ["2"]
    assert logs.order.given_up == ["g:two"]
    assert len(logs.order) == 3
    assert logs.bring(logs.one, "1") == ["1", "3", "4", "5"]


def test_waits_that_are_over_leave_nothing() -> None:
    """A log that never moves is not kept company by those that once waited for it."""
    logs = Logs(made(most=5))
    for number in range(1000):
        logs.bring(logs.mail, str(number), ("g:one", 1 + number), lane="a")
    assert len(logs.order) == 5
    assert len(logs.one.awaited) < 100
