"""What every test of limits needs: nobody said anything in the log before it."""

import pytest

from channels.limits import door
from channels.limits import rejections as module_of_rejections
from channels.limits.rejections import Rejections


@pytest.fixture(autouse=True)
def rejections(monkeypatch: pytest.MonkeyPatch) -> Rejections:
    """Counts of this test alone."""
    fresh = Rejections()
    for module in (door, module_of_rejections):
        monkeypatch.setattr(module, "rejections", fresh)
    return fresh
