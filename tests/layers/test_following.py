"""What a follower makes of announcements and readings."""

import pytest

from channels.layers.following import (
    MOST_KEPT,
    Entry,
    Follower,
    Gap,
    Heard,
    Outcome,
    Reading,
)

EPOCH = 1000


def entry(offset: int, epoch: int = EPOCH, tag: str = "") -> Entry[str]:
    return Entry(epoch, offset, f"{tag}{offset}".encode(), f"item {tag}{offset}")


def entries(first: int, last: int, epoch: int = EPOCH, tag: str = "") -> list[Entry[str]]:
    return [entry(offset, epoch, tag) for offset in range(first, last + 1)]


def reading(
    read: list[Entry[str]], *, end: int | None = None, epoch: int = EPOCH, tag: str = ""
) -> Reading[str]:
    last = read[-1].offset if read and end is None else end or 0
    return Reading(epoch, last, f"{tag}{last}".encode() if last else b"", read)


def follower_at(offset: int, *, epoch: int = EPOCH) -> Follower[str]:
    follower: Follower[str] = Follower()
    follower.starts()
    follower.read(reading([], end=offset, epoch=epoch))
    assert (follower.epoch, follower.offset, follower.reading) == (epoch, offset, False)
    return follower


def read_after_doubt(follower: Follower[str], what: Reading[str]) -> Outcome[str]:
    follower.doubt()
    follower.starts()
    return follower.read(what)


# Announcements


def test_the_next_entry_is_delivered() -> None:
    follower = follower_at(5)
    assert [follower.hear(entry(n)) for n in (6, 7)] == [Heard.NEXT, Heard.NEXT]
    assert (follower.offset, follower.id) == (7, b"7")


@pytest.mark.parametrize("offset", [1, 4, 5])
def test_what_was_seen_is_a_repeat(offset: int) -> None:
    follower = follower_at(5)
    assert follower.hear(entry(offset)) is Heard.REPEAT
    assert follower.offset == 5


def test_a_hole_is_read() -> None:
    follower = follower_at(5)
    assert follower.hear(entry(8)) is Heard.HOLE
    assert follower.reading
    follower.starts()
    assert follower.read(reading(entries(5, 8))) == (entries(6, 8), False)
    assert follower.hear(entry(9)) is Heard.NEXT


def test_another_entry_at_the_own_position_is_read() -> None:
    follower = follower_at(5)
    assert follower.hear(entry(5, tag="other")) is Heard.HOLE


@pytest.mark.parametrize("epoch", [EPOCH - 1, EPOCH + 1])
def test_another_epoch_is_read(epoch: int) -> None:
    assert follower_at(5).hear(entry(6, epoch)) is Heard.HOLE


def test_a_late_announcement_of_an_earlier_life_changes_nothing() -> None:
    follower = follower_at(5)
    follower.hear(entry(9, EPOCH - 1))
    follower.starts()
    assert follower.read(reading(entries(5, 5))) == ([], False)
    assert not follower.reading


# Readings


def test_it_begins_at_the_end() -> None:
    assert follower_at(7).hear(entry(8)) is Heard.NEXT


def test_it_may_begin_at_the_start() -> None:
    follower: Follower[str] = Follower(from_start=True)
    follower.starts()
    assert follower.read(reading([entry(0), *entries(1, 3)])) == (entries(1, 3), False)


def test_an_empty_log_is_followed_from_its_mark() -> None:
    follower: Follower[str] = Follower(from_start=True)
    follower.starts()
    assert follower.read(reading([entry(0)], end=0)) == ([], False)
    assert (follower.epoch, follower.offset) == (EPOCH, 0)
    assert follower.hear(entry(1)) is Heard.NEXT


def test_what_is_announced_before_a_reading_is_left_to_it() -> None:
    follower: Follower[str] = Follower()
    assert follower.hear(entry(6)) is Heard.KEPT
    follower.starts()
    assert follower.read(reading([], end=6)) == ([], False)
    assert follower.hear(entry(7)) is Heard.NEXT


def test_what_is_announced_during_a_reading_follows_it() -> None:
    follower = follower_at(5)
    follower.hear(entry(7))
    follower.starts()
    for offset in (8, 9):
        assert follower.hear(entry(offset)) is Heard.KEPT
    assert follower.read(reading(entries(5, 8))) == (entries(6, 9), False)
    assert follower.offset == 9


def test_a_hole_in_what_was_announced_during_a_reading_takes_another() -> None:
    follower = follower_at(5)
    follower.doubt()
    follower.starts()
    follower.hear(entry(8))
    outcome = follower.read(reading(entries(5, 6)))
    assert outcome == (entries(6, 6), True)
    assert follower.reading


def test_many_readings_for_a_long_way() -> None:
    follower = follower_at(5)
    outcome = read_after_doubt(follower, reading(entries(5, 7), end=9))
    assert outcome == (entries(6, 7), True)
    follower.starts()
    assert follower.read(reading(entries(7, 9))) == (entries(8, 9), False)


def test_a_doubt_during_a_reading_takes_another() -> None:
    follower = follower_at(5)
    assert follower.doubt()
    follower.starts()
    assert not follower.doubt()
    assert follower.read(reading(entries(5, 5))).read_again


def test_more_than_can_be_kept_is_read() -> None:
    follower = follower_at(5)
    follower.doubt()
    follower.starts()
    last = 6 + MOST_KEPT
    for offset in range(6, last + 1):
        assert follower.hear(entry(offset)) is Heard.KEPT
    assert follower.read(reading(entries(5, 5))) == ([], True)
    follower.starts()
    assert follower.read(reading(entries(5, last))) == (entries(6, last), False)


# Gaps


def test_trimmed_entries_are_a_gap_of_known_size() -> None:
    outcome = read_after_doubt(follower_at(5), reading(entries(9, 10)))
    assert outcome == ([Gap(3), *entries(9, 10)], False)


def test_without_its_own_entry_it_cannot_know() -> None:
    """The log may have lost its end and grown again, just as far."""
    outcome = read_after_doubt(follower_at(5), reading(entries(6, 7)))
    assert outcome == ([Gap(None), *entries(6, 7)], False)


def test_another_entry_where_it_stands() -> None:
    follower = follower_at(5)
    outcome = read_after_doubt(follower, reading(entries(5, 7, tag="other"), tag="other"))
    assert outcome == ([Gap(None), *entries(5, 7, tag="other")], False)
    assert (follower.offset, follower.id) == (7, b"other7")


def test_a_log_that_lost_its_end() -> None:
    follower = follower_at(5)
    assert read_after_doubt(follower, reading([], end=3)) == ([Gap(None)], False)
    assert follower.hear(entry(4)) is Heard.NEXT


def test_a_new_life() -> None:
    follower = follower_at(5)
    new = entries(1, 2, EPOCH + 1)
    assert read_after_doubt(follower, reading(new, epoch=EPOCH + 1)) == ([Gap(None), *new], False)
    assert follower.hear(entry(3, EPOCH + 1)) is Heard.NEXT


def test_back_to_an_earlier_life() -> None:
    """Its entries may have been delivered when it was the present, so they are not repeated."""
    follower = follower_at(5)
    old = entries(1, 9, EPOCH - 1)
    assert read_after_doubt(follower, reading(old, epoch=EPOCH - 1)) == ([Gap(None)], False)
    assert follower.hear(entry(10, EPOCH - 1)) is Heard.NEXT


def test_a_new_life_without_entries() -> None:
    follower = follower_at(5)
    mark = entry(0, EPOCH + 1)
    outcome = read_after_doubt(follower, reading([mark], end=0, epoch=EPOCH + 1))
    assert outcome == ([Gap(None)], False)
    assert (follower.epoch, follower.offset) == (EPOCH + 1, 0)


def test_entries_that_somebody_took_out() -> None:
    outcome = read_after_doubt(follower_at(5), reading([*entries(5, 6), *entries(9, 9)]))
    assert outcome == ([*entries(6, 6), Gap(2), *entries(9, 9)], False)
