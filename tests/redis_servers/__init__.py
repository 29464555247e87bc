"""Redis and Valkey servers for the tests: alone, with TLS, behind Sentinel, as a Cluster.

Every server listens on a free port of 127.0.0.1, keeps its files in a folder of its own and is
gone when the test is, however the test ends. What may happen to a server in its life is a method:
it is stopped, killed, frozen, started again with its data, fails over, gives a slot away.
"""

from tests.redis_servers.cluster import Cluster
from tests.redis_servers.programs import FLAVOURS, Flavour, server_program
from tests.redis_servers.sentinel import SentinelSet
from tests.redis_servers.server import Server, redis_server
from tests.redis_servers.tls import Authority

__all__ = [
    "FLAVOURS",
    "Authority",
    "Cluster",
    "Flavour",
    "SentinelSet",
    "Server",
    "redis_server",
    "server_program",
]
