"""Inboxes, threads, and the code of others that the in-memory layer calls."""

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync

from channels.layers import InMemoryChannelLayer
from tests.layers.tools import (
    HELLO,
    Clock,
    Consumer,
    loop_threads,
    mail,
    numbered,
    receiving,
    tables,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class TestInbox:
    async def test_messages_in_order_and_a_call_for_each(self, layer: InMemoryChannelLayer) -> None:
        consumer = Consumer(layer, "a")
        for message in numbered(1, 2, 3):
            await layer.send("a", message)
        await asyncio.sleep(0)
        assert consumer.calls == 3
        assert consumer.numbers() == [1, 2, 3]
        assert consumer.inbox.take() is None

    async def test_it_is_in_channels_while_it_is_open(self, layer: InMemoryChannelLayer) -> None:
        consumer = Consumer(layer, "a")
        assert list(layer.channels) == ["a"]
        consumer.inbox.close()
        assert layer.channels == {}

    async def test_close_leaves_every_group_and_counts_what_was_not_read(
        self, layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
    ) -> None:
        consumer = Consumer(layer, "a")
        for group in "gh":
            await layer.group_add(group, "a")
            await layer.group_send(group, HELLO)
        consumer.inbox.close()
        consumer.inbox.close()
        assert layer.groups == layer.channels == {}
        assert layer.drops.counts == {"closed": 2}
        assert caplog.records == []
        assert consumer.inbox.take() is None

    async def test_closing_twice_does_no_harm_to_who_has_the_name_now(
        self, layer: InMemoryChannelLayer
    ) -> None:
        first = Consumer(layer, "a")
        first.inbox.close()
        second = Consumer(layer, "a")
        await layer.group_add("g", "a")
        first.inbox.close()
        await layer.group_send("g", {"type": "x", "n": 1})
        assert second.numbers() == [1]

    async def test_counting_drops(self, layer: InMemoryChannelLayer) -> None:
        consumer = Consumer(layer, "a")
        consumer.inbox.count_drop("closed")
        assert layer.drops.counts == {"closed": 1}

    async def test_a_full_consumer_disturbs_no_other(self, clock: Clock) -> None:
        layer = InMemoryChannelLayer(capacity=2, clock=clock)
        slow, quick = Consumer(layer, "slow"), Consumer(layer, "quick")
        for consumer in (slow, quick):
            await layer.group_add("g", consumer.channel)
        got: list[Any] = []
        for message in numbered(*range(5)):
            await layer.group_send("g", message)
            got += quick.numbers()
        assert got == [0, 1, 2, 3, 4]
        assert slow.numbers() == [0, 1]

    async def test_own_copy(self, layer: InMemoryChannelLayer) -> None:
        one, two = Consumer(layer, "a"), Consumer(layer, "b")
        for channel in "ab":
            await layer.group_add("g", channel)
        await layer.group_send("g", {"type": "x", "list": [1]})
        first, second = one.inbox.take(), two.inbox.take()
        first.message()["list"].append(2)
        assert second.message() == first.message() == {"type": "x", "list": [1]}

    async def test_from_another_thread(self, layer: InMemoryChannelLayer) -> None:
        here, called = asyncio.get_running_loop(), asyncio.Event()
        threads: list[int] = []

        def wake() -> None:
            threads.append(threading.get_ident())
            called.set()

        inbox = layer.attach("a", wake)
        assert inbox is not None
        await layer.group_add("g", "a")
        with loop_threads(1) as (far,):
            await asyncio.wrap_future(far.start(layer.group_send("g", HELLO)))
            async with asyncio.timeout(10):
                await called.wait()
        assert threads == [threading.get_ident()]
        assert inbox.take().message() == HELLO
        assert asyncio.get_running_loop() is here

    async def test_flushed_by_another_thread_while_it_takes(self) -> None:
        meanwhile: list[Callable[[], None]] = []

        def clock() -> float:
            while meanwhile:
                meanwhile.pop()()
            return 0.0

        layer = InMemoryChannelLayer(clock=clock)
        consumer = Consumer(layer, "a")
        await layer.send("a", {"type": "x", "n": 0})
        await layer.send("a", {"type": "x", "n": 1})
        meanwhile.append(layer._delivery.clear)
        assert consumer.numbers() == [0]
        await layer.send("a", {"type": "x", "n": 2})
        assert consumer.numbers() == [2]

    async def test_no_lock_is_held_while_readers_are_called(
        self, layer: InMemoryChannelLayer
    ) -> None:
        free: list[bool] = []

        def try_lock() -> None:
            if layer._delivery.lock.acquire(blocking=False):
                layer._delivery.lock.release()
                free.append(True)

        def wake() -> None:
            thread = threading.Thread(target=try_lock)
            thread.start()
            thread.join()

        layer.attach("a", wake)
        await layer.group_add("g", "a")
        await layer.group_send("g", HELLO)
        await layer.send("a", HELLO)
        await asyncio.sleep(0)
        assert free == [True, True]


class TestLogging:
    """A log handler is somebody else's code."""

    @pytest.mark.parametrize("reason", ["full", "expired by take", "expired by sweep"])
    async def test_no_lock_is_held_while_a_line_is_written(self, clock: Clock, reason: str) -> None:
        layer = InMemoryChannelLayer(capacity=1, clock=clock)
        free: list[bool] = []

        def try_lock() -> None:
            free.append(layer._delivery.lock.acquire(blocking=False))
            if free[-1]:
                layer._delivery.lock.release()

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                thread = threading.Thread(target=try_lock)
                thread.start()
                thread.join()

        handler = Handler()
        logger = logging.getLogger("django.channels.layers")
        logger.addHandler(handler)
        try:
            await layer.group_add("g", "a")
            await layer.send("a", HELLO)
            if reason == "full":
                await layer.group_send("g", HELLO)
            elif reason == "expired by take":
                consumer = Consumer(layer, "a")
                clock.advance(60)
                assert consumer.numbers() == []
            else:
                clock.advance(60)
                await layer.send("b", HELLO)
        finally:
            logger.removeHandler(handler)
        assert free == [True]

    async def test_a_handler_that_sends_to_the_layer(self, clock: Clock) -> None:
        layer = InMemoryChannelLayer(capacity=1, clock=clock)

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                sending = layer.group_send("log", {"type": "log", "text": record.getMessage()})
                with pytest.raises(StopIteration):
                    sending.send(None)

        handler = Handler()
        logger = logging.getLogger("django.channels.layers")
        logger.addHandler(handler)
        try:
            for group, channel in (("g", "a"), ("log", "admin"), ("log", "a")):
                await layer.group_add(group, channel)
            await layer.send("a", HELLO)
            await layer.group_send("g", HELLO)
        finally:
            logger.removeHandler(handler)
        (line,) = await mail(layer, "admin")
        assert "dropped 1 message(s)" in line["text"]


class TestThreads:
    async def test_a_sync_caller_reaches_a_receiver(self, layer: InMemoryChannelLayer) -> None:
        await layer.group_add("g", "a")
        waiter = await receiving(layer, "a")
        await asyncio.to_thread(async_to_sync(layer.group_send), "g", HELLO)
        async with asyncio.timeout(10):
            assert await waiter == HELLO

    async def test_churn_between_threads_leaves_nothing(self) -> None:
        # Room for all that the others send while one thread is kept from its own send.
        layer = InMemoryChannelLayer(capacity=1000)
        errors: list[BaseException] = []

        async def churn(name: str) -> None:
            try:
                for number in range(150):
                    consumer = Consumer(layer, f"{name}!{number}")
                    await layer.group_add("g", consumer.channel)
                    position = await layer.group_send("g", {"type": "x", "n": name})
                    assert position.offset > 0
                    assert name in consumer.numbers()
                    consumer.inbox.close()
            except BaseException as error:
                errors.append(error)

        with loop_threads(3) as threads:
            for future in [thread.start(churn(f"t{n}")) for n, thread in enumerate(threads)]:
                future.result(timeout=20)
        assert errors == []
        assert layer.channels == layer.groups == {}
        assert tables(layer) == {"logs": 1, "ends of logs": 1}
