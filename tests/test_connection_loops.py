"""A connection and what is around it: other loops, other threads, tasks and layers."""

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import channel_layers, get_channel_layer
from channels.typing import Message
from tests.client import CONNECT, PATIENCE, Client, frame, leave, settle

families = pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])


@families
def test_one_instance_serves_in_one_loop_after_another(base: Any) -> None:
    application = type("Member", (base,), {"groups": ["room"]})()

    async def play() -> list[Message]:
        async with Client(application, CONNECT) as client:
            await client.answers(1)
            await get_channel_layer().group_send("room", {"type": "websocket.send", "text": "x"})
            await client.answers(2)
            client.says(leave())
            await client.ended()
        return client.sent

    assert asyncio.run(play()) == asyncio.run(play())
    assert get_channel_layer().groups == {}


def test_a_loop_that_has_served_is_not_kept() -> None:
    # With sync consumers asgiref keeps the last loop of each thread.
    class Member(AsyncWebsocketConsumer):
        groups = ["room"]

    async def play() -> Any:
        async with Client(Member(), CONNECT) as client:
            await client.answers(1)
            await get_channel_layer().group_send("room", {"type": "websocket.send", "text": "x"})
            await client.answers(2)
            client.says(leave())
            await client.ended()
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(play())
    gc.collect()
    assert loop() is None


@families
async def test_messages_of_another_threads_loop_are_handled_in_ours(base: Any) -> None:
    loops: list[Any] = []

    def note(self: Any, event: Message) -> Any:
        loops.append(threading.get_ident())
        return self.send(event["text"])

    consumer = type("Member", (base,), {"groups": ["room"], "note": note})
    layer = get_channel_layer()

    async def send_many() -> None:
        for number in range(50):
            await layer.group_send("room", {"type": "note", "text": str(number)})

    async with Client(consumer(), CONNECT) as client:
        await client.answers(1)
        sender = threading.Thread(target=asyncio.run, args=(send_many(),))
        sender.start()
        await client.answers(51)
        sender.join(PATIENCE)
        client.says(leave())
        await client.ended()
    assert client.texts == [str(number) for number in range(50)]
    assert (loops.count(threading.get_ident()) == 50) is (base is AsyncWebsocketConsumer)


def test_connections_in_two_loops_at_once_talk_to_each_other() -> None:
    class Chat(AsyncWebsocketConsumer):
        groups = ["room"]

        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            await self.channel_layer.group_send("room", {"type": "note", "text": text_data})

        async def note(self, event: Message) -> None:
            await self.send(event["text"])

    together = threading.Barrier(2)
    texts: dict[str, list[str]] = {}

    async def play(name: str) -> None:
        async with Client(Chat(), CONNECT) as client:
            await client.answers(1)
            await asyncio.to_thread(together.wait, PATIENCE)
            for number in range(20):
                client.says(frame(f"{name}{number}"))
            await client.answers(41)
            await asyncio.to_thread(together.wait, PATIENCE)
            client.says(leave())
            await client.ended()
            texts[name] = client.texts

    threads = [threading.Thread(target=asyncio.run, args=(play(name),)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
    assert set(texts) == {"a", "b"}
    for received in texts.values():
        for name in "ab":
            own = [text for text in received if text[0] == name]
            assert own == [f"{name}{number}" for number in range(20)]


async def test_what_disconnect_sends_goes_nowhere_and_says_so() -> None:
    answers: list[Any] = []

    class Talks(AsyncWebsocketConsumer):
        async def disconnect(self, code: int) -> None:
            answers.append(await self.send("goodbye"))
            answers.append(await self.close())

    async with Client(Talks(), CONNECT, leave()) as client:
        await client.ended()
    assert client.types == ["websocket.accept"]
    assert answers == [False, False]


async def test_a_task_that_goes_on_after_the_end_sends_into_the_void() -> None:
    over = asyncio.Event()
    tasks: list[asyncio.Task[Any]] = []

    class Starts(AsyncWebsocketConsumer):
        async def receive(self, **_: Any) -> None:
            tasks.append(asyncio.create_task(self.later()))

        async def later(self) -> Any:
            await over.wait()
            return await self.send("late")

    async with Client(Starts(), CONNECT, frame("x"), leave()) as client:
        await client.ended()
    over.set()
    assert await tasks[0] is False
    assert client.texts == []


@pytest.mark.parametrize("method", ["new_channel", "attach"])
async def test_a_layer_that_fails_before_anything_began(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    class Member(AsyncWebsocketConsumer):
        async def dispatch(self, message: Message) -> None:
            calls.append(message["type"])

    async def fails_async(*_: Any) -> Any:
        raise ConnectionError("no broker")

    def fails(*_: Any) -> Any:
        raise ConnectionError("no broker")

    monkeypatch.setattr(
        get_channel_layer(), method, fails_async if method == "new_channel" else fails
    )
    before = asyncio.all_tasks()
    async with Client(Member(), CONNECT) as client:
        with pytest.raises(ConnectionError, match="no broker"):
            await client.ended()
    assert calls == [], "nothing began, so nothing ends"
    assert asyncio.all_tasks() == before


async def test_cancelled_while_the_layer_makes_the_channel() -> None:
    class Slow:
        async def new_channel(self) -> str:
            await asyncio.Event().wait()
            return ""

    channel_layers.set("default", Slow())
    try:
        async with Client(AsyncWebsocketConsumer(), CONNECT) as client:
            await settle()
            client.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await client.ended()
        assert client.sent == []
    finally:
        del channel_layers.backends["default"]
