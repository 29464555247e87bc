"""The bounded, expiring FIFO."""

from channels.layers.mailbox import Mailbox


def filled(capacity: int, *items: tuple[str, float]) -> Mailbox[str]:
    box: Mailbox[str] = Mailbox(capacity)
    for item, expires_at in items:
        assert box.put(item, expires_at, now=0)
    return box


def test_first_in_first_out() -> None:
    box = filled(3, ("a", 10), ("b", 10), ("c", 10))
    assert [box.take(1) for _ in range(4)] == ["a", "b", "c", None]


def test_a_full_one_refuses_and_stays_as_it_was() -> None:
    box = filled(2, ("a", 10), ("b", 10))
    assert box.put("c", 10, now=1) is False
    assert (box.qsize(), box.full(), box.expired) == (2, True, 0)
    assert [box.take(1), box.take(1), box.take(1)] == ["a", "b", None]


def test_room_again_after_a_take() -> None:
    box = filled(1, ("a", 10))
    assert not box.put("b", 10, now=1)
    box.take(1)
    assert box.put("b", 10, now=1)
    assert box.take(1) == "b"


def test_an_item_lives_until_its_time_and_not_a_moment_longer() -> None:
    assert filled(1, ("a", 10)).take(9.999) == "a"
    assert filled(1, ("a", 10)).take(10) is None


def test_expired_items_are_skipped_and_counted() -> None:
    box = filled(3, ("a", 1), ("b", 2), ("c", 9))
    assert box.take(5) == "c"
    assert (box.expired, box.empty()) == (2, True)


def test_expired_items_make_room() -> None:
    box = filled(2, ("a", 1), ("b", 9))
    assert box.put("c", 9, now=5)
    assert (box.qsize(), box.expired) == (2, 1)
    assert [box.take(5), box.take(5)] == ["b", "c"]


def test_expired_items_are_left_alone_while_there_is_room() -> None:
    """No put pays for more than it touches."""
    box = filled(3, ("a", 1), ("b", 1))
    assert box.put("c", 9, now=5)
    assert (box.qsize(), box.expired) == (3, 0)


def test_drop_expired() -> None:
    box = filled(3, ("a", 1), ("b", 5), ("c", 9))
    box.drop_expired(5)
    assert (box.qsize(), box.expired) == (1, 2)
    assert box.take(5) == "c"


def test_clear_is_no_expiry() -> None:
    box = filled(2, ("a", 1), ("b", 1))
    box.clear()
    assert (box.qsize(), box.empty(), box.full(), box.expired) == (0, True, False, 0)


def test_no_capacity_holds_nothing() -> None:
    box: Mailbox[str] = Mailbox(0)
    assert not box.put("a", 10, now=0)
    assert box.empty()
    assert box.full()


def test_falsy_items_are_items() -> None:
    box: Mailbox[object] = Mailbox(2)
    box.put(0, 10, now=0)
    box.put("", 10, now=0)
    assert [box.take(1), box.take(1), box.take(1)] == [0, "", None]


def test_a_mailbox_is_true_even_when_empty() -> None:
    """Owners write ``boxes.get(name) or …``."""
    assert Mailbox(1)
