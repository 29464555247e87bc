"""What every test of limits needs: nobody said anything in the log before it."""

import pytest

from channels.layers import rules
from channels.limits import door
from channels.limits.rejections import Rejections


@pytest.fixture(autouse=True)
def rejections(monkeypatch: pytest.MonkeyPatch) -> Rejections:
    """Counts of this test alone."""
    fresh = Rejections()
    for module in (door, rules):
        monkeypatch.setattr(module, "rejections", fresh)
    return fresh
