"""Say which servers the tests use, after installing what is missing."""

from tests.redis_servers.programs import FLAVOURS, server_program, speaks_tls

for flavour in FLAVOURS:
    path = server_program(flavour)
    print(path, "with TLS" if speaks_tls(path) else "without TLS")
