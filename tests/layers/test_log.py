"""The ring behind a group."""

import pytest

from channels.layers.log import GroupLog, Position, Replay


def filled(items: str, *, capacity: int = 10, expiry: float = 10) -> GroupLog[str]:
    """A log with one entry a second, from second 1."""
    log: GroupLog[str] = GroupLog("e", capacity, expiry)
    for now, item in enumerate(items, 1):
        log.append(item, now)
    return log


def missed(replay: Replay[str]) -> list[tuple[int, str]]:
    return [tuple(entry) for entry in replay.entries]


def test_positions_count_from_one() -> None:
    log: GroupLog[str] = GroupLog("e", 3, 10)
    assert log.position == Position("e", 0)
    assert [log.append(item, 0) for item in "abcd"] == [Position("e", n) for n in (1, 2, 3, 4)]
    assert log.position == Position("e", 4)


def test_since_the_beginning() -> None:
    replay = filled("abc").since(Position("e", 0), now=3)
    assert missed(replay) == [(1, "a"), (2, "b"), (3, "c")]
    assert (replay.position, replay.gap) == (Position("e", 3), 0)


def test_since_the_middle() -> None:
    replay = filled("abc").since(Position("e", 2), now=3)
    assert (missed(replay), replay.gap) == ([(3, "c")], 0)


def test_since_the_end_is_nothing_and_no_gap() -> None:
    assert filled("abc").since(Position("e", 3), now=3) == Replay([], Position("e", 3), 0)


def test_capacity_makes_a_gap() -> None:
    replay = filled("abcde", capacity=2).since(Position("e", 1), now=5)
    assert (missed(replay), replay.gap) == ([(4, "d"), (5, "e")], 2)


def test_no_gap_where_the_next_entry_is_the_oldest() -> None:
    replay = filled("abcde", capacity=2).since(Position("e", 3), now=5)
    assert (missed(replay), replay.gap) == ([(4, "d"), (5, "e")], 0)


def test_expiry_makes_a_gap() -> None:
    # Entries 1 and 2 expire at 11 and 12.
    replay = filled("abc").since(Position("e", 0), now=12)
    assert (missed(replay), replay.gap) == ([(3, "c")], 2)


def test_everything_expired_is_all_gap_and_keeps_the_position() -> None:
    log = filled("abc")
    assert log.since(Position("e", 1), now=100) == Replay([], Position("e", 3), 2)
    assert log.append("d", 100) == Position("e", 4)
    replay = log.since(Position("e", 1), now=100)
    assert (missed(replay), replay.gap) == ([(4, "d")], 2)


@pytest.mark.parametrize(
    "position", [Position("other", 2), Position("e", 4), Position("e", -1)], ids=str
)
def test_a_position_of_another_life_gets_all_that_is_kept(position: Position) -> None:
    replay = filled("abc", capacity=2).since(position, now=3)
    assert missed(replay) == [(2, "b"), (3, "c")]
    assert (replay.position, replay.gap) == (Position("e", 3), None)


def test_a_log_that_never_had_an_entry() -> None:
    log: GroupLog[str] = GroupLog("e", 3, 10)
    assert log.since(Position("e", 0), now=0) == Replay([], Position("e", 0), 0)
    assert log.since(Position("x", 0), now=0) == Replay([], Position("e", 0), None)


def test_a_log_without_capacity_knows_positions_only() -> None:
    log = filled("abc", capacity=0)
    assert log.since(Position("e", 1), now=3) == Replay([], Position("e", 3), 2)


def test_trim_keeps_what_is_young() -> None:
    log = filled("abc")
    log.trim(11)
    assert missed(log.since(Position("e", 0), now=11)) == [(2, "b"), (3, "c")]


def test_empty_at_is_the_end_of_the_last_entry() -> None:
    log = filled("abc")
    assert log.empty_at == 13
    log.trim(13)
    assert log.empty_at == float("-inf")
    assert GroupLog("e", 3, 10).empty_at == float("-inf")


def test_append_lets_go_of_expired_entries() -> None:
    """A group that speaks rarely must not hold its last hundred messages for ever."""
    log = filled("abc")
    log.append("d", now=100)
    assert len(log._entries) == 1
