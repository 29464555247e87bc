"""How the site of the soak run keeps its account of what was said and heard."""

from hypothesis import given
from hypothesis import strategies as st

from tests.property.examples import VALUES

NUMBERS = st.lists(st.integers(1, 60))


@VALUES
@given(NUMBERS, NUMBERS)
def test_marks_are_a_set_of_numbers(some: list[int], others: list[int]) -> None:
    from soak.ledger import Marks

    marks, other_marks = Marks(), Marks()
    assert [marks.add(number) for number in some] == [
        number not in some[:index] for index, number in enumerate(some)
    ]
    for number in others:
        other_marks.add(number)
    assert len(marks) == len(set(some))
    assert marks.without(other_marks) == len(set(some) - set(others))


def test_what_is_missing_repeated_and_explained() -> None:
    from soak.ledger import Rooms

    rooms = Rooms()
    heard = rooms.listen("a")
    for number in (1, 2, 3, 4):
        rooms.took("a", number)
        rooms.took("nobody listens here", number)
    heard.said(1)
    heard.said(1)
    heard.said(9)  # what was taken in spite of an error may be heard
    assert rooms.state() == {
        "said": 4, "heard": 2, "missing": 3, "unexplained": 3, "repeated": 1, "gaps": 0,
    }  # fmt: skip
    heard.missed(2)
    assert rooms.state()["unexplained"] == 1
    heard.missed(None)
    assert rooms.state()["unexplained"] == 0
