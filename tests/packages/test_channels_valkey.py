"""channels-valkey: both layers, over Valkey's own client and its server.

They use `valid_group_name`, which is deprecated, on upstream Channels too.
"""

from collections.abc import AsyncIterator

import pytest
from django.test.utils import override_settings

from channels.layers import get_channel_layer
from tests.packages.chat import talk

CORE = "channels_valkey.core.ValkeyChannelLayer"
PUBSUB = "channels_valkey.pubsub.ValkeyPubSubChannelLayer"


pytestmark = pytest.mark.filterwarnings("ignore:valid_.*_name is deprecated:DeprecationWarning")


@pytest.fixture(params=[CORE, PUBSUB])
async def layer_on(request: pytest.FixtureRequest, valkey_url: str) -> AsyncIterator[str]:
    """The layer is the default one meanwhile."""
    config = {"BACKEND": request.param, "CONFIG": {"hosts": [valkey_url]}}
    with override_settings(CHANNEL_LAYERS={"default": config}):
        yield request.param
        layer = get_channel_layer()
        await layer.flush()
        if request.param == CORE:
            await layer.close_pools()


async def test_chat(layer_on: str) -> None:
    assert get_channel_layer().__class__.__module__.startswith("channels_valkey.")
    await talk()


async def test_chat_again_in_another_event_loop(layer_on: str) -> None:
    await talk()
