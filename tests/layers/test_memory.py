"""The in-memory layer: what its docstrings promise."""

import asyncio
import logging
import threading
from typing import Any
from unittest import mock

import pytest

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer, Position
from channels.layers.base import MessageTypeError, ReservedKeyError
from tests.layers.tools import (
    HELLO,
    Clock,
    Consumer,
    loop_threads,
    mail,
    numbered,
    receiving,
    tables,
    turns,
)


class TestSendAndReceive:
    async def test_order(self, layer: InMemoryChannelLayer) -> None:
        for message in numbered(1, 2, 3):
            await layer.send("a", message)
        assert await mail(layer, "a") == numbered(1, 2, 3)

    async def test_nothing_is_left_after_all_is_read(self, layer: InMemoryChannelLayer) -> None:
        await layer.send("a", HELLO)
        await layer.receive("a")
        assert layer.channels == {}
        assert tables(layer) == {}

    async def test_own_copies(self, layer: InMemoryChannelLayer) -> None:
        message = {"type": "x", "list": [1]}
        await layer.send("a", message)
        await layer.send("a", message)
        message["list"].append(2)  # type: ignore[attr-defined]
        first, second = await mail(layer, "a")
        first["list"].append(3)
        assert second == {"type": "x", "list": [1]}

    async def test_full(self, clock: Clock) -> None:
        layer = InMemoryChannelLayer(capacity=2, channel_capacity={"wide.*": 3}, clock=clock)
        for _ in range(2):
            await layer.send("a", HELLO)
            await layer.send("wide.a", HELLO)
        await layer.send("wide.a", HELLO)
        for channel in ("a", "wide.a"):
            with pytest.raises(ChannelFull) as caught:
                await layer.send(channel, HELLO)
            assert str(caught.value) == channel
        await layer.send("b", HELLO)
        assert len(await mail(layer, "a")) == 2
        # An error that the sender sees is no silent drop.
        assert layer.drops.counts == {}

    async def test_expiry(self, layer: InMemoryChannelLayer, clock: Clock) -> None:
        await layer.send("a", {"type": "old"})
        clock.advance(30)
        await layer.send("a", {"type": "new"})
        clock.advance(30)
        assert await layer.receive("a") == {"type": "new"}
        assert layer.drops.counts == {"expired": 1}

    @pytest.mark.parametrize(
        ("message", "error"),
        [(None, MessageTypeError), ({"__asgi_channel__": 1}, ReservedKeyError)],
    )
    async def test_bad_messages_change_nothing(
        self, layer: InMemoryChannelLayer, message: Any, error: type[Exception]
    ) -> None:
        await layer.group_add("g", "a")
        before = tables(layer)
        with pytest.raises(error):
            await layer.send("a", message)
        with pytest.raises(error):
            await layer.group_send("g", message)
        assert tables(layer) == before

    async def test_bad_names_change_nothing(self, layer: InMemoryChannelLayer) -> None:
        for call in (
            layer.send("a b", HELLO),
            layer.receive("a b"),
            layer.group_add("g", "a b"),
            layer.group_add("g!", "a"),
            layer.group_discard("g", "a b"),
            layer.group_discard("g!", "a"),
            layer.group_send("g!", HELLO),
        ):
            with pytest.raises(TypeError, match="must be a valid unicode string"):
                await call
        assert tables(layer) == {}

    async def test_what_cannot_be_copied_reaches_nobody(self, layer: InMemoryChannelLayer) -> None:
        await layer.group_add("g", "a")
        bad = {"type": "x", "lock": threading.Lock()}
        for call in (layer.send("a", bad), layer.group_send("g", bad)):
            with pytest.raises(TypeError):
                await call
        assert await mail(layer, "a") == []
        assert (await layer.group_send("g", HELLO)).offset == 1

    async def test_new_channels_are_new_whatever_random_does(
        self, layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Test tools reset ``random`` between a fixture and its test: both may hold a consumer."""
        import random

        names = set()
        for _ in range(20):
            random.seed(1)
            names.add(await layer.new_channel())
        assert len(names) == 20
        for name in names:
            assert layer.require_valid_channel_name(name)
            assert layer.require_valid_channel_name(layer.non_local_name(name), receive=True)

    async def test_a_new_channel_with_a_prefix(self, layer: InMemoryChannelLayer) -> None:
        assert (await layer.new_channel()).startswith("specific.inmemory!")
        assert (await layer.new_channel("mine")).startswith("mine.inmemory!")
        assert (await layer.new_channel("mine.")).startswith("mine.inmemory!")

    async def test_two_layers_are_two_worlds(self, layer: InMemoryChannelLayer) -> None:
        await InMemoryChannelLayer().send("a", HELLO)
        assert layer.channels == {}


class TestGroups:
    async def test_members_get_it_others_do_not(self, layer: InMemoryChannelLayer) -> None:
        for channel in "ab":
            await layer.group_add("g", channel)
        await layer.group_add("h", "c")
        await layer.group_send("g", HELLO)
        assert [await mail(layer, channel) for channel in "abc"] == [[HELLO], [HELLO], []]

    async def test_once_however_often_it_joined(self, layer: InMemoryChannelLayer) -> None:
        for _ in range(3):
            await layer.group_add("g", "a")
        await layer.group_send("g", HELLO)
        assert await mail(layer, "a") == [HELLO]
        await layer.group_discard("g", "a")
        assert layer.groups == {}

    async def test_own_copy_for_each_member(self, layer: InMemoryChannelLayer) -> None:
        for channel in "ab":
            await layer.group_add("g", channel)
        await layer.group_send("g", {"type": "x", "list": [1]})
        (one,), (two,) = await mail(layer, "a"), await mail(layer, "b")
        one["list"].append(2)
        assert two == {"type": "x", "list": [1]}

    async def test_exclude(self, layer: InMemoryChannelLayer) -> None:
        for channel in ("a", "b", "ab"):
            await layer.group_add("g", channel)
        for exclude in ([], ["a"], ("a", "b"), {"ab"}, frozenset({"x"}), {"b": 1}.keys()):
            await layer.group_send("g", HELLO, exclude=exclude)
        got = {channel: len(await mail(layer, channel)) for channel in ("a", "b", "ab")}
        assert got == {"a": 4, "b": 4, "ab": 5}

    async def test_exclude_is_no_string(self, layer: InMemoryChannelLayer) -> None:
        """A set of its characters would exclude nobody, or the wrong ones."""
        await layer.group_add("g", "a")
        with pytest.raises(TypeError, match=r"such as \['specific.x!ab'\]"):
            await layer.group_send("g", HELLO, exclude="specific.x!ab")
        assert await mail(layer, "a") == []

    async def test_full_members_miss_it_and_it_is_counted_and_said(
        self, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        layer = InMemoryChannelLayer(capacity=1, clock=clock)
        for channel in "abc":
            await layer.group_add("g", channel)
        await layer.send("a", HELLO)
        await layer.send("b", HELLO)
        for number in (1, 2):
            await layer.group_send("g", {"type": "x", "n": number})
        assert await mail(layer, "a") == [HELLO]
        assert await mail(layer, "c") == numbered(1)
        assert layer.drops.counts == {"full": 5}
        (line,) = caplog.records
        assert line.getMessage().startswith(
            "InMemoryChannelLayer dropped 2 message(s), the last for group 'g': full."
        )
        assert (line.name, line.levelno) == ("django.channels.layers", logging.WARNING)

    async def test_positions(self, layer: InMemoryChannelLayer) -> None:
        first = await layer.group_send("g", HELLO)
        await layer.group_add("g", "a")
        second = await layer.group_send("g", HELLO)
        other = await layer.group_send("h", HELLO)
        assert isinstance(first, Position)
        assert (first.offset, second.offset, other.offset) == (1, 2, 1)
        assert first.epoch == second.epoch != other.epoch

    async def test_an_idle_group_with_members_keeps_its_positions(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        Consumer(layer, "a")
        await layer.group_add("g", "a")
        first = await layer.group_send("g", HELLO)
        for _ in range(10):
            clock.advance(100)
            await layer.group_send("other", HELLO)
        assert await layer.group_send("g", HELLO) == Position(first.epoch, 2)

    async def test_one_without_members_keeps_them_as_long_as_messages(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        first = await layer.group_send("g", HELLO)
        clock.advance(59)
        second = await layer.group_send("g", HELLO)
        clock.advance(59)
        third = await layer.group_send("g", HELLO)
        assert [second.epoch, third.epoch] == [first.epoch] * 2
        clock.advance(60)
        fourth = await layer.group_send("g", HELLO)
        assert fourth.offset == 1
        assert fourth.epoch != first.epoch

    async def test_a_quiet_group_lets_go_of_its_messages(
        self, layer: InMemoryChannelLayer, clock: Clock
    ) -> None:
        Consumer(layer, "a")
        await layer.group_add("g", "a")
        for _ in range(50):
            await layer.group_send("g", HELLO)
        assert len(layer._logs["g"]._entries) == 50
        for _ in range(3):
            clock.advance(60)
            await layer.group_send("other", HELLO)
        assert len(layer._logs["g"]._entries) == 0

    async def test_discard_from_within_a_group(self, layer: InMemoryChannelLayer) -> None:
        for channel in "ab":
            await layer.group_add("g", channel)
        await layer.group_discard("g", "a")
        assert list(layer.groups["g"]) == ["b"]
        await layer.group_discard("g", "b")
        assert layer.groups == {}

    async def test_offsets_are_the_order_of_arrival_between_threads(self, clock: Clock) -> None:
        layer = InMemoryChannelLayer(capacity=10_000, clock=clock)
        for channel in "ab":
            await layer.group_add("g", channel)
        sent: dict[int, Any] = {}

        async def send(sender: int) -> None:
            for number in range(200):
                position = await layer.group_send("g", {"type": "x", "n": (sender, number)})
                sent[position.offset] = (sender, number)

        with loop_threads(3) as threads:
            for future in [thread.start(send(number)) for number, thread in enumerate(threads)]:
                future.result(timeout=20)
        wanted = [sent[offset] for offset in range(1, 601)]
        for channel in "ab":
            assert [message["n"] for message in await mail(layer, channel)] == wanted


class TestReplacedMethods:
    """Test suites record what layers are asked."""

    async def test_a_subclass_is_asked_for_each_member(self) -> None:
        class Recorder(InMemoryChannelLayer):
            sent: list[str] = []

            async def send(self, channel: str, message: Any) -> None:
                self.sent.append(channel)
                await super().send(channel, message)

        layer = Recorder()
        for channel in "abc":
            await layer.group_add("g", channel)
        position = await layer.group_send("g", HELLO, exclude=["b"])
        assert layer.sent == ["a", "c"]
        assert position.offset == 1
        assert await mail(layer, "c") == [HELLO]

    async def test_a_patched_class(
        self, layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = InMemoryChannelLayer.send
        sent = []

        async def send(self: InMemoryChannelLayer, channel: str, message: Any) -> None:
            sent.append(channel)
            await original(self, channel, message)

        await layer.group_add("g", "a")
        monkeypatch.setattr(InMemoryChannelLayer, "send", send)
        await layer.group_send("g", HELLO)
        assert sent == ["a"]
        monkeypatch.undo()
        await layer.group_send("g", HELLO)
        assert sent == ["a"]
        assert await mail(layer, "a") == [HELLO, HELLO]

    async def test_a_mock_on_the_instance(self, layer: InMemoryChannelLayer) -> None:
        await layer.group_add("g", "a")
        with mock.patch.object(layer, "send", mock.AsyncMock()) as send:
            await layer.group_send("g", HELLO)
        send.assert_awaited_once_with("a", HELLO)
        assert layer.channels == {}

    async def test_an_error_for_one_member_keeps_nothing_from_the_others(
        self, clock: Clock
    ) -> None:
        class Picky(InMemoryChannelLayer):
            async def send(self, channel: str, message: Any) -> None:
                if channel == "b":
                    raise ChannelFull(channel)
                if channel in ("a", "c"):
                    raise ZeroDivisionError(channel)
                await super().send(channel, message)

        layer = Picky(clock=clock)
        for channel in "abcd":
            await layer.group_add("g", channel)
        with pytest.raises(ZeroDivisionError, match="a"):
            await layer.group_send("g", HELLO)
        assert await mail(layer, "d") == [HELLO]
        assert layer.drops.counts == {"full": 1}

    async def test_members_whose_time_is_over_are_not_asked_for(self, clock: Clock) -> None:
        layer = InMemoryChannelLayer(group_expiry=1000, clock=clock)
        for channel in "abc":
            await layer.group_add("g", channel)
        clock.advance(1000)
        await layer.group_add("g", "d")
        with mock.patch.object(layer, "send", mock.AsyncMock()) as send:
            await layer.group_send("g", HELLO)
        send.assert_awaited_once_with("d", HELLO)

    async def test_a_replaced_receive_is_asked(self, layer: InMemoryChannelLayer) -> None:
        class Recorder(InMemoryChannelLayer):
            async def receive(self, channel: str) -> Any:
                return await super().receive(channel)

        assert Recorder().attach("a", lambda: None) is None
        with mock.patch.object(layer, "receive", mock.AsyncMock()):
            assert layer.attach("a", lambda: None) is None
        assert layer.channels == {}
        assert layer.attach("a", lambda: None) is not None


class TestFlushAndClose:
    async def test_flush_forgets_everything(self, layer: InMemoryChannelLayer) -> None:
        await layer.send("a", HELLO)
        await layer.group_add("g", "a")
        before = await layer.group_send("g", HELLO)
        await layer.flush()
        assert layer.channels == layer.groups == {}
        assert tables(layer) == {}
        after = await layer.group_send("g", HELLO)
        assert (after.offset, after.epoch != before.epoch) == (1, True)

    async def test_readers_stay(self, layer: InMemoryChannelLayer) -> None:
        waiter, consumer = await receiving(layer, "a"), Consumer(layer, "b")
        await layer.send("b", HELLO)
        await layer.flush()
        assert consumer.numbers() == []
        await layer.send("a", HELLO)
        await layer.send("b", {"type": "x", "n": 1})
        assert await waiter == HELLO
        assert consumer.numbers() == [1]

    async def test_close_may_be_repeated_and_undone_by_use(
        self, layer: InMemoryChannelLayer
    ) -> None:
        await layer.close()
        await layer.close()
        await layer.send("a", HELLO)
        assert await layer.receive("a") == HELLO


async def test_a_send_runs_no_handler_inside_itself(layer: InMemoryChannelLayer) -> None:
    ran: list[str] = []

    async def read() -> None:
        await layer.receive("a")
        ran.append("reader")

    await layer.group_add("g", "a")
    task = asyncio.ensure_future(read())
    await turns()
    await layer.group_send("g", HELLO)
    assert ran == []
    await task
    assert ran == ["reader"]
