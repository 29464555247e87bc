"""The in-memory layer keeps every promise."""

from typing import Any

import pytest

from channels.layers import InMemoryChannelLayer
from channels.testing.conformance import CHECKS, Check, Lacking, LayerConformance
from channels.testing.conformance.check import PEERS
from tests.conformance.clock import Clock

OF_ONE_PROCESS = [check for check in CHECKS if PEERS not in check.needs]


@pytest.mark.parametrize("check", OF_ONE_PROCESS, ids=str)
async def test_it_keeps(check: Check) -> None:
    clock = Clock()

    def make_layer(**options: Any) -> InMemoryChannelLayer:
        return InMemoryChannelLayer(clock=clock, **options)

    await check.run(make_layer, pass_time=clock.pass_time)


@pytest.mark.parametrize("check", [c for c in CHECKS if PEERS in c.needs], ids=str)
async def test_it_says_that_it_ends_with_its_process(check: Check) -> None:
    with pytest.raises(Lacking, match="are not said to talk to each other"):
        await check.run(InMemoryChannelLayer)


class TestAsAMixin(LayerConformance):
    """The way in which the author of a layer uses the suite."""

    expiry = 0.01

    def make_layer(self, **options: Any) -> InMemoryChannelLayer:
        return InMemoryChannelLayer(**options)


for _name in [name for name in vars(LayerConformance) if name.startswith("test_")]:
    if _name.removeprefix("test_") not in {check.name for check in OF_ONE_PROCESS}:
        # Whether a lacking guarantee is a skipped test is looked at in test_suite.py.
        setattr(TestAsAMixin, _name, None)
