"""The Redis layer keeps every promise: on Redis and Valkey, alone, by TLS, behind Sentinel, as a
Cluster."""

from secrets import token_hex
from typing import Any

import pytest

from channels.layers.redis import RedisChannelLayer
from channels.testing.conformance import CHECKS, Check, Lacking
from tests.conformance.upstream_redis import LACKING, REDIS

PLACES = [
    "redis7",
    "valkey",
    "redis_tls",
    "valkey_tls",
    "redis_sentinel",
    "valkey_sentinel",
    "redis_cluster",
    "valkey_cluster",
    "redis_cluster_tls",
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
@pytest.mark.parametrize("place", PLACES)
async def test_it_keeps(place: str, check: Check, request: pytest.FixtureRequest) -> None:
    hosts = request.getfixturevalue(place).hosts
    # Of its own: the checks flush.
    prefix = f"conformance-{token_hex(4)}"

    def make_layer(**options: Any) -> RedisChannelLayer:
        return RedisChannelLayer(hosts=hosts, prefix=prefix, **options)

    if check.name in LACKING[REDIS]:
        with pytest.raises(Lacking):
            await check.run(make_layer, peers=True, expiry=0.2)
    else:
        await check.run(make_layer, peers=True, expiry=0.2)
