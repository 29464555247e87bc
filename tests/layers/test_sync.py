"""layer.sync: a layer's methods for code without a loop."""

import asyncio
import contextvars
import threading
import traceback
from collections.abc import Iterator
from typing import Any
from unittest.mock import AsyncMock

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer, InMemoryChannelLayer
from channels.layers.background import background
from channels.layers.base import MessageTypeError
from channels.layers.sync import SyncLayer, runs_without_loop
from channels.typing import Message
from tests.layers.tools import HELLO, LoopThread, loop_threads, mail, numbered

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


@pytest.fixture(autouse=True)
def _stop_background() -> Iterator[None]:
    yield
    background.stop()


@pytest.fixture
def far() -> Iterator[LoopThread]:
    with loop_threads(1) as (thread,):
        yield thread


class Theirs(BaseChannelLayer):
    """A layer as third parties write them: it waits, and knows nothing of ``exclude``."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []
        self.loops: set[Any] = set()
        self.stuck = threading.Event()

    async def send(self, channel: str, message: Message) -> None:
        await self._note("send", channel, message)

    async def group_send(self, group: str, message: Message) -> None:  # type: ignore[override]
        await self._note("group_send", group, message)

    async def group_add(self, group: str, channel: str) -> None:
        await self._note("group_add", group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        if group == "stuck":
            self.stuck.set()
            await asyncio.Event().wait()
        await self._note("group_discard", group, channel)

    async def _note(self, *call: Any) -> None:
        await asyncio.sleep(0)
        self.loops.add(asyncio.get_running_loop())
        self.calls.append((*call, COLOUR.get()))


class TestInMemory:
    def test_messages_arrive_on_the_readers_loop(
        self, layer: InMemoryChannelLayer, far: LoopThread
    ) -> None:
        got = far.start(layer.receive("a"))
        layer.sync.send("a", HELLO)
        assert got.result(10) == HELLO

    def test_groups(self, layer: InMemoryChannelLayer) -> None:
        layer.sync.group_add("room", "a")
        layer.sync.group_add("room", "b")
        first = layer.sync.group_send("room", {"type": "x", "n": 1})
        layer.sync.group_discard("room", "b")
        second = layer.sync.group_send("room", {"type": "x", "n": 2})
        assert first is not None
        assert second == (first.epoch, 2)
        assert asyncio.run(mail(layer, "a")) == numbered(1, 2)
        assert asyncio.run(mail(layer, "b")) == numbered(1)

    def test_exclude(self, layer: InMemoryChannelLayer) -> None:
        for channel in "ab":
            layer.sync.group_add("room", channel)
        layer.sync.group_send("room", HELLO, exclude=["a"])
        assert asyncio.run(mail(layer, "a")) == []
        assert asyncio.run(mail(layer, "b")) == [HELLO]
        with pytest.raises(TypeError, match="exclude is the string 'abc'"):
            layer.sync.group_send("room", HELLO, exclude="abc")

    def test_no_thread_and_no_loop_is_needed(self, layer: InMemoryChannelLayer) -> None:
        threads = threading.enumerate()
        layer.sync.send("a", HELLO)
        layer.sync.group_send("room", HELLO)
        assert threading.enumerate() == threads

    def test_errors_are_those_of_the_layer_and_raised_here(
        self, layer: InMemoryChannelLayer
    ) -> None:
        layer.capacity = 1
        layer.sync.send("a", HELLO)
        with pytest.raises(ChannelFull, match="a") as caught:
            layer.sync.send("a", HELLO)
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert names[0] == "test_errors_are_those_of_the_layer_and_raised_here"
        assert names[-1] == "send"
        with pytest.raises(MessageTypeError):
            layer.sync.send("a", "text")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="Group name"):
            layer.sync.group_add("a room", "a")

    def test_from_eight_threads_each_message_once_and_in_order(
        self, layer: InMemoryChannelLayer
    ) -> None:
        layer.capacity = 1000

        def work(thread: int) -> None:
            for number in range(125):
                layer.sync.send("a", {"type": "x", "from": thread, "n": number})

        threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        got = asyncio.run(mail(layer, "a"))
        assert len(got) == 1000
        for thread in range(8):
            assert [m["n"] for m in got if m["from"] == thread] == list(range(125))

    async def test_sync_code_behind_a_loop(self, layer: InMemoryChannelLayer) -> None:
        await sync_to_async(layer.sync.send)("a", HELLO)
        assert await mail(layer, "a") == [HELLO]

    def test_sync_code_behind_async_to_sync(self, layer: InMemoryChannelLayer) -> None:
        async def main() -> list[Any]:
            await sync_to_async(layer.sync.send)("a", HELLO)
            return await mail(layer, "a")

        assert async_to_sync(main)() == [HELLO]


class TestOnALoop:
    @pytest.mark.parametrize("kind", [InMemoryChannelLayer, Theirs])
    async def test_every_method_refuses(self, kind: Any) -> None:
        layer = kind()
        for name, *arguments in (
            ("send", "a", HELLO),
            ("group_send", "room", HELLO),
            ("group_add", "room", "a"),
            ("group_discard", "room", "a"),
        ):
            with pytest.raises(RuntimeError, match=r"runs an event loop.*'await layer"):
                getattr(layer.sync, name)(*arguments)

    async def test_and_has_done_nothing(self, layer: InMemoryChannelLayer) -> None:
        with pytest.raises(RuntimeError):
            layer.sync.send("a", HELLO)
        assert await mail(layer, "a") == []


class TestSubclassesAndPatches:
    """What replaces a method may wait, so it gets a loop."""

    def test_a_send_that_waits(self) -> None:
        class Slow(InMemoryChannelLayer):
            async def send(self, channel: str, message: Message) -> None:
                await asyncio.sleep(0)
                await super().send(channel, message)

        layer = Slow()
        layer.sync.group_add("room", "a")
        layer.sync.send("a", HELLO)
        layer.sync.group_send("room", HELLO)
        assert asyncio.run(mail(layer, "a")) == [HELLO, HELLO]

    def test_a_mock(self, layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch) -> None:
        mock = AsyncMock(return_value=None)
        monkeypatch.setattr(layer, "group_send", mock)
        layer.sync.group_send("room", HELLO)
        mock.assert_awaited_once_with("room", HELLO)

    def test_a_promise_that_is_not_kept(self, layer: InMemoryChannelLayer) -> None:
        class Wrong(InMemoryChannelLayer):
            @runs_without_loop
            async def send(self, channel: str, message: Message) -> None:
                await asyncio.sleep(0)

        with pytest.raises(
            RuntimeError, match=r"Wrong\.send.* marked as one that runs without a l"
        ):
            Wrong().sync.send("a", HELLO)


class TestTheirs:
    def test_every_call_and_all_on_one_loop(self) -> None:
        layer = Theirs()
        layer.sync.send("a", HELLO)
        assert layer.sync.group_send("room", HELLO) is None
        layer.sync.group_add("room", "a")
        layer.sync.group_discard("room", "a")
        assert layer.calls == [
            ("send", "a", HELLO, "none"),
            ("group_send", "room", HELLO, "none"),
            ("group_add", "room", "a", "none"),
            ("group_discard", "room", "a", "none"),
        ]
        assert len(layer.loops) == 1

    def test_exclude_is_given_on_where_it_is_given(self) -> None:
        with pytest.raises(TypeError, match="unexpected keyword argument 'exclude'"):
            Theirs().sync.group_send("room", HELLO, exclude=["a"])

    def test_the_callers_context(self) -> None:
        layer = Theirs()

        def view() -> None:
            COLOUR.set("red")
            layer.sync.send("a", HELLO)

        contextvars.copy_context().run(view)
        assert layer.calls[0][-1] == "red"

    def test_a_layer_that_derives_from_nothing(self) -> None:
        class Alone:
            async def send(self, channel: str, message: Message) -> str:
                await asyncio.sleep(0)
                raise ChannelFull(channel)

        with pytest.raises(ChannelFull):
            SyncLayer(Alone()).send("a", HELLO)

    def test_a_layer_that_looks_its_methods_up_for_each_loop(self) -> None:
        """channels_redis.pubsub does, and raises where no loop runs."""

        class Proxy:
            def __init__(self, layer: Theirs) -> None:
                self._layer = layer

            def __getattr__(self, name: str) -> Any:
                asyncio.get_running_loop()
                return getattr(self._layer, name)

        layer = Theirs()
        SyncLayer(Proxy(layer)).group_send("room", HELLO)
        assert layer.calls == [("group_send", "room", HELLO, "none")]

    def test_timeout(self) -> None:
        layer = Theirs()
        with pytest.raises(TimeoutError, match=r"No answer within 0\.05 s"):
            layer.sync.group_discard("stuck", "a", timeout=0.05)
        layer.sync.group_discard("room", "a", timeout=10)
        layer.sync.group_discard("room", "a")

    async def test_sync_code_of_the_one_thread_that_all_share(self) -> None:
        """Where a view behind ASGI runs. The layer's own sync code must not wait for it."""

        class Database(Theirs):
            async def _note(self, *call: Any) -> None:
                self.calls.append(await sync_to_async(lambda: call)())

        layer = Database()
        await sync_to_async(layer.sync.send)("a", HELLO)
        assert layer.calls == [("send", "a", HELLO)]
