import pytest

from channels.layers import InMemoryChannelLayer
from tests.layers.tools import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def layer(clock: Clock) -> InMemoryChannelLayer:
    return InMemoryChannelLayer(expiry=60, group_expiry=1000, clock=clock)
