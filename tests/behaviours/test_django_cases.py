"""Consumers in TestCase, TransactionTestCase and pytest-django see the test's rows."""

import subprocess
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.contrib.contenttypes.models import ContentType

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.testing import WebsocketCommunicator
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.site.processes import django


def run_case(case: str, **env: str) -> subprocess.CompletedProcess[str]:
    done = django("test", f"tests.behaviours.site.cases.{case}", "--noinput", **env)
    assert "Ran 4 tests" in done.stderr
    return done


def files(folder: Path) -> dict[str, str]:
    return {
        "SITE_DATABASE": str(folder / "site.sqlite3"),
        "SITE_TEST_DATABASE": str(folder / "test.sqlite3"),
    }


@pytest.mark.parametrize("case", ["InTestCase", "InTransactionTestCase"])
@behaviour("Django's runner: consumers see the rows of the test, in a database in memory")
def test_in_memory(case: str) -> None:
    done = run_case(case)
    assert done.returncode == 0, done.stderr


@behaviour("Django's runner: TransactionTestCase and consumers share the rows, in a file")
def test_transaction_test_case(tmp_path: Path) -> None:
    done = run_case("InTransactionTestCase", **files(tmp_path))
    assert done.returncode == 0, done.stderr


@behaviour("Django's runner: the connection of a TestCase, whose database is not in memory")
@differs(
    upstream="is closed when a consumer disconnects, and the test's transaction lost",
    ours="is left alone, and consumers see the rows of the test",
)
def test_test_case(tmp_path: Path) -> None:
    done = run_case("InTestCase", **files(tmp_path))
    assert (done.returncode == 0) is expected(upstream=False, ours=True), done.stderr
    assert ("Cannot operate on a closed database" in done.stderr) is expected(
        upstream=True, ours=False
    )


class Count(WebsocketConsumer):
    def receive(self, text_data: str) -> None:  # type: ignore[override]
        self.send(str(ContentType.objects.filter(app_label=text_data).count()))


class AsyncCount(AsyncWebsocketConsumer):
    async def receive(self, text_data: str) -> None:  # type: ignore[override]
        rows = ContentType.objects.filter(app_label=text_data)
        await self.send(str(await database_sync_to_async(rows.count)()))


async def counted(consumer: type, label: str) -> str:
    client = WebsocketCommunicator(consumer.as_asgi(), "/")
    await client.connect()
    await client.send_to(text_data=label)
    answer = await client.receive_from()
    await client.disconnect()
    return str(answer)


both = pytest.mark.parametrize("consumer", [Count, AsyncCount])


@both
@pytest.mark.django_db
@behaviour("pytest-django: under async_to_sync consumers are inside the test's transaction")
def test_in_transaction(consumer: type) -> None:
    ContentType.objects.create(app_label="inside", model="one")
    assert async_to_sync(counted)(consumer, "inside") == "1"
    assert ContentType.objects.filter(app_label="inside").count() == 1


@both
@pytest.mark.django_db(transaction=True)
@behaviour("pytest-django: with transaction=True asynchronous tests and consumers share the rows")
async def test_async_test(consumer: type) -> None:
    await ContentType.objects.acreate(app_label="shared", model="one")
    assert await counted(consumer, "shared") == "1"


@both
@pytest.mark.django_db(transaction=True)
@behaviour("pytest-django: with transaction=True synchronous tests and consumers share the rows")
def test_sync_test(consumer: type) -> None:
    ContentType.objects.create(app_label="shared", model="one")
    assert async_to_sync(counted)(consumer, "shared") == "1"
