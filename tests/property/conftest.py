import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def _quiet() -> Iterator[None]:
    """Layers say what they drop, and here they drop thousands."""
    logger = logging.getLogger("django.channels.layers")
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(logging.NOTSET)
