"""Who is there."""

import threading

from channels.limits.roster import Roster


def test_no_more_than_the_most() -> None:
    roster: Roster[str] = Roster()
    assert [roster.enter("k", name, 2) for name in "abc"] == [True, True, False]
    assert roster.enter("other", "c", 2)
    roster.leave("k", "a")
    assert roster.enter("k", "c", 2)
    assert sorted(roster.present("k")) == ["b", "c"]


def test_empty_keys_are_gone() -> None:
    roster: Roster[str] = Roster()
    roster.enter(None, "a", None)
    assert len(roster) == 1
    roster.leave(None, "a")
    roster.leave(None, "a")
    assert len(roster) == 0
    assert roster.present(None) == []


def test_threads_never_let_one_too_many_in() -> None:
    roster: Roster[tuple[int, int]] = Roster()
    start = threading.Barrier(8)
    entered: list[bool] = []

    def visit(number: int) -> None:
        start.wait()
        entered.extend(roster.enter("k", (number, turn), 100) for turn in range(100))

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(entered) == 100


def test_a_forked_child_begins_anew() -> None:
    roster: Roster[str] = Roster()
    roster.enter("k", "a", None)
    roster._lock.acquire()  # by a thread that the child has not
    roster.forget_inherited()
    assert len(roster) == 0
    assert roster.enter("k", "b", 1)
