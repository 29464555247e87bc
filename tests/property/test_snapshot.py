"""Copies of whatever a message may hold."""

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from channels.layers.snapshot import Snapshot
from tests.property.examples import VALUES

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.just(datetime(2026, 1, 2, tzinfo=UTC)),
    st.just(Decimal("1.50")),
    st.just(UUID(int=7)),
)
KEYS = st.one_of(st.text(max_size=5), st.integers(), st.none(), st.tuples(st.integers()))
ITEMS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=3),
        st.tuples(inner, inner),
        st.sets(st.integers(), max_size=3),
        st.builds(bytearray, st.binary(max_size=3)),
    ),
    max_leaves=12,
)
MESSAGES = st.dictionaries(KEYS, ITEMS, max_size=4)


def containers(value: Any) -> list[Any]:
    """Every mutable thing in a value, itself included."""
    found: list[Any] = []
    if isinstance(value, (dict, list, set, bytearray)):
        found.append(value)
    if isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            found += containers(item)
    return found


def spoil(value: Any) -> None:
    for container in containers(value):
        container.clear()


@VALUES
@given(MESSAGES)
def test_every_copy_is_equal_and_shares_nothing_that_can_change(message: dict[Any, Any]) -> None:
    wanted = copy.deepcopy(message)
    snapshot = Snapshot(message)
    first, second = snapshot.message(), snapshot.message()
    assert first == second == wanted
    assert same_kinds(first, wanted)
    identities = [id(one) for copied in (message, first, second) for one in containers(copied)]
    assert len(identities) == len(set(identities))
    spoil(message)
    spoil(first)
    assert second == snapshot.message() == wanted


def same_kinds(one: Any, two: Any) -> bool:
    """``1 == True == 1.0``: equality does not see a changed type."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return all(same_kinds(one[key], two[key]) for key in two)
    if isinstance(one, (list, tuple)):
        return all(map(same_kinds, one, two))
    return True
