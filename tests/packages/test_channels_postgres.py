"""channels-postgres: a layer over LISTEN and NOTIFY.

It starts to listen when the first receiver comes. What is sent until it does listen may be lost,
and two receivers that come meanwhile make it listen twice, so that each message comes twice; on
upstream Channels too. So one receiver comes first here, and gets a message before others come.
And what is sent to a channel before its first `receive` has a lock of the database is dropped.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio
import pytest_django
from channels_postgres import db
from django.db import connections
from django.test.utils import override_settings

from channels.layers import get_channel_layer
from tests.packages.chat import talk
from tests.packages.servers import migrate

# Its pool of connections belongs to the event loop that used it first.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def database(postgres: str) -> dict[str, Any]:
    """The database with the layer's tables and triggers."""
    migrate(postgres)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": postgres,
        "NAME": "postgres",
        "USER": "postgres",
        "PASSWORD": "",
        "PORT": "",
        # Django fills it in for DATABASES; nobody does for a layer.
        "TIME_ZONE": None,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(database: dict[str, Any]) -> AsyncIterator[None]:
    yield
    async with await psycopg.AsyncConnection.connect(
        host=database["HOST"], dbname="postgres", user="postgres", autocommit=True
    ) as connection:
        await connection.execute("NOTIFY channels_postgres_messages, '1:shutdown';")
    assert db.connection_pool is not None
    await db.connection_pool.close()


@pytest.fixture
def layer_on(
    database: dict[str, Any], pool: None, django_db_blocker: pytest_django.DjangoDbBlocker
) -> Iterator[None]:
    """The layer is the default one meanwhile, and its database, in which it looks for groups by
    Django's ORM, is one of Django's."""
    connections.settings["channels_postgres"] = {**connections.settings["default"], **database}
    config = {"BACKEND": "channels_postgres.core.PostgresChannelLayer", "CONFIG": database}
    with override_settings(CHANNEL_LAYERS={"default": config}), django_db_blocker.unblock():
        yield
    del connections.settings["channels_postgres"]


async def listening(layer: Any) -> None:
    """Return when a message to a channel arrives."""
    channel = await layer.new_channel()
    receiver = asyncio.create_task(layer.receive(channel))
    async with asyncio.timeout(10):
        while not receiver.done():
            await layer.send(channel, {"type": "hello"})
            await asyncio.wait([receiver], timeout=0.1)


async def test_chat(layer_on: None) -> None:
    layer = get_channel_layer()
    assert type(layer).__module__ == "channels_postgres.core"
    await listening(layer)

    async def locked(channel: str) -> None:
        async with asyncio.timeout(10):
            while not layer._channel_advisory_locks.get(channel):
                await asyncio.sleep(0.01)

    await talk(ready=locked)
