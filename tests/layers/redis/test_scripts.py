"""The scripts, each run on a real server."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import redis

from channels.layers.redis.scripts import (
    ACKNOWLEDGE,
    FOLLOW,
    GIVE_BACK,
    PUBLISH,
    PUSH,
    TAKE,
    Script,
)

if TYPE_CHECKING:
    from tests.redis_servers import Server

EXPIRY = 60_000
names = itertools.count()


class Log:
    """One key, and the scripts with arguments that say something."""

    def __init__(self, server: redis.Redis) -> None:
        self.server = server
        self.key = f"test:{{scripts-{next(names)}}}"
        self.numbers = itertools.count(1)
        self.listener = server.pubsub()

    def run(self, script: Script, *args: Any) -> Any:
        return self.server.eval(script.source.decode(), 1, self.key, *args)

    def listen(self) -> None:
        self.listener.subscribe(self.key)
        assert self.listener.get_message(timeout=5)["type"] == "subscribe"

    def announced(self) -> list[bytes]:
        found = []
        while message := self.listener.get_message(timeout=0.05):
            found.append(message["data"])
        return found

    def publish(
        self,
        data: str = "data",
        *,
        entry_id: str = "",
        keep: int = 100,
        history: bool = True,
        epoch: str = "",
        since: int | str = "",
    ) -> str:
        entry_id = entry_id or f"id{next(self.numbers)}"
        position, now = self.run(
            PUBLISH, entry_id, data, keep, EXPIRY, self.key, "PUBLISH", int(history), epoch, since
        )
        assert abs(now - self.now()) < 1000
        return position.decode()

    def follow(self, epoch: str = "", offset: int = 0, most: int = 100) -> Any:
        return self.run(FOLLOW, epoch, offset, EXPIRY, most)

    def push(self, data: str, *, capacity: int = 100, entry_id: str = "", since: Any = "") -> str:
        entry_id = entry_id or f"id{next(self.numbers)}"
        arguments = (entry_id, data, capacity, EXPIRY, self.key, "PUBLISH", since)
        return self.run(PUSH, *arguments)[0].decode()

    def take(
        self,
        reader: str = "me",
        most: int = 10,
        *,
        expiry: int = EXPIRY,
        lease: Any = "",
        own: int = 0,
    ) -> list[tuple[bytes, bytes]]:
        self.expired, taken = self.run(TAKE, reader, most, expiry, lease, own)
        return [tuple(each) for each in taken]

    def now(self) -> int:
        seconds, micros = self.server.time()
        return seconds * 1000 + micros // 1000

    def offsets(self) -> list[int]:
        return [int(position.split(b"-")[1]) for position, _ in self.server.xrange(self.key)]


@pytest.fixture(params=["redis7", "valkey"])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    server: Server = request.getfixturevalue(request.param)
    with redis.Redis.from_url(server.url) as client:
        log = Log(client)
        try:
            yield log
        finally:
            log.listener.close()
            client.delete(log.key)


def epoch_of(position: str) -> str:
    return position.partition("-")[0]


# publish.lua


def test_offsets_count_from_one_in_one_epoch(log: Log) -> None:
    positions = [log.publish() for _ in range(3)]
    assert len({epoch_of(position) for position in positions}) == 1
    assert [position.split("-")[1] for position in positions] == ["1", "2", "3"]
    assert abs(int(epoch_of(positions[0])) / 1000 - log.now()) < 5000


def test_what_is_appended_is_announced(log: Log) -> None:
    log.listen()
    position = log.publish("m\nhello", entry_id="abc")
    assert log.announced() == [f"{position}-abc m\nhello".encode()]
    ((kept, fields),) = log.server.xrange(log.key)
    assert kept.decode() == position
    assert fields[b"i"] == b"abc"
    assert fields[b"d"] == b"m\nhello"
    assert abs(int(fields[b"t"]) - log.now()) < 1000


def test_a_log_is_kept_for_a_while(log: Log) -> None:
    log.publish()
    log.server.pexpire(log.key, 100)
    log.publish()
    assert EXPIRY - 1000 < log.server.pttl(log.key) <= EXPIRY


def test_a_log_keeps_its_newest_entries(log: Log) -> None:
    for _ in range(500):
        log.publish(keep=10)
    offsets = log.offsets()
    assert offsets == list(range(offsets[0], 501))
    assert 10 <= len(offsets) <= 120


def test_the_epoch_that_the_sender_expects(log: Log) -> None:
    epoch = epoch_of(log.publish())
    log.listen()
    assert log.publish(epoch=epoch, entry_id="quick") == f"{epoch}-2"
    assert log.announced() == [f"{epoch}-2-quick data".encode()]
    assert log.publish() == f"{epoch}-3"


def test_a_log_that_is_gone_begins_a_new_epoch(log: Log) -> None:
    old = epoch_of(log.publish())
    log.server.delete(log.key)
    epoch, offset = log.publish(epoch=old).split("-")
    assert int(epoch) > int(old)
    assert offset == "1"


def test_a_log_in_a_later_epoch_than_expected(log: Log) -> None:
    epoch = epoch_of(log.publish())
    assert log.publish(epoch="1") == f"{epoch}-2"


def test_a_log_in_an_earlier_epoch_than_expected(log: Log) -> None:
    """As after a failover to a copy that is older than the life in which the sender saw it."""
    epoch = int(epoch_of(log.publish()))
    log.listen()
    assert log.publish(epoch=str(epoch + 10**9), entry_id="mine") == f"{epoch + 10**9}-1"
    assert log.publish() == f"{epoch + 10**9}-2"
    assert len(log.announced()) == 2
    assert log.publish(entry_id="mine", since=log.now() - 1000) == f"{epoch + 10**9}-1"
    read = log.follow(str(epoch), 1)
    assert [row[0] for row in read[4]] == [b"%d-%d" % (epoch + 10**9, n) for n in range(3)]


def test_without_history_nothing_is_kept_for_nobody(log: Log) -> None:
    assert log.publish(history=False) == ""
    assert not log.server.exists(log.key)


def test_without_history_a_log_is_made_for_who_listens(log: Log) -> None:
    log.listen()
    position = log.publish(history=False)
    assert position.endswith("-1")
    assert len(log.announced()) == 1
    assert log.server.pttl(log.key) > 0


def test_without_history_followers_alone_keep_the_log(log: Log) -> None:
    log.follow()
    log.server.pexpire(log.key, 5000)
    assert log.publish(history=False).endswith("-1")
    assert log.publish(history=False).endswith("-2")
    assert log.server.pttl(log.key) <= 5000


# publish.lua, second attempts


def test_a_second_attempt_finds_the_first(log: Log) -> None:
    since = log.now() - 1000
    log.publish()
    position = log.publish(entry_id="mine")
    log.publish()
    log.listen()
    assert log.publish(entry_id="mine", since=since) == position
    assert log.announced() == []
    assert log.offsets() == [1, 2, 3]


def test_a_second_attempt_after_one_that_did_not_arrive(log: Log) -> None:
    since = log.now() - 1000
    epoch = epoch_of(log.publish())
    assert log.publish(entry_id="mine", since=since) == f"{epoch}-2"


def test_a_second_attempt_at_a_log_that_is_not_there(log: Log) -> None:
    assert log.publish(entry_id="mine", since=log.now()).endswith("-1")


def test_a_second_attempt_looks_no_further_back_than_the_first_one(log: Log) -> None:
    for _ in range(300):
        log.publish(keep=10)
    assert log.offsets()[0] > 1
    assert log.publish(entry_id="mine", since=log.now() + 10_000).endswith("-301")


def test_a_second_attempt_at_a_log_that_no_longer_tells(log: Log) -> None:
    since = log.now() - 1000
    for _ in range(300):
        log.publish(keep=10)
    with pytest.raises(redis.ResponseError, match=r"^UNKNOWN"):
        log.publish(entry_id="mine", since=since)
    assert log.offsets()[-1] == 300


def test_a_second_attempt_looks_through_many_entries(log: Log) -> None:
    since = log.now() - 1000
    position = log.publish(entry_id="mine", keep=1000)
    for _ in range(350):
        log.publish(keep=1000)
    assert log.publish(entry_id="mine", since=since) == position


# follow.lua


def test_a_log_is_made_for_its_first_follower(log: Log) -> None:
    epoch, offset, entry_id, now, entries = log.follow()
    assert (offset, entry_id, entries) == (0, b"", [])
    assert abs(now - log.now()) < 1000
    assert EXPIRY - 1000 < log.server.pttl(log.key) <= EXPIRY
    assert log.publish() == f"{epoch}-1"


def test_a_follower_begins_at_the_end(log: Log) -> None:
    log.publish()
    position = log.publish(entry_id="last")
    log.server.pexpire(log.key, 100)
    epoch, offset, entry_id, _, entries = log.follow()
    assert (f"{epoch}-{offset}", entry_id, entries) == (position, b"last", [])
    assert log.server.pttl(log.key) > 100


def test_a_follower_reads_from_its_own_entry_on(log: Log) -> None:
    positions = [log.publish(f"data {n}", entry_id=f"e{n}") for n in range(1, 5)]
    epoch = epoch_of(positions[0])
    top = log.follow(epoch, 2)
    assert top[:3] == [int(epoch), 4, b"e4"]
    assert [(row[0].decode(), row[1][1], row[1][5]) for row in top[4]] == [
        (positions[n - 1], f"e{n}".encode(), f"data {n}".encode()) for n in (2, 3, 4)
    ]


def test_a_reading_is_bounded(log: Log) -> None:
    *_, last = [log.publish() for _ in range(5)]
    epoch = epoch_of(last)
    reply = log.follow(epoch, 1, most=2)
    assert reply[1] == 5
    assert len(reply[4]) == 2


@pytest.mark.parametrize("epoch", ["0", "17"])
def test_a_follower_of_another_epoch_reads_from_the_start(log: Log, epoch: str) -> None:
    for _ in range(3):
        log.publish()
    assert len(log.follow(epoch, 2)[4]) == 3


# General channels


def test_messages_are_taken_in_order(log: Log) -> None:
    for n in range(3):
        log.push(f"m{n}")
    assert [data for _, data in log.take(most=2)] == [b"m0", b"m1"]
    assert [data for _, data in log.take("you")] == [b"m2"]
    assert log.take() == []


def test_a_push_is_announced(log: Log) -> None:
    log.listen()
    log.push("m")
    assert log.announced() == [b""]


def test_nothing_to_take_where_nothing_is(log: Log) -> None:
    assert log.take() == []
    assert not log.server.exists(log.key)


def test_a_full_channel(log: Log) -> None:
    for n in range(3):
        assert log.push(f"m{n}", capacity=3)
    assert log.push("m3", capacity=3) == ""
    ((first, _),) = log.take(most=1)
    assert log.push("m3", capacity=3) == "", "what is in a hand still takes its place"
    log.run(ACKNOWLEDGE, "me", 0, first)
    assert log.push("m3", capacity=3)
    assert [data for _, data in log.take()] == [b"m1", b"m2", b"m3"]


def test_expired_messages_take_no_place(log: Log) -> None:
    for n in range(3):
        log.push(f"m{n}", capacity=3)
    old = log.server.xrange(log.key)
    log.server.delete(log.key)
    for position, fields in old:
        fields[b"t"] = log.now() - EXPIRY - 1
        log.server.xadd(log.key, {k: fields[k] for k in (b"i", b"t", b"d")}, id=position)
    log.server.xgroup_create(log.key, "readers", "0")
    assert log.push("new", capacity=3)
    assert [data for _, data in log.take()] == [b"new"]


def test_expired_messages_are_not_taken(log: Log) -> None:
    log.push("m")
    assert log.take(expiry=-1) == []
    assert log.expired == 1
    assert log.take() == []


def test_a_second_push_finds_the_first_one_even_after_it_was_handed_over(log: Log) -> None:
    since = log.now() - 1000
    position = log.push("m", entry_id="mine")
    ((taken, _),) = log.take()
    log.run(ACKNOWLEDGE, "me", 0, taken)
    assert log.push("m", entry_id="mine", since=since) == position
    assert log.take() == []


def test_only_what_is_in_ones_own_hand_is_acknowledged_and_once(log: Log) -> None:
    log.push("m")
    log.push("n")
    mine, other = (position for position, _ in log.take())
    assert log.run(ACKNOWLEDGE, "you", 0, mine) == [0, [0]]
    assert log.run(ACKNOWLEDGE, "me", 0, mine, other) == [0, [1, 1]]
    assert log.run(ACKNOWLEDGE, "me", 0, mine) == [0, [0]]
    assert log.run(ACKNOWLEDGE, "me", 1, mine) == [1, [0]], "it may have been the first attempt"


def test_acknowledging_in_a_channel_that_is_gone(log: Log) -> None:
    assert log.run(ACKNOWLEDGE, "me", 0, "1-1") == [0, [0]]


def test_the_own_hand_is_looked_at_again(log: Log) -> None:
    log.push("m")
    (taken,) = log.take()
    log.push("n")
    assert log.take(own=1, most=1) == [taken]
    assert [data for _, data in log.take(own=1)] == [b"m", b"n"]


def test_what_is_given_back_is_taken_first(log: Log) -> None:
    for n in range(3):
        log.push(f"m{n}")
    (first, *_) = log.take(most=2)
    log.listen()
    assert log.run(GIVE_BACK, log.key, "PUBLISH", "word", first[0]) == 1
    assert log.announced() == [b""]
    assert [data for _, data in log.take("you")] == [b"m0", b"m2"]


def test_what_was_acknowledged_can_be_given_back(log: Log) -> None:
    log.push("m")
    (taken,) = log.take()
    log.run(ACKNOWLEDGE, "me", 0, taken[0])
    assert log.run(GIVE_BACK, log.key, "PUBLISH", "word", taken[0]) == 1
    assert log.take("you") == [taken]


def test_a_second_giving_back_does_not_repeat_what_somebody_got(log: Log) -> None:
    log.push("m")
    (taken,) = log.take()
    log.run(GIVE_BACK, log.key, "PUBLISH", "word", taken[0])
    log.take("you")
    log.run(ACKNOWLEDGE, "you", 0, taken[0])
    assert log.run(GIVE_BACK, log.key, "PUBLISH", "word", taken[0]) == 0
    assert log.take() == []


def test_a_second_giving_back_is_the_first_where_that_did_not_arrive(log: Log) -> None:
    log.push("m")
    (taken,) = log.take()
    log.run(ACKNOWLEDGE, "me", 0, taken[0])
    assert log.run(GIVE_BACK, log.key, "PUBLISH", "another word", taken[0]) == 1
    assert log.take("you") == [taken]


def test_a_word_that_is_forgotten_leaves_nothing(log: Log) -> None:
    log.push("m")
    (taken,) = log.take()
    readers = len(log.server.xinfo_consumers(log.key, "readers"))
    log.run(GIVE_BACK, log.key, "PUBLISH", "word", taken[0])
    assert log.run(GIVE_BACK, log.key, "PUBLISH", "word", "") == 0, "it had nothing in hand"
    names = [reader["name"] for reader in log.server.xinfo_consumers(log.key, "readers")]
    assert len(names) == readers + 1
    assert b"returned" in names
    assert log.take("you") == [taken]


def test_the_hand_of_the_dead(log: Log) -> None:
    log.push("m")
    (taken,) = log.take("dead")
    assert log.take("you", lease=60_000) == []
    assert log.take("you") == []
    assert log.take("you", lease=0) == [taken]
    assert log.run(ACKNOWLEDGE, "dead", 0, taken[0]) == [0, [0]]


def test_a_busy_channel_stays_small(log: Log) -> None:
    for n in range(1000):
        assert log.push(f"m{n}", capacity=10)
        ((position, data),) = log.take()
        assert data == f"m{n}".encode()
        log.run(ACKNOWLEDGE, "me", 0, position)
    assert log.server.xlen(log.key) < 200
    assert log.server.xpending(log.key, "readers")["pending"] == 0
