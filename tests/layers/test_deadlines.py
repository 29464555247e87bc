"""Keys whose time comes."""

from channels.layers.deadlines import Deadlines


def watched(*keys: tuple[str, float]) -> Deadlines[str]:
    deadlines: Deadlines[str] = Deadlines(10)
    for key, now in keys:
        deadlines.watch(key, now)
    return deadlines


def test_due_after_one_period_and_only_once() -> None:
    deadlines = watched(("a", 0))
    assert deadlines.pop_due(9.9) is None
    assert deadlines.pop_due(10) == "a"
    assert deadlines.pop_due(10) is None
    assert len(deadlines) == 0


def test_due_in_the_order_of_watching() -> None:
    deadlines = watched(("b", 0), ("a", 1), ("c", 1))
    assert [deadlines.pop_due(100) for _ in range(4)] == ["b", "a", "c", None]


def test_only_what_is_due() -> None:
    deadlines = watched(("a", 0), ("b", 5))
    assert [deadlines.pop_due(10), deadlines.pop_due(10)] == ["a", None]
    assert len(deadlines) == 1


def test_watching_again_changes_nothing() -> None:
    deadlines = watched(("a", 0), ("a", 5))
    assert len(deadlines) == 1
    assert deadlines.pop_due(10) == "a"


def test_forget() -> None:
    deadlines = watched(("a", 0), ("b", 0))
    deadlines.forget("a")
    deadlines.forget("never there")
    assert [deadlines.pop_due(10), deadlines.pop_due(10)] == ["b", None]


def test_forgotten_and_watched_again_starts_anew() -> None:
    deadlines = watched(("a", 0))
    deadlines.forget("a")
    deadlines.watch("a", 5)
    assert deadlines.pop_due(14) is None
    assert deadlines.pop_due(15) == "a"


def test_clear() -> None:
    deadlines = watched(("a", 0), ("b", 0))
    deadlines.clear()
    assert len(deadlines) == 0
    assert deadlines.pop_due(100) is None


def test_falsy_keys() -> None:
    deadlines: Deadlines[object] = Deadlines(10)
    deadlines.watch("", 0)
    assert deadlines.pop_due(10) == ""
