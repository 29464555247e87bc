"""What servers do while a slot moves: the facts on which the layer's scheme of keys stands.

They are told in docs/explanation/redis-cluster.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from tests.redis_servers import FLAVOURS, Cluster
from tests.redis_servers.cluster import Move, Node

KEY, OTHER = "{tag}log", "{tag}other"

APPEND = """
redis.call('XADD', KEYS[1], ARGV[1], 'd', ARGV[2])
redis.call('PEXPIRE', KEYS[1], 60000)
redis.call('SPUBLISH', KEYS[1], ARGV[2])
return ARGV[1]
"""
BOTH = "redis.call('SET', KEYS[1], 1) redis.call('SET', KEYS[2], 1) return 1"


class Wire:
    """One connection to one node, over which anything can be said in order."""

    def __init__(self, node: Node) -> None:
        self._connection = redis.Connection(
            host="127.0.0.1", port=node.port, protocol=2, socket_timeout=5
        )
        self._connection.connect()

    def __call__(self, *command: Any) -> Any:
        """The answer; of an error its text, which redis-py has without the first word."""
        self._connection.send_command(*command)
        return self.hear()

    def hear(self) -> Any:
        try:
            return self._connection.read_response()
        except redis.ResponseError as error:
            return type(error).__name__

    def hears_nothing(self) -> bool:
        """What was published before has come before the answer to this."""
        answer = self("PING")
        return bool(answer in (b"PONG", [b"pong", b""]))

    def close(self) -> None:
        self._connection.disconnect()


@pytest.fixture(scope="module", params=FLAVOURS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with Cluster(request.param) as servers:
        yield servers


@pytest.fixture
def wire() -> Iterator[Any]:
    made: list[Wire] = []

    def make(node: Node) -> Wire:
        made.append(Wire(node))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def source(cluster: Cluster) -> Node:
    """The owner of the slot, in which nothing is."""
    node = cluster.owner(cluster.slot(KEY))
    node.command("DEL", KEY, OTHER)
    return node


@contextmanager
def moving(cluster: Cluster) -> Iterator[Move]:
    with cluster.moving_slot(cluster.slot(KEY)) as move:
        yield move


def append(wire: Wire, position: str) -> Any:
    return wire("EVAL", APPEND, 1, KEY, position, "data")


def test_a_script_on_a_key_that_is_still_there_is_served(
    cluster: Cluster, source: Node, wire: Any
) -> None:
    at_source, listener = wire(source), wire(source)
    listener("SSUBSCRIBE", KEY)
    append(at_source, "5-1")
    assert listener.hear()[0] == b"smessage"
    with moving(cluster):
        assert append(at_source, "5-2") == b"5-2"
        assert listener.hear() == [b"smessage", KEY.encode(), b"data"]


def test_a_script_on_a_key_that_is_not_there_is_sent_on(
    cluster: Cluster, source: Node, wire: Any
) -> None:
    at_source = wire(source)
    append(at_source, "5-1")
    with moving(cluster) as move:
        at_target = wire(move.target)
        move.keys()
        assert append(at_source, "5-2") == "AskError"
        assert at_source("EVAL", "return 1", 1, OTHER) == "AskError", "one that never was, too"
        assert append(at_target, "5-2") == "MovedError", "as long as it is not asked to"
        assert at_target("ASKING") == b"OK"
        assert append(at_target, "5-2") == b"5-2", "with all that the script does"
        assert append(at_target, "5-3") == "MovedError", "it holds for one command"
        at_target("ASKING")
        assert [entry[0] for entry in at_target("XRANGE", KEY, "-", "+")] == [b"5-1", b"5-2"]
        at_target("ASKING")
        assert at_target("PTTL", KEY) > 0


def test_a_script_on_two_keys_is_refused_while_one_is_missing(
    cluster: Cluster, source: Node, wire: Any
) -> None:
    """As long as the slot moves, if nobody makes the other one: the reason for one key."""
    at_source = wire(source)
    append(at_source, "5-1")
    with moving(cluster):
        assert at_source("EVAL", BOTH, 2, KEY, OTHER) == "TryAgainError"


def test_a_script_that_the_target_does_not_know_uses_the_asking_up(
    cluster: Cluster, source: Node, wire: Any
) -> None:
    append(wire(source), "5-1")
    with moving(cluster) as move:
        move.keys()
        at_target = wire(move.target)
        at_target("SCRIPT", "FLUSH")
        at_target("ASKING")
        assert at_target("EVALSHA", "0" * 40, 1, KEY) == "NoScriptError"
        assert append(at_target, "5-2") == "MovedError"


def test_subscriptions_stay_at_the_source_until_the_end(
    cluster: Cluster, source: Node, wire: Any
) -> None:
    at_source, listener = wire(source), wire(source)
    append(at_source, "5-1")
    with moving(cluster) as move:
        move.keys()
        assert listener("SSUBSCRIBE", KEY)[0] == b"ssubscribe", "never sent on"
        at_target = wire(move.target)
        assert wire(move.target)("SSUBSCRIBE", KEY) == "MovedError"
        at_target("ASKING")
        append(at_target, "5-2")
        assert listener.hears_nothing(), "what is announced at the target"
        assert at_source("SPUBLISH", KEY, "once more") == 1
        assert listener.hear() == [b"smessage", KEY.encode(), b"once more"]
    assert listener.hear()[:2] == [b"sunsubscribe", KEY.encode()]
    assert listener("SSUBSCRIBE", KEY) == "MovedError", "the connection lives, and knows where to"
    assert at_source("SPUBLISH", KEY, "too late") == "MovedError"


def test_a_subscription_asked_for_at_the_target_is_nothing_to_rely_on(
    cluster: Cluster, source: Node, wire: Any
) -> None:
    with moving(cluster) as move:
        early = wire(move.target)
        early("ASKING")
        assert early("SSUBSCRIBE", KEY)[0] == b"ssubscribe"
    if source.flavour == "redis":
        assert early.hears_nothing(), "it stays"
    else:
        assert early.hear()[:2] == [b"sunsubscribe", KEY.encode()]
