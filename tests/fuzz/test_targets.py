"""Every parser with inputs that went wrong once, with neighbours of them, and with any bytes."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS, Target
from tests.property.examples import VALUES

each_target = pytest.mark.parametrize("target", list(TARGETS.values()), ids=list(TARGETS))


@pytest.fixture(autouse=True)
def _sessions_without_a_database() -> Iterator[None]:
    # tests/fuzz/test_frames.py has a site with one.
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies"):
        yield


def test_every_target_has_seeds() -> None:
    assert set(SEEDS) == set(TARGETS)


@pytest.mark.parametrize("name", list(TARGETS))
def test_what_went_wrong_once(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


def mutated(data: bytes, random: random.Random, other: bytes) -> bytes:
    """A near neighbour of ``data``."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(changed))
        kind = random.randrange(5)
        if kind == 0:
            changed[at:at] = bytes([random.choice(b'\0\n\r"\\;=/:@[]{},%!._\x7f\x80\xff')])
        elif kind == 1:
            del changed[at : at + random.randint(1, 4)]
        elif kind == 2 and changed:
            changed[at % len(changed)] ^= 1 << random.randrange(8)
        elif kind == 3:
            changed[at:at] = other[: random.randint(0, 20)]
        else:
            changed[at:at] = changed[:at][-10:] * random.randint(1, 5)
    return bytes(changed)


@each_target
def test_neighbours_of_the_seeds(target: Target) -> None:
    seeds = SEEDS[target.__name__]
    choice = random.Random(20)
    for _ in range(300):
        data = mutated(choice.choice(seeds)[:2000], choice, choice.choice(seeds))
        try:
            target(data)
        except BaseException:
            print(f"seed for tests/fuzz/seeds.py: {data!r}")
            raise


@pytest.mark.parametrize("name", list(TARGETS))
def test_any_bytes(name: str) -> None:
    @VALUES
    @given(st.binary(max_size=300))
    def check(data: bytes) -> None:
        TARGETS[name](data)

    check()


JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.integers(10**4290, 10**4299),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=30,
)


@VALUES
@given(JSON, st.booleans())
def test_json_of_every_kind(value: Any, escaped: bool) -> None:
    import json

    text = json.dumps(value, ensure_ascii=escaped)
    TARGETS["json_text"](text.encode("utf-8", "surrogateescape" if escaped else "surrogatepass"))


@pytest.mark.parametrize("depth", [*range(150, 1100, 50), 5000, 200_000])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_json_of_every_depth(depth: int, begin: str, end: str) -> None:
    TARGETS["json_text"]((begin * depth + "1" + end * depth).encode())
    TARGETS["json_frame"](("\1" + begin * depth + "1" + end * depth).encode())
