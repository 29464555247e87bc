"""The ``hosts`` option, as projects write it.

An entry of the list is one of

* a URL: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with user, password, database and options
  as redis-py reads them;
* a pair ``(host, port)``;
* a dict with ``address`` (a URL or a pair), or ``host`` and ``port``, or ``path`` (a Unix socket);
* a dict with ``sentinels`` (pairs), ``master_name`` and, if the Sentinels themselves want options,
  ``sentinel_kwargs``;
* a dict with ``cluster``: a list of URLs or pairs of nodes to begin with, or ``True`` beside
  ``address`` or ``host``.

What else a dict holds goes to the connection: ``username``, ``password``, ``db``, ``ssl`` (``True``
for TLS), ``ssl_ca_certs`` and its kin, ``socket_connect_timeout``, ``client_name`` and so on.

Errors name the entry and never show what it holds.
"""

import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, cast
from urllib.parse import urlsplit

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)

from channels.exceptions import InvalidChannelLayerError
from channels.layers.redis.hosts import Address, Host

DEFAULT_PORT = 6379

# What a pool of redis-py takes and a connection does not, and what would change the bytes that the
# layer reads. Accepted, because upstream accepts it, and without a meaning for this layer: it has
# no pool, and asks, gives up and connects again by rules of its own.
WITHOUT_EFFECT = frozenset(
    {
        "check_connection",
        "connection_pool",
        "decode_responses",
        "encoding",
        "encoding_errors",
        "health_check_interval",
        "is_master",
        "max_connections",
        "parser_class",
        "protocol",
        "retry",
        "retry_on_error",
        "retry_on_timeout",
        "socket_timeout",
        "timeout",
    }
)


def parse_hosts(hosts: object) -> list[Host]:
    """The value of the ``hosts`` option as hosts, in its order; ``None`` and empty mean the server
    on this machine.

    Raises:
        InvalidChannelLayerError: it is not a list, or an entry is none of the forms.
    """
    if not hosts:
        return [Host((("localhost", DEFAULT_PORT),), Connection, {})]
    if isinstance(hosts, str | bytes | Mapping) or not isinstance(hosts, Iterable):
        raise InvalidChannelLayerError(
            "hosts must be a list, even if there is only one host, such as "
            f"['redis://localhost:6379']; it is a {type(hosts).__name__}."
        )
    parsed = [_Entry(f"hosts[{number}]").parse(entry) for number, entry in enumerate(hosts)]
    if len(parsed) > 1 and any(host.cluster for host in parsed):
        raise InvalidChannelLayerError(
            "hosts has a Cluster beside other entries; a Cluster spreads the names over its nodes "
            "itself and has to be the only entry."
        )
    return parsed


class _Entry:
    """Reads one entry. Its errors show names of options and types of values: an entry may hold a
    password anywhere, above all where it is written wrongly."""

    def __init__(self, where: str) -> None:
        self._where = where

    def parse(self, entry: object) -> Host:
        if isinstance(entry, Mapping):
            return self._from_dict({str(key): value for key, value in entry.items()})
        address, connection_type, options = self._place(entry, self._where)
        self._check_options(connection_type, options)
        return Host((address,), connection_type, options)

    def _from_dict(self, options: dict[str, Any]) -> Host:
        cluster = options.pop("cluster", False)
        if "sentinels" in options or "master_name" in options:
            if cluster:
                raise self._wrong("has both 'cluster' and 'sentinels'", "leave one of them out")
            return self._with_sentinels(options)
        if cluster is False or cluster is None:
            address, connection_type, options = self._single(options)
            self._check_options(connection_type, options)
            return Host((address,), connection_type, options)
        return self._with_cluster(cluster, options)

    def _single(
        self, options: dict[str, Any]
    ) -> tuple[Address, type[AbstractConnection], dict[str, Any]]:
        """Address, type of connection and what is left of a dict."""
        places = [
            key for key in ("address", "host", "path", "unix_socket_path") if options.get(key)
        ]
        if len(places) > 1:
            raise self._wrong(f"has both {places[0]!r} and {places[1]!r}", "leave one of them out")
        if "address" in places:
            where = f"{self._where}['address']"
            address, connection_type, found = self._place(options.pop("address"), where)
            # What the URL says wins, as in redis-py.
            options = {**options, **found}
        elif places and places[0] != "host":
            address, connection_type = str(options.pop(places[0])), UnixDomainSocketConnection
        else:
            host = options.pop("host", None) or "localhost"
            port = options.pop("port", None)
            address = self._pair((host, DEFAULT_PORT if port is None else port), self._where)
            connection_type = Connection
        for key in ("address", "host", "port", "path", "unix_socket_path"):
            options.pop(key, None)
        return address, *self._typed(connection_type, options)

    def _typed(
        self, connection_type: type[AbstractConnection], options: dict[str, Any]
    ) -> tuple[type[AbstractConnection], dict[str, Any]]:
        """``ssl`` and ``connection_class`` turned into the type."""
        options = dict(options)
        tls = options.pop("ssl", None)
        own: object = options.pop("connection_class", None)
        if own is not None:
            if not (isinstance(own, type) and issubclass(own, AbstractConnection)):
                raise self._wrong(
                    "has a 'connection_class' that is none of redis.asyncio",
                    "give a subclass of redis.asyncio.Connection",
                )
            connection_type = own
        elif isinstance(tls, str):
            tls = tls.lower() not in ("", "0", "f", "false", "n", "no")
        if tls and not issubclass(connection_type, SSLConnection):
            if connection_type is not Connection:
                raise self._wrong("has 'ssl' where there is no TLS", "leave 'ssl' out")
            connection_type = SSLConnection
        elif tls is False and connection_type is SSLConnection:
            raise self._wrong("has a rediss:// address and 'ssl': False", "leave one of them out")
        return connection_type, options

    def _with_sentinels(self, options: dict[str, Any]) -> Host:
        master_name = options.pop("master_name", None)
        sentinels = options.pop("sentinels", None)
        if not isinstance(master_name, str) or not master_name:
            raise self._wrong(
                "has 'sentinels' and no 'master_name'", "add the name that they know the master by"
            )
        if not isinstance(sentinels, list | tuple) or not sentinels:
            raise self._wrong(
                "has a 'master_name' and no list of 'sentinels'",
                "add 'sentinels': [('host', 26379), …]",
            )
        if not options.get("is_master", True):
            raise self._wrong(
                "asks for replicas ('is_master': False)", "the layer writes: leave it out"
            )
        seeds = tuple(
            self._pair(sentinel, f"{self._where}['sentinels'][{number}]")
            for number, sentinel in enumerate(sentinels)
        )
        for key in ("host", "port", "address"):
            if options.pop(key, None) is not None:
                raise self._wrong(f"has both {key!r} and 'sentinels'", "leave one of them out")
        asking = options.pop("sentinel_kwargs", None) or {}
        if not isinstance(asking, Mapping):
            raise self._wrong("has 'sentinel_kwargs' that is not a dict", "make it one")
        connection_type, options = self._typed(Connection, options)
        sentinel_type, sentinel_options = self._typed(Connection, dict(asking))
        self._check_options(connection_type, options)
        _Entry(f"{self._where}['sentinel_kwargs']")._check_options(sentinel_type, sentinel_options)
        return Host(
            seeds,
            connection_type,
            options,
            master_name=master_name,
            sentinel_options=(sentinel_type, sentinel_options),
        )

    def _with_cluster(self, cluster: object, options: dict[str, Any]) -> Host:
        if cluster is True:
            address, connection_type, options = self._single(options)
            seeds: list[Address] = [address]
        else:
            if not isinstance(cluster, list | tuple) or not cluster:
                raise self._wrong(
                    "has a 'cluster' that is neither True nor a list of nodes",
                    "write 'cluster': ['redis://host:6379', …]",
                )
            for key in ("address", "host"):
                if key in options:
                    raise self._wrong(
                        f"has both {key!r} and a list of nodes in 'cluster'",
                        "leave one of them out",
                    )
            seeds, types = [], set[type[AbstractConnection]]()
            for number, node in enumerate(cluster):
                address, node_type, found = self._place(node, f"{self._where}['cluster'][{number}]")
                seeds.append(address)
                if isinstance(node, str):
                    types.add(node_type)
                # User and password of a URL are for every node, and so is everything else.
                options = {**options, **found}
            if len(types) > 1:
                raise self._wrong(
                    "has nodes of different schemes", "write all of them as rediss://, or none"
                )
            connection_type, options = self._typed(types.pop() if types else Connection, options)
        if issubclass(connection_type, UnixDomainSocketConnection):
            raise self._wrong("is a Cluster on a Unix socket", "give host and port")
        if options.get("db"):
            raise self._wrong(
                "is a Cluster and has a 'db'", "leave it out: a Cluster has database 0"
            )
        self._check_options(connection_type, options)
        return Host(tuple(seeds), connection_type, options, cluster=True)

    def _place(
        self, value: object, where: str
    ) -> tuple[Address, type[AbstractConnection], dict[str, Any]]:
        """Address, type of connection and options of a URL or a pair."""
        if isinstance(value, tuple | list):
            return self._pair(value, where), Connection, {}
        if not isinstance(value, str):
            raise InvalidChannelLayerError(
                f"{where} is a {type(value).__name__}; give a URL such as "
                "'redis://localhost:6379', a pair (host, port) or a dict."
            )
        return self._url(value, where)

    def _url(
        self, url: str, where: str
    ) -> tuple[Address, type[AbstractConnection], dict[str, Any]]:
        schemes = ("redis://", "rediss://", "unix://")
        if not url.startswith(schemes):
            raise InvalidChannelLayerError(
                f"{where} is a string that does not begin with one of {', '.join(schemes)}; write "
                "'redis://host:6379', or ('host', 6379)."
            )
        try:
            _ = urlsplit(url).port
            options: dict[str, Any] = dict(cast("Mapping[str, Any]", parse_url(url)))
        except ValueError:
            # Its text quotes what may be a part of the password.
            raise InvalidChannelLayerError(
                f"{where} is not a valid URL: its port is not a number, or one of its options has "
                "a wrong value. Percent-encode special characters of the password "
                "(urllib.parse.quote(password, safe=''))."
            ) from None
        connection_type = options.pop("connection_class", Connection)
        if connection_type is UnixDomainSocketConnection:
            path = options.pop("path", "")
            if not path:
                raise InvalidChannelLayerError(
                    f"{where} has no path; write 'unix:///run/redis.sock'."
                )
            return path, connection_type, options
        host, port = options.pop("host", "localhost"), options.pop("port", DEFAULT_PORT)
        return (host, port), *self._typed(connection_type, options)

    def _pair(self, value: object, where: str) -> tuple[str, int]:
        if isinstance(value, tuple | list) and len(value) >= 2:
            host, port = value[0], value[1]
            if isinstance(host, str) and host and "://" not in host:
                try:
                    number = int(port)
                except (TypeError, ValueError):
                    number = -1
                if 0 < number < 65536:
                    return host, number
        raise InvalidChannelLayerError(
            f"{where} is not a pair of host and port; write ('localhost', {DEFAULT_PORT})."
        )

    def _check_options(
        self, connection_type: type[AbstractConnection], options: dict[str, Any]
    ) -> None:
        """Take out what has no effect and refuse what a connection does not know."""
        for key in WITHOUT_EFFECT & options.keys():
            del options[key]
        if not _is_database(options.get("db")):
            raise self._wrong("has a 'db' that is not a number", "write 'db': 0")
        known = _parameters(connection_type)
        if known is None:
            return
        for key in options:
            if key in known:
                continue
            if key.startswith("ssl_") and key in (_parameters(SSLConnection) or ()):
                raise self._wrong(
                    f"has {key!r} without TLS", "write a rediss:// address, or add 'ssl': True"
                )
            likely = get_close_matches(
                key, [*known, "address", "host", "sentinels", "master_name", "cluster", "ssl"], 1
            )
            hint = f"did you mean {likely[0]!r}?" if likely else "leave it out"
            raise self._wrong(f"has {key!r}, which a connection does not know", hint)

    def _wrong(self, what: str, cure: str) -> InvalidChannelLayerError:
        return InvalidChannelLayerError(f"{self._where} {what}; {cure}.")


def _is_database(value: object) -> bool:
    return value is None or (isinstance(value, int | str) and str(value).isdecimal())


def _parameters(connection_type: type[AbstractConnection]) -> frozenset[str] | None:
    """What a type of connection takes; ``None`` if a class of somebody else does not say."""
    if not connection_type.__module__.startswith("redis."):
        return None
    names: set[str] = set()
    for base in connection_type.__mro__:
        initialise = vars(base).get("__init__")
        if initialise is not None and base is not object:
            names.update(inspect.signature(initialise).parameters)
    return frozenset(names - {"self", "kwargs", "host", "port", "path"})
