"""The packages' own test suites, on Raceway."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packages.own_suites import SUITES, Suite, run
from tests.packages.servers import migrate, redis_with_sentinel

BY_NAME = {suite.package: suite for suite in SUITES}

pytestmark = pytest.mark.timeout(300)


def check(suite: Suite, folder: Path, **environment: str) -> None:
    outcome = run(suite, folder, **environment)
    assert not outcome.counts["failure"], outcome.output
    assert not outcome.counts["error"], outcome.output
    # On some versions of Python a suite skips fewer.
    assert outcome.counts["passed"] >= suite.passing, outcome.output


def test_djangochannelsrestframework(tmp_path: Path) -> None:
    check(BY_NAME["djangochannelsrestframework"], tmp_path)


def test_sentry_sdk(tmp_path: Path) -> None:
    check(BY_NAME["sentry-sdk"], tmp_path)


@pytest.fixture
def redis_ports() -> Iterator[dict[str, str]]:
    # The name and the password are those that its tests expect.
    with redis_with_sentinel("sentinel", "channels_redis") as (redis, sentinel):
        yield {"PACKAGES_REDIS_PORT": str(redis), "PACKAGES_SENTINEL_PORT": str(sentinel)}


def test_channels_redis(tmp_path: Path, redis_ports: dict[str, str]) -> None:
    check(BY_NAME["channels-redis"], tmp_path, **redis_ports)


def test_channels_postgres(tmp_path: Path, postgres: str) -> None:
    migrate(postgres)
    check(
        BY_NAME["channels-postgres"],
        tmp_path,
        PACKAGES_POSTGRES=postgres,
        DJANGO_SETTINGS_MODULE="tests.suite_settings",
    )
