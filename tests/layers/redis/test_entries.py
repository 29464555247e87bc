"""The forms of ``hosts``, and the errors for what is none of them."""

import pickle
from typing import Any

import pytest
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)

from channels.exceptions import InvalidChannelLayerError
from channels.layers.redis.entries import parse_hosts
from channels.layers.redis.hosts import Host


def parse(entry: Any) -> Host:
    (host,) = parse_hosts([entry])
    return host


def made(entry: Any) -> tuple[type[AbstractConnection], dict[str, Any]]:
    """The connection's type and what is known of it."""
    connection = parse(entry).connection()
    names = ("host", "port", "path", "db", "username", "password", "client_name")
    return type(connection), {
        name: getattr(connection, name)
        for name in names
        if getattr(connection, name, None) not in (None, 0)
    }


# What channels_redis 4.3 makes of each, seen by running it.
@pytest.mark.parametrize(
    ("entry", "kind", "known"),
    [
        ("redis://h", Connection, {"host": "h", "port": 6379}),
        ("redis://h:1/2", Connection, {"host": "h", "port": 1, "db": 2}),
        ("redis://h:1?db=3", Connection, {"host": "h", "port": 1, "db": 3}),
        ("redis://[::1]:1", Connection, {"host": "::1", "port": 1}),
        (
            "redis://u:p%40%2F@h:1/2?client_name=web",
            Connection,
            {
                "host": "h",
                "port": 1,
                "db": 2,
                "username": "u",
                "password": "p@/",
                "client_name": "web",
            },
        ),
        (
            "rediss://:p@h:1?ssl_cert_reqs=none",
            SSLConnection,
            {"host": "h", "port": 1, "password": "p"},
        ),
        ("unix:///run/s.sock?db=1", UnixDomainSocketConnection, {"path": "/run/s.sock", "db": 1}),
        (("h", 1), Connection, {"host": "h", "port": 1}),
        (["h", "1"], Connection, {"host": "h", "port": 1}),
        (("h", 1, 2), Connection, {"host": "h", "port": 1}),
        ({"host": "h"}, Connection, {"host": "h", "port": 6379}),
        (
            {"host": "h", "port": 1, "password": "p", "db": 2},
            Connection,
            {"host": "h", "port": 1, "password": "p", "db": 2},
        ),
        ({"host": "h", "port": "1"}, Connection, {"host": "h", "port": 1}),
        ({}, Connection, {"host": "localhost", "port": 6379}),
        (
            {"address": "redis://h:1", "password": "p", "db": 2},
            Connection,
            {"host": "h", "port": 1, "password": "p", "db": 2},
        ),
        # The URL's own word counts, as in redis-py.
        (
            {"address": "redis://:theirs@h/5", "password": "p", "db": 2},
            Connection,
            {"host": "h", "port": 6379, "password": "theirs", "db": 5},
        ),
        ({"address": "unix:///s"}, UnixDomainSocketConnection, {"path": "/s"}),
        (
            {"address": "rediss://h", "ssl_cert_reqs": None},
            SSLConnection,
            {"host": "h", "port": 6379},
        ),
        (
            {"host": "h", "connection_class": SSLConnection},
            SSLConnection,
            {"host": "h", "port": 6379},
        ),
    ],
)
def test_the_forms_of_upstream(
    entry: Any, kind: type[AbstractConnection], known: dict[str, Any]
) -> None:
    assert made(entry) == (kind, known)


# What upstream refuses, or takes and then fails with.
@pytest.mark.parametrize(
    ("entry", "kind", "known"),
    [
        ({"host": "h", "ssl": True}, SSLConnection, {"host": "h", "port": 6379}),
        ({"address": "redis://h", "ssl": True}, SSLConnection, {"host": "h", "port": 6379}),
        ("redis://h?ssl=true", SSLConnection, {"host": "h", "port": 6379}),
        ({"host": "h", "ssl": False}, Connection, {"host": "h", "port": 6379}),
        ({"address": ("h", 1), "db": 2}, Connection, {"host": "h", "port": 1, "db": 2}),
        ({"path": "/s", "db": 1}, UnixDomainSocketConnection, {"path": "/s", "db": 1}),
        ({"unix_socket_path": "/s"}, UnixDomainSocketConnection, {"path": "/s"}),
    ],
)
def test_forms_of_our_own(
    entry: Any, kind: type[AbstractConnection], known: dict[str, Any]
) -> None:
    assert made(entry) == (kind, known)


@pytest.mark.parametrize(
    ("entry", "db"),
    [
        ("redis://h", 0),
        ("redis://h/3", 3),
        ({"host": "h", "db": "4"}, 4),
        ({"cluster": ["redis://h"]}, 0),
    ],
)
def test_the_number_of_the_database(entry: Any, db: int) -> None:
    assert parse(entry).db == db


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_layer_speaks_one_protocol(protocol: int) -> None:
    assert parse({"host": "h", "protocol": protocol}).connection().protocol == 2


@pytest.mark.parametrize("hosts", [None, [], ()])
def test_no_hosts_mean_the_server_on_this_machine(hosts: Any) -> None:
    (host,) = parse_hosts(hosts)
    assert host.seeds == (("localhost", 6379),)


def test_several_hosts_stay_in_order() -> None:
    hosts = parse_hosts(("redis://a", ("b", 1), {"host": "c"}))
    assert [host.seeds for host in hosts] == [(("a", 6379),), (("b", 1),), (("c", 6379),)]


def test_tls_options_reach_the_connection() -> None:
    connection = parse(
        {"address": "rediss://h", "ssl_ca_certs": "/ca.pem", "ssl_check_hostname": False}
    ).connection()
    assert isinstance(connection, SSLConnection)
    assert connection.ca_certs == "/ca.pem"
    assert connection.check_hostname is False
    unchecked = parse({"address": "rediss://h", "ssl_cert_reqs": None}).connection()
    assert isinstance(unchecked, SSLConnection)
    assert unchecked.cert_reqs == 0


@pytest.mark.parametrize(
    "option",
    ["max_connections", "retry_on_timeout", "timeout", "decode_responses", "encoding", "is_master"],
)
def test_what_is_for_pools_and_texts_is_accepted_and_has_no_effect(option: str) -> None:
    plain = parse({"host": "h"}).connection()
    connection = parse({"host": "h", option: 1}).connection()
    for name in ("encoding", "encoding_errors", "decode_responses"):
        assert getattr(connection.encoder, name) == getattr(plain.encoder, name)
    assert connection.retry.get_retries() == 0


def test_the_time_to_connect_is_bounded_unless_the_entry_says_otherwise() -> None:
    assert parse("redis://h").connection().socket_connect_timeout == 5
    assert parse("redis://h?socket_connect_timeout=2").connection().socket_connect_timeout == 2
    assert (
        parse({"host": "h", "socket_connect_timeout": 3}).connection().socket_connect_timeout == 3
    )


class TestSentinel:
    ENTRY: dict[str, Any] = {
        "sentinels": [("s1", 26379), ["s2", "26380"]],
        "master_name": "the-master",
        "sentinel_kwargs": {"password": "sesame", "ssl": True},
        "password": "secret",
        "db": 1,
        "ssl": True,
        "ssl_cert_reqs": None,
    }

    def test_upstreams_form(self) -> None:
        host = parse(self.ENTRY)
        assert host.seeds == (("s1", 26379), ("s2", 26380))
        assert host.master_name == "the-master"
        assert not host.cluster
        connection = host.connection(("master", 6379))
        assert isinstance(connection, SSLConnection)
        assert (connection.host, connection.port, connection.db, connection.password) == (
            "master",
            6379,
            1,
            "secret",
        )
        assert host.name == "sentinel://s1:26379,s2:26380/the-master"

    def test_the_entry_is_left_as_it_was(self) -> None:
        before = pickle.dumps(self.ENTRY)
        parse(self.ENTRY)
        assert pickle.dumps(self.ENTRY) == before

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"master_name": None}, "has 'sentinels' and no 'master_name'"),
            ({"sentinels": None}, "no list of 'sentinels'"),
            ({"sentinels": []}, "no list of 'sentinels'"),
            (
                {"sentinels": ["redis://:secret@s1"]},
                r"hosts\[0\]\['sentinels'\]\[0\] is not a pair",
            ),
            ({"sentinel_kwargs": 5}, "'sentinel_kwargs' that is not a dict"),
            ({"sentinel_kwargs": {"pasword": "secret"}}, r"\['sentinel_kwargs'\] has 'pasword'"),
            ({"is_master": False}, "asks for replicas"),
            ({"host": "h"}, "both 'host' and 'sentinels'"),
            ({"cluster": True}, "both 'cluster' and 'sentinels'"),
        ],
    )
    def test_what_is_wrong_is_named(self, change: dict[str, Any], says: str) -> None:
        with pytest.raises(InvalidChannelLayerError, match=says) as raised:
            parse({**self.ENTRY, **change})
        assert "secret" not in str(raised.value)


class TestCluster:
    @pytest.mark.parametrize(
        ("entry", "seeds", "kind"),
        [
            (
                {"cluster": ["redis://a", ("b", 7000)], "password": "p"},
                (("a", 6379), ("b", 7000)),
                Connection,
            ),
            (
                {"cluster": ["rediss://:p@a", "rediss://b"]},
                (("a", 6379), ("b", 6379)),
                SSLConnection,
            ),
            ({"cluster": [("a", 1)], "ssl": True, "password": "p"}, (("a", 1),), SSLConnection),
            ({"cluster": True, "address": "rediss://:p@a"}, (("a", 6379),), SSLConnection),
            ({"cluster": True, "host": "a", "password": "p"}, (("a", 6379),), Connection),
        ],
    )
    def test_forms(self, entry: Any, seeds: Any, kind: type[AbstractConnection]) -> None:
        host = parse(entry)
        assert host.cluster
        assert host.seeds == seeds
        node = host.connection(("found", 7001))
        assert type(node) is kind
        assert isinstance(node, Connection)
        assert (node.host, node.port, node.password) == ("found", 7001, "p")

    def test_false_is_no_cluster(self) -> None:
        assert not parse({"cluster": False, "host": "a"}).cluster

    @pytest.mark.parametrize(
        ("entry", "says"),
        [
            ({"cluster": "redis://a"}, "neither True nor a list"),
            ({"cluster": []}, "neither True nor a list"),
            ({"cluster": 5}, "neither True nor a list"),
            ({"cluster": ["redis://a"], "host": "b"}, "both 'host' and a list"),
            ({"cluster": ["redis://a", "rediss://b"]}, "different schemes"),
            ({"cluster": ["redis://a"], "db": 1}, "has database 0"),
            ({"cluster": ["redis://a/1"]}, "has database 0"),
            ({"cluster": ["unix:///s"]}, "Unix socket"),
            ({"cluster": True, "path": "/s"}, "Unix socket"),
            ({"cluster": [5]}, r"hosts\[0\]\['cluster'\]\[0\] is a int"),
        ],
    )
    def test_what_is_wrong_is_named(self, entry: Any, says: str) -> None:
        with pytest.raises(InvalidChannelLayerError, match=says):
            parse(entry)

    def test_it_has_to_be_alone(self) -> None:
        with pytest.raises(InvalidChannelLayerError, match="only entry"):
            parse_hosts(["redis://a", {"cluster": ["redis://b"]}])


@pytest.mark.parametrize(
    "hosts", ["redis://:secret@h", b"redis://:secret@h", {"host": "secret"}, 5]
)
def test_hosts_has_to_be_a_list(hosts: Any) -> None:
    with pytest.raises(InvalidChannelLayerError, match="must be a list, even if") as raised:
        parse_hosts(hosts)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("h:6379", "does not begin with one of redis://, rediss://, unix://"),
        ("secret", "does not begin"),
        ("http://:secret@h", "does not begin"),
        ("redis://:sec/ret@h", "not a valid URL.*Percent-encode"),
        ("redis://u:secret@h:port", "not a valid URL"),
        ("redis://u:secret@h:99999", "not a valid URL"),
        ("redis://h?db=secret", "not a valid URL"),
        ("redis://h?protocol=secret", "not a valid URL"),
        ("unix://", "has no path"),
        (b"redis://:secret@h", "is a bytes"),
        (5, "is a int"),
        (None, "is a NoneType"),
        (("h",), "not a pair"),
        (("h", "secret"), "not a pair"),
        (("redis://:secret@h", 1), "not a pair"),
        (("h", 0), "not a pair"),
        ({"host": "redis://:secret@h"}, "not a pair"),
        ({"hots": "secret"}, "'hots', which a connection does not know; did you mean 'host'"),
        ({"host": "h", "pasword": "secret"}, "did you mean 'password'"),
        ({"host": "h", "zzz": "secret"}, "'zzz', which a connection does not know; leave it out"),
        ({"host": "h", "ssl_cert_reqs": None}, "'ssl_cert_reqs' without TLS.*'ssl': True"),
        ("redis://h?ssl_cert_reqs=none", "'ssl_cert_reqs' without TLS"),
        ("redis://h?zzz=secret", "'zzz', which a connection does not know"),
        ({"host": "h", "address": "redis://:secret@h"}, "both 'address' and 'host'"),
        ({"address": 5}, r"hosts\[1\]\['address'\] is a int"),
        ({"address": "rediss://h", "ssl": False}, "rediss:// address and 'ssl': False"),
        ({"path": "/s", "ssl": True}, "'ssl' where there is no TLS"),
        ({"host": "h", "db": "secret"}, "a 'db' that is not a number"),
        ({"host": "h", "db": -1}, "a 'db' that is not a number"),
        ({"host": "h", "connection_class": dict}, "'connection_class' that is none of redis.asyn"),
    ],
)
def test_errors_name_the_entry_and_show_no_password(entry: Any, says: str) -> None:
    with pytest.raises(InvalidChannelLayerError, match=says) as raised:
        parse_hosts(["redis://first", entry])
    assert str(raised.value).startswith("hosts[1]")
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    for part in ("secret", "sec/", "ret@"):
        assert part not in str(raised.value)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("redis://user:secret@h:1/2", "redis://h:1/2"),
        ("rediss://:secret@[::1]", "rediss://[::1]:6379"),
        ("unix://:secret@/run/s.sock?db=1", "unix:///run/s.sock/1"),
        ({"host": "h", "password": "secret"}, "redis://h:6379"),
        ({"cluster": ["rediss://:secret@a", ("b", 1)], "ssl": True}, "rediss+cluster://a:6379,b:1"),
    ],
)
def test_a_name_without_secrets(entry: Any, name: str) -> None:
    host = parse(entry)
    assert host.name == name
    assert repr(host) == f"<Host {name}>"
    assert "secret" not in repr(host.connection())
