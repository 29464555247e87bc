"""Slots as the servers compute them, and the words of nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.layers.redis.slots import (
    SLOTS,
    Address,
    Redirection,
    owners,
    redirection,
    slot_of,
)
from tests.redis_servers import Cluster

HERE = Address("10.0.0.1", 7000)


@pytest.mark.parametrize(
    "key",
    [
        b"asgi:{g:room}",
        b"no tag",
        b"",
        b"{}",
        b"{}tag",
        b"a{",
        b"a}b{c}d{e}",
        b"{{x}}",
        b"{x",
        "{g:Raum-Ä}".encode(),
        bytes(range(256)),
    ],
)
def test_a_slot_is_the_one_of_the_server(key: bytes, redis_cluster: Cluster) -> None:
    assert slot_of(key) == redis_cluster.slot(key)


@given(st.binary(min_size=1).filter(lambda tag: b"}" not in tag), st.binary(), st.binary())
def test_the_tag_decides(tag: bytes, before: bytes, after: bytes) -> None:
    before = before.replace(b"{", b"")
    assert slot_of(before + b"{" + tag + b"}" + after) == slot_of(b"{" + tag + b"}")
    assert 0 <= slot_of(tag) < SLOTS


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        ("MOVED 3999 127.0.0.1:6381", Redirection(False, 3999, Address("127.0.0.1", 6381))),
        ("ASK 3999 127.0.0.1:6381", Redirection(True, 3999, Address("127.0.0.1", 6381))),
        ("MOVED 1 node.example.com:6381", Redirection(False, 1, Address("node.example.com", 6381))),
        ("MOVED 1 ::1:6381", Redirection(False, 1, Address("::1", 6381))),
        ("MOVED 1 :6381", Redirection(False, 1, Address("10.0.0.1", 6381))),
        ("CLUSTERDOWN Hash slot not served", None),
        ("MOVED", None),
        ("ERR MOVED 1 :2", None),
    ],
)
def test_where_a_node_sends_us(error: str, wanted: Redirection | None) -> None:
    assert redirection(error, HERE) == wanted


def test_the_table() -> None:
    found = owners(
        [
            [0, 1, [b"127.0.0.1", 7001, b"id", []], [b"127.0.0.1", 7002, b"a replica", []]],
            [3, 3, [b"", 7003, b"id", []]],
            [4, 4, [None, 7004, b"id", []]],
            [5, 16383, [b"?", 7005, b"id", []]],
        ],
        HERE,
    )
    assert len(found) == SLOTS
    assert found[:6] == [
        Address("127.0.0.1", 7001),
        Address("127.0.0.1", 7001),
        None,
        Address("10.0.0.1", 7003),
        Address("10.0.0.1", 7004),
        Address("10.0.0.1", 7005),
    ]


def test_an_address_is_written_as_one_types_it() -> None:
    assert str(Address("host", 1)) == "host:1"
    assert str(Address("::1", 1)) == "[::1]:1"
