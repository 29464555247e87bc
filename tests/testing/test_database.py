"""Communicators and the test's database, under each way to run a test."""

from typing import Any
from unittest import mock

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.db import connection
from django.test import TestCase, TransactionTestCase

from channels.testing import HttpCommunicator, WebsocketCommunicator
from channels.testing.databases import keep_transactions


def application() -> Any:
    # Its module calls get_asgi_application(), which belongs after the set-up of the test run.
    from tests.testing.site.asgi import application

    return application


async def add_in(path: str, name: str) -> str:
    """What a consumer of the site answers that adds a user and lists all."""
    async with WebsocketCommunicator(application(), path) as communicator:
        assert await communicator.connect() == (True, None)
        await communicator.send_to(name)
        answer = await communicator.receive_from(timeout=10)
        assert isinstance(answer, str)
        return answer


async def page(path: str) -> bytes:
    headers = [(b"host", b"testserver")]
    communicator = HttpCommunicator(application(), "GET", path, headers=headers)
    response = await communicator.get_response(timeout=10)
    await communicator.wait()
    body: bytes = response["body"]
    return body


async def see_each_others_rows() -> None:
    await User.objects.acreate(username="ann")
    assert await add_in("/sync/", "bob") == "ann,bob"
    assert await add_in("/async/", "cas") == "ann,bob,cas"
    assert await User.objects.acount() == 3


class CommunicatorCases:
    """What holds in either kind of Django's test cases, in async and in sync tests."""

    async def test_async_test(self):
        await see_each_others_rows()
        await sync_to_async(self.assert_connection_is_kept)()

    def test_sync_test(self):
        User.objects.create(username="zoe")
        assert async_to_sync(add_in)("/sync/", "bob") == "zoe,bob"
        assert async_to_sync(add_in)("/async/", "cas") == "zoe,bob,cas"
        assert User.objects.count() == 3
        self.assert_connection_is_kept()

    def test_http(self):
        User.objects.create(username="ann")
        with self.settings(ROOT_URLCONF="tests.testing.site.urls"):
            assert async_to_sync(page)("/names/") == b"ann"
            assert async_to_sync(page)("/anames/") == b"ann"
        self.assert_connection_is_kept()

    async def test_an_application_that_raises_or_is_cancelled(self):
        await User.objects.acreate(username="ann")
        communicator = WebsocketCommunicator(application(), "/async/")
        await communicator.connect()
        await communicator.send_to("ann")
        # The name is taken.
        with pytest.raises(Exception, match="UNIQUE"):
            await communicator.receive_from(timeout=10)
        communicator = WebsocketCommunicator(application(), "/sync/")
        await communicator.connect()
        with pytest.raises(TimeoutError):
            await communicator.receive_from(timeout=0.01)
        await sync_to_async(self.assert_connection_is_kept)()

    def assert_connection_is_kept(self):
        assert connection.connection is not None
        assert connection.is_usable()
        assert not connection.needs_rollback


class TestInTestCase(CommunicatorCases, TestCase):
    def assert_connection_is_kept(self):
        super().assert_connection_is_kept()
        assert connection.in_atomic_block

    async def test_an_application_that_raises_or_is_cancelled(self):
        # An IntegrityError ends the transaction of a TestCase, with or without a communicator.
        communicator = WebsocketCommunicator(application(), "/sync/")
        await communicator.connect()
        with pytest.raises(TimeoutError):
            await communicator.receive_from(timeout=0.01)
        await sync_to_async(self.assert_connection_is_kept)()


class TestInTransactionTestCase(CommunicatorCases, TransactionTestCase):
    pass


@pytest.mark.django_db
def test_pytest_django_sync_test() -> None:
    User.objects.create(username="ann")
    assert async_to_sync(add_in)("/sync/", "bob") == "ann,bob"
    assert async_to_sync(add_in)("/async/", "cas") == "ann,bob,cas"
    assert connection.in_atomic_block
    assert connection.is_usable()


@pytest.mark.django_db(transaction=True)
async def test_pytest_django_async_test() -> None:
    await see_each_others_rows()


@pytest.mark.django_db(transaction=True)
async def test_the_name_that_suites_patch_is_looked_up_at_each_call() -> None:
    with mock.patch("channels.db.close_old_connections") as patched:
        await add_in("/async/", "bob")
    assert patched.called
    patched.reset_mock()
    await add_in("/async/", "cas")
    assert not patched.called


@pytest.mark.django_db
def test_django_leaves_a_transaction_open_and_closes_what_is_in_none() -> None:
    # In memory, to close a connection does nothing; test_django_runner.py has one in a file.
    keep_transactions()
    keep_transactions()
    with mock.patch.object(connection, "close") as close:
        request_started.send(sender=None)
        request_finished.send(sender=None)
        assert connection.in_atomic_block
        close.assert_not_called()
        with mock.patch.object(connection, "in_atomic_block", False):
            request_finished.send(sender=None)
        # Its autocommit is not what it should be outside of a transaction.
        close.assert_called_once_with()
