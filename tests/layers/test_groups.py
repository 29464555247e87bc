"""Who is in which group."""

import pytest

from channels.layers.groups import Memberships


@pytest.fixture
def memberships() -> Memberships:
    return Memberships()


def joined(memberships: Memberships, *pairs: tuple[str, str], now: float = 1.0) -> None:
    for group, channel in pairs:
        memberships.join(group, channel, now)


def test_join_and_leave_from_both_sides(memberships: Memberships) -> None:
    joined(memberships, ("g", "a"), ("g", "b"), ("h", "a"))
    assert list(memberships.members("g")) == ["a", "b"]
    assert sorted(memberships.groups_of("a")) == ["g", "h"]
    memberships.leave("g", "a")
    assert list(memberships.members("g")) == ["b"]
    assert memberships.groups_of("a") == ["h"]


def test_joining_twice_is_joining_once(memberships: Memberships) -> None:
    joined(memberships, ("g", "a"), ("g", "a"))
    assert list(memberships.members("g")) == ["a"]
    memberships.leave("g", "a")
    assert memberships.groups == {}


def test_leaving_what_one_is_not_in_is_silent(memberships: Memberships) -> None:
    memberships.leave("g", "a")
    joined(memberships, ("g", "a"))
    memberships.leave("g", "b")
    memberships.leave("h", "a")
    assert list(memberships.members("g")) == ["a"]
    assert memberships.groups_of("a") == ["g"]


def test_nothing_is_left_of_what_ended(memberships: Memberships) -> None:
    joined(memberships, ("g", "a"), ("h", "a"), ("g", "b"))
    for group, channel in (("g", "a"), ("h", "a"), ("g", "b")):
        memberships.leave(group, channel)
    assert all(not table for table in vars(memberships).values())


def test_members_of_nothing(memberships: Memberships) -> None:
    assert list(memberships.members("g")) == []
    assert memberships.groups_of("a") == []
    assert memberships.last_used("g", "a") is None
    assert memberships.groups == {}


def test_last_used_is_the_time_of_joining(memberships: Memberships) -> None:
    joined(memberships, ("g", "a"), now=1)
    joined(memberships, ("h", "a"), now=2)
    assert (memberships.last_used("g", "a"), memberships.last_used("h", "a")) == (1, 2)
    joined(memberships, ("g", "a"), now=3)
    assert (memberships.last_used("g", "a"), memberships.last_used("h", "a")) == (3, 2)


def test_touch_is_a_use_of_each_membership(memberships: Memberships) -> None:
    joined(memberships, ("g", "a"), ("h", "a"), ("g", "b"), now=1)
    memberships.touch("a", 5)
    used = [memberships.last_used(*pair) for pair in (("g", "a"), ("h", "a"), ("g", "b"))]
    assert used == [5, 5, 1]


def test_touch_makes_no_membership(memberships: Memberships) -> None:
    memberships.touch("a", 5)
    joined(memberships, ("g", "a"))
    memberships.leave("g", "a")
    memberships.touch("a", 6)
    assert all(not table for table in vars(memberships).values())


def test_a_new_membership_knows_nothing_of_the_uses_before_it(memberships: Memberships) -> None:
    joined(memberships, ("g", "a"), now=1)
    memberships.touch("a", 9)
    memberships.leave("g", "a")
    joined(memberships, ("g", "a"), now=2)
    assert memberships.last_used("g", "a") == 2


@pytest.mark.parametrize("how", ["group", "all", "member"])
def test_groups_that_were_emptied_from_outside(memberships: Memberships, how: str) -> None:
    """Test suites clear ``layer.groups`` by hand; what was cleared must not come back or raise."""
    joined(memberships, ("g", "a"))
    if how == "group":
        del memberships.groups["g"]
    elif how == "all":
        memberships.groups.clear()
    else:
        del memberships.groups["g"]["a"]
    memberships.touch("a", 5)
    assert memberships.last_used("g", "a") is None
    memberships.leave("g", "a")
    assert list(memberships.members("g")) == []


def test_clear(memberships: Memberships) -> None:
    joined(memberships, ("g", "a"), ("h", "b"))
    memberships.clear()
    assert all(not table for table in vars(memberships).values())
