"""layer.sync: messages that wait for a transaction's commit."""

import asyncio
import logging
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.test import TestCase, TransactionTestCase

from channels.layers import InMemoryChannelLayer
from channels.layers.background import background
from tests.layers.test_sync import Theirs
from tests.layers.tools import HELLO, mail, numbered


def said(layer: InMemoryChannelLayer) -> list[Any]:
    return asyncio.run(mail(layer, "a"))


@pytest.fixture
def room(layer: InMemoryChannelLayer) -> InMemoryChannelLayer:
    layer.sync.group_add("room", "a")
    return layer


def send(layer: InMemoryChannelLayer, number: int = 1, **options: Any) -> None:
    message = {"type": "x", "n": number}
    assert layer.sync.group_send("room", message, on_commit=True, **options) is None


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_after_the_commit(self, room: InMemoryChannelLayer) -> None:
        with transaction.atomic():
            send(room)
            assert said(room) == []
        assert said(room) == numbered(1)

    def test_in_the_order_of_the_calls(self, room: InMemoryChannelLayer) -> None:
        with transaction.atomic():
            send(room, 1)
            with transaction.atomic():
                send(room, 2)
            room.sync.send("a", {"type": "x", "n": 3}, on_commit=True)
        assert said(room) == numbered(1, 2, 3)

    def test_never_after_a_rollback(self, room: InMemoryChannelLayer) -> None:
        with transaction.atomic():
            send(room)
            room.sync.send("a", HELLO, on_commit=True)
            transaction.set_rollback(True)
        assert said(room) == []

    def test_nor_after_that_of_a_savepoint(self, room: InMemoryChannelLayer) -> None:
        with transaction.atomic():
            send(room, 1)
            with transaction.atomic():
                send(room, 2)
                transaction.set_rollback(True)
            send(room, 3)
        assert said(room) == numbered(1, 3)

    def test_at_once_outside(self, room: InMemoryChannelLayer) -> None:
        position = room.sync.group_send("room", HELLO, on_commit=True)
        assert position is not None
        assert position.offset == 1
        room.sync.send("a", HELLO, on_commit=True)
        assert said(room) == [HELLO, HELLO]

    def test_at_once_outside_raises_as_ever(self, room: InMemoryChannelLayer) -> None:
        with pytest.raises(TypeError, match="Group name"):
            room.sync.group_send("a room", HELLO, on_commit=True)

    def test_without_it_inside(self, room: InMemoryChannelLayer) -> None:
        with transaction.atomic():
            room.sync.group_send("room", HELLO)
            assert said(room) == [HELLO]

    def test_the_message_is_what_it_was_at_the_call(self, room: InMemoryChannelLayer) -> None:
        message = {"type": "x", "list": [1]}
        excluded = ["b"]
        with transaction.atomic():
            room.sync.group_send("room", message, exclude=excluded, on_commit=True)
            room.sync.send("a", message, on_commit=True)
            message["list"].append(2)  # type: ignore[attr-defined]
            excluded.append("a")
        assert said(room) == [{"type": "x", "list": [1]}] * 2

    def test_exclude(self, room: InMemoryChannelLayer) -> None:
        room.sync.group_add("room", "b")
        with transaction.atomic():
            send(room, exclude=["a"])
        assert said(room) == []
        assert asyncio.run(mail(room, "b")) == numbered(1)

    def test_what_is_wrong_with_the_call_is_said_at_the_call(
        self, room: InMemoryChannelLayer
    ) -> None:
        with transaction.atomic():
            for wrong in (
                lambda: room.sync.group_send("a room", HELLO, on_commit=True),
                lambda: room.sync.group_send("room", [], on_commit=True),  # type: ignore[arg-type]
                lambda: room.sync.group_send("room", HELLO, exclude="abc", on_commit=True),
                lambda: room.sync.send("a channel", HELLO, on_commit=True),
                lambda: room.sync.send("a", None, on_commit=True),  # type: ignore[arg-type]
            ):
                with pytest.raises(TypeError):
                    wrong()
            assert connection.run_on_commit == []

    def test_an_error_at_the_commit_is_logged_and_stops_nobody(
        self, room: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
    ) -> None:
        room.capacity = 1
        done = []
        with transaction.atomic():
            for _ in range(2):
                room.sync.send("a", HELLO, on_commit=True)
            transaction.on_commit(lambda: done.append(True))
            ContentType.objects.create(app_label="tests", model="thing")
        assert done == [True]
        assert ContentType.objects.filter(app_label="tests").count() == 1
        assert said(room) == [HELLO]
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("django.channels.layers", logging.ERROR)
        assert (
            "InMemoryChannelLayer could not send to channel 'a' after the commit" in record.message
        )
        assert "ChannelFull" in (record.exc_text or "")

    def test_what_is_no_error_passes(
        self, room: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ctrl-C, for example."""

        async def interrupt(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(room, "send", interrupt)
        with pytest.raises(KeyboardInterrupt), transaction.atomic():
            room.sync.send("a", HELLO, on_commit=True)
        background.stop()

    def test_manual_transactions_are_refused_as_django_refuses_them(
        self, room: InMemoryChannelLayer
    ) -> None:
        connection.ensure_connection()
        transaction.set_autocommit(False)
        try:
            with pytest.raises(TransactionManagementError, match="manual transaction management"):
                send(room)
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)
        assert said(room) == []

    def test_a_layer_of_somebody_else(self) -> None:
        layer = Theirs()
        with transaction.atomic():
            layer.sync.group_send("room", HELLO, on_commit=True)
            assert layer.calls == []
        assert layer.calls == [("group_send", "room", HELLO, "none")]
        background.stop()


class TestDatabases:
    """Of several, the one that is named."""

    def test_using(self, room: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch) -> None:
        class Connection:
            connection = None
            in_atomic_block = False

            def on_commit(self, function: Any) -> None:
                self.function = function

        default, other = Connection(), Connection()
        other.in_atomic_block = True
        table = {"default": default, "other": other}
        monkeypatch.setattr("channels.layers.sync.connections", table)
        assert room.sync.group_send("room", HELLO, on_commit=True) is not None
        assert said(room) == [HELLO]
        send(room, using="other")
        assert said(room) == []
        other.function()
        assert said(room) == numbered(1)

    def test_a_database_is_not_touched(self, room: InMemoryChannelLayer) -> None:
        """pytest-django forbids the database to this test."""
        room.sync.group_send("room", HELLO, on_commit=True)
        assert said(room) == [HELLO]

    def test_an_unknown_one(self, room: InMemoryChannelLayer) -> None:
        with pytest.raises(Exception, match="'nowhere' doesn't exist"):
            send(room, using="nowhere")


class TestInDjangosTestCase(TestCase):
    """A test's transaction is never committed, so messages come only of captured commits."""

    def setUp(self) -> None:
        self.layer = InMemoryChannelLayer()
        self.layer.sync.group_add("room", "a")

    def test_nothing_is_sent(self) -> None:
        send(self.layer)
        assert said(self.layer) == []

    def test_captured_and_executed(self) -> None:
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            with transaction.atomic():
                send(self.layer)
            assert said(self.layer) == []
        assert len(callbacks) == 1
        assert said(self.layer) == numbered(1)

    async def test_of_a_sync_function_in_an_async_test(self) -> None:
        from asgiref.sync import sync_to_async

        def view() -> None:
            with self.captureOnCommitCallbacks(execute=True):
                send(self.layer)

        await sync_to_async(view)()
        assert await mail(self.layer, "a") == numbered(1)


class TestInDjangosTransactionTestCase(TransactionTestCase):
    def test_after_the_commit(self) -> None:
        layer = InMemoryChannelLayer()
        layer.sync.group_add("room", "a")
        with transaction.atomic():
            send(layer)
        assert said(layer) == numbered(1)
