"""What becomes of a message that finds a mailbox full, and how many groups a channel may join."""

import asyncio
from typing import Any

import pytest

from channels.exceptions import ChannelFull, InvalidChannelLayerError, TooManyGroupsError
from channels.layers import InMemoryChannelLayer
from channels.layers.rules import CLOSE, DROP_NEWEST, DROP_OLDEST, SMALL_FRAME, Rules
from tests.layers.tools import Clock, mail, turns

BIG = 10_000


def numbered(number: int) -> dict[str, Any]:
    return {"type": "number", "n": number}


def frame(number: int, size: int = BIG) -> dict[str, Any]:
    return {"type": "websocket.send", "bytes": b"%d." % number + b"x" * size}


class Member:
    """A consumer's end of a channel: what it finds when it looks."""

    def __init__(self, layer: InMemoryChannelLayer, name: str, rules: Rules | None = None) -> None:
        self.name = name
        self.inbox: Any = layer.attach(name, lambda: None)
        if rules is not None:
            self.inbox.limit(rules)

    def read(self) -> list[Any]:
        found = []
        while (snapshot := self.inbox.take()) is not None:
            message = snapshot.message()
            found.append(
                int(message["bytes"].split(b".")[0])
                if message["type"] == "websocket.send"
                else message.get("n", message["type"])
            )
        return found


async def filled(layer: InMemoryChannelLayer, *names: str, count: int = 5) -> None:
    for name in names:
        await layer.group_add("room", name)
    for number in range(count):
        await layer.group_send("room", numbered(number))


@pytest.mark.parametrize("given", ["", "drop", None, []])
def test_a_policy_that_is_none(given: Any) -> None:
    with pytest.raises(InvalidChannelLayerError, match=r"on_full is .*; it must be one of"):
        InMemoryChannelLayer(on_full=given)


async def test_by_default_the_newest_is_lost() -> None:
    layer = InMemoryChannelLayer(capacity=3)
    member = Member(layer, "a!a")
    await filled(layer, "a!a")
    with pytest.raises(ChannelFull):
        await layer.send("a!a", numbered(9))
    assert member.read() == [0, 1, 2]
    assert layer.drops.counts == {"full": 2}


async def test_the_oldest_is_lost() -> None:
    layer = InMemoryChannelLayer(capacity=3, on_full=DROP_OLDEST)
    member = Member(layer, "a!a")
    await filled(layer, "a!a")
    await layer.send("a!a", numbered(9))
    assert member.read() == [3, 4, 9]
    assert layer.drops.counts == {"full": 3}


async def test_the_oldest_is_lost_where_nobody_listens() -> None:
    layer = InMemoryChannelLayer(capacity=3, on_full=DROP_OLDEST)
    for number in range(5):
        await layer.send("general", numbered(number))
    assert [message["n"] for message in await mail(layer, "general")] == [2, 3, 4]


async def test_a_consumer_has_a_policy_of_its_own() -> None:
    layer = InMemoryChannelLayer(capacity=3, on_full=DROP_OLDEST)
    newest = Member(layer, "a!newest", Rules(on_full=DROP_NEWEST))
    oldest = Member(layer, "a!oldest", Rules(on_full=DROP_OLDEST))
    layers = Member(layer, "a!layers")
    await filled(layer, "a!newest", "a!oldest", "a!layers")
    assert [newest.read(), oldest.read(), layers.read()] == [[0, 1, 2], [2, 3, 4], [2, 3, 4]]


async def test_who_is_too_slow_is_told_to_end() -> None:
    told: list[str] = []
    layer = InMemoryChannelLayer(capacity=3)
    slow = Member(layer, "a!slow", Rules(on_full=CLOSE, overflow=lambda: told.append("slow")))
    quick = Member(layer, "a!quick", Rules(on_full=CLOSE, overflow=lambda: told.append("quick")))
    await filled(layer, "a!slow", "a!quick", count=3)
    assert quick.read() == [0, 1, 2]
    await layer.group_send("room", numbered(3))
    assert told == [], "not inside the send"
    await turns()
    assert told == ["slow"]
    assert slow.read() == [0, 1, 2]
    assert quick.read() == [3]
    for number in range(3):
        await layer.send("a!slow", numbered(number))
    with pytest.raises(ChannelFull):
        await layer.send("a!slow", numbered(3))
    await turns()
    assert told == ["slow", "slow"]


async def test_without_anybody_to_tell_the_newest_is_lost() -> None:
    layer = InMemoryChannelLayer(capacity=1, on_full=CLOSE)
    await layer.send("general", numbered(0))
    with pytest.raises(ChannelFull):
        await layer.send("general", numbered(1))
    assert [message["n"] for message in await mail(layer, "general")] == [0]


@pytest.mark.parametrize("on_full", [DROP_NEWEST, DROP_OLDEST])
async def test_what_has_expired_makes_room_first(on_full: str) -> None:
    clock = Clock()
    layer = InMemoryChannelLayer(capacity=2, expiry=10, on_full=on_full, clock=clock)
    member = Member(layer, "a!a")
    await layer.send("a!a", numbered(0))
    clock.advance(5)
    await layer.send("a!a", numbered(1))
    clock.advance(6)
    await layer.send("a!a", numbered(2))
    assert member.read() == [1, 2]
    assert layer.drops.counts["full"] == 0


async def test_a_capacity_of_none_keeps_nothing() -> None:
    layer = InMemoryChannelLayer(capacity=0, on_full=DROP_OLDEST)
    member = Member(layer, "a!a")
    with pytest.raises(ChannelFull):
        await layer.send("a!a", numbered(0))
    assert member.read() == []


# Bytes.


@pytest.mark.parametrize(
    ("on_full", "expected"), [(DROP_NEWEST, [0, 1, 2]), (DROP_OLDEST, [3, 4, 5])]
)
async def test_large_frames_are_counted_in_bytes(on_full: str, expected: list[int]) -> None:
    layer = InMemoryChannelLayer(capacity=100)
    member = Member(layer, "a!a", Rules(on_full=on_full, most_bytes=3 * (BIG + 100)))
    await layer.group_add("room", "a!a")
    for number in range(6):
        await layer.group_send("room", frame(number))
    assert member.read() == expected
    assert layer.drops.counts == {"full": 3}
    await layer.send("a!a", frame(6))
    assert member.read() == [6], "what was read takes no room"


async def test_one_frame_may_wait_whatever_its_size() -> None:
    layer = InMemoryChannelLayer(capacity=100)
    member = Member(layer, "a!a", Rules(most_bytes=100))
    await layer.send("a!a", numbered(0))
    await layer.send("a!a", frame(1))
    with pytest.raises(ChannelFull):
        await layer.send("a!a", frame(2))
    await layer.send("a!a", frame(3, size=10))  # a small one is a message like others
    assert member.read() == [0, 1, 3]


async def test_other_messages_are_not_counted_in_bytes() -> None:
    layer = InMemoryChannelLayer(capacity=100)
    member = Member(layer, "a!a", Rules(most_bytes=1))
    for number in range(50):
        await layer.send("a!a", {"type": "number", "n": number, "text": "x" * BIG})
    assert member.read() == list(range(50))


async def test_the_bound_of_the_documentation() -> None:
    """capacity × 4 KiB + waiting_bytes + one frame, whatever comes."""
    most = 200_000
    layer = InMemoryChannelLayer(capacity=50)
    member = Member(layer, "a!a", Rules(most_bytes=most))
    await layer.group_add("room", "a!a")
    for number in range(300):
        size = (number * 7919) % 60_000
        await layer.group_send("room", frame(number, size))
        waiting = sum(snapshot.frame_bytes for _, snapshot in layer.channels["a!a"].items)
        assert waiting <= 50 * SMALL_FRAME + most + 60_100
    assert member.read()


async def test_text_is_counted_as_it_is_kept() -> None:
    layer = InMemoryChannelLayer(capacity=100)
    wide = {"type": "websocket.send", "text": "€" * BIG}  # two bytes each, in memory
    member = Member(layer, "a!a", Rules(most_bytes=5 * BIG))
    await layer.group_add("room", "a!a")
    for _ in range(6):
        await layer.group_send("room", wide)
    assert layer.drops.counts == {"full": 4}
    member.inbox.close()


# A consumer that does not keep up can still be closed.


@pytest.mark.parametrize("on_full", [DROP_NEWEST, CLOSE])
async def test_there_is_room_for_the_end(on_full: str) -> None:
    layer = InMemoryChannelLayer(capacity=2)
    member = Member(layer, "a!a", Rules(on_full=on_full, overflow=lambda: None))
    await filled(layer, "a!a")
    closing = {"type": "channels.close", "code": 1000, "reason": ""}
    await layer.send("a!a", closing)
    with pytest.raises(ChannelFull):
        await layer.send("a!a", closing)
    assert member.read() == [0, 1, "channels.close"]


# Threads.


async def test_a_reader_and_senders_of_other_threads() -> None:
    """The reader takes without a lock while senders drop from the same end."""
    layer = InMemoryChannelLayer(capacity=5, on_full=DROP_OLDEST)
    member = Member(layer, "a!a")
    count = 2000

    def send() -> None:
        for number in range(count):
            layer.sync.send("a!a", numbered(number))

    task = asyncio.gather(*(asyncio.to_thread(send) for _ in range(2)))
    read: list[Any] = []
    while not task.done():
        read += member.read()
        await asyncio.sleep(0)
    await task
    read += member.read()
    assert len(read) + layer.drops.counts["full"] == 2 * count


# Groups.


async def test_no_more_groups_than_allowed(caplog: pytest.LogCaptureFixture) -> None:
    layer = InMemoryChannelLayer()
    member = Member(layer, "a!a", Rules(most_groups=2))
    for group in ("one", "two", "one"):
        await layer.group_add(group, "a!a")
    with pytest.raises(TooManyGroupsError) as caught:
        await layer.group_add("three", "a!a")
    assert (caught.value.group, caught.value.channel, caught.value.most) == ("three", "a!a", 2)
    assert str(caught.value) == (
        "'a!a' is in 2 groups and cannot join 'three': that is the limit groups_per_connection."
    )
    assert set(layer.groups) == {"one", "two"}
    await layer.group_discard("one", "a!a")
    await layer.group_add("three", "a!a")
    assert set(layer.groups) == {"three", "two"}
    member.inbox.close()


async def test_channels_without_a_consumer_may_join_any_number() -> None:
    layer = InMemoryChannelLayer()
    for number in range(50):
        await layer.group_add(f"group{number}", "somebody")
    assert len(layer.groups) == 50
