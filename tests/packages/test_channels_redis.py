"""channels-redis 4.3: both layers, unchanged, with redis-py 7."""

from collections.abc import AsyncIterator

import pytest
from django.test.utils import override_settings

from channels.layers import get_channel_layer
from tests.packages.chat import talk

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"


@pytest.fixture(params=[CORE, PUBSUB])
async def layer_on(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[str]:
    """The layer is the default one meanwhile."""
    config = {"BACKEND": request.param, "CONFIG": {"hosts": [redis_url]}}
    with override_settings(CHANNEL_LAYERS={"default": config}):
        yield request.param
        layer = get_channel_layer()
        await layer.flush()
        if request.param == CORE:
            await layer.close_pools()


async def test_chat(layer_on: str) -> None:
    assert get_channel_layer().__class__.__module__.startswith("channels_redis.")
    await talk()


async def test_chat_again_in_another_event_loop(layer_on: str) -> None:
    await talk()
