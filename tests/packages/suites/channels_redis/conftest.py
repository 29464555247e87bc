"""Sends the tests to the servers of this run instead of those on the usual ports."""

import os
import re
from typing import Any

import pytest
from channels_redis import core

REDIS_PORT = int(os.environ["PACKAGES_REDIS_PORT"])
SENTINEL_PORT = int(os.environ["PACKAGES_SENTINEL_PORT"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for module in {item.module for item in items}:
        for name in ("TEST_HOSTS", "MULTIPLE_TEST_HOSTS"):
            if hasattr(module, name):
                setattr(module, name, [moved(host) for host in getattr(module, name)])


@pytest.fixture(autouse=True)
def moved_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some tests name no host."""
    original = core.decode_hosts
    default = f"redis://127.0.0.1:{REDIS_PORT}"
    monkeypatch.setattr(core, "decode_hosts", lambda hosts: original(hosts or [default]))


def moved(host: Any) -> Any:
    """The address on this run's ports."""
    if isinstance(host, dict):
        return {**host, "sentinels": [("127.0.0.1", SENTINEL_PORT)]}
    return re.sub(r"localhost:6379", f"127.0.0.1:{REDIS_PORT}", host)
