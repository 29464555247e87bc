"""One connection: how many tasks it is, whose turn it is, and what a message costs."""

import asyncio
import gc
import threading
from typing import Any

import pytest
from asgiref.sync import SyncToAsync

from channels.consumer import AsyncConsumer, SyncConsumer
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.strands import Strand
from channels.typing import Message
from tests.client import CONNECT, Client, frame, leave, settle


class Tasks:
    """Counts the tasks that are made."""

    def __init__(self) -> None:
        self.made: list[str] = []
        asyncio.get_running_loop().set_task_factory(self._make)

    def _make(self, loop: Any, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
        self.made.append(coroutine.__qualname__)
        return asyncio.Task(coroutine, loop=loop, **options)


class Echo(AsyncWebsocketConsumer):
    groups = ["room"]

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data)

    async def note(self, event: Message) -> None:
        await self.send(event["text"])


async def test_an_idle_connection_is_one_task() -> None:
    before = len(asyncio.all_tasks())
    async with Client(Echo.as_asgi(), CONNECT) as client:
        await client.answers(1)
        await settle()
        assert len(asyncio.all_tasks()) == before + 1
        client.says(frame("hello"))
        await client.answers(2)
        await settle()
        assert len(asyncio.all_tasks()) == before + 1
        client.says(leave())
        await client.ended()
    assert len(asyncio.all_tasks()) == before


async def test_no_message_makes_a_task_a_timer_or_a_thread_hop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    # The tick that all connections of a loop share is not one of a message.
    monkeypatch.setattr("channels.watch.TICK_SECONDS", 3600)
    async with Client(Echo.as_asgi(), CONNECT) as client:
        await client.answers(1)
        # The first message of the layer makes the layer lane.
        await get_channel_layer().group_send("room", {"type": "note", "text": "first"})
        await client.answers(2)
        await settle()
        tasks = Tasks()
        hops: list[Any] = []
        timers: list[Any] = []
        monkeypatch.setattr(loop, "run_in_executor", lambda *args: hops.append(args))
        monkeypatch.setattr(loop, "call_at", lambda *args, **more: timers.append(args))
        for number in range(20):
            await get_channel_layer().group_send("room", {"type": "note", "text": str(number)})
            await get_channel_layer().group_send(
                "room", {"type": "websocket.send", "text": str(number)}
            )
            client.says(frame("client"))
            await settle()
        assert len(client.sent) == 62
        assert tasks.made == []
        assert hops == []
        assert timers == []
        monkeypatch.undo()
        client.says(leave())
        await client.ended()
        loop.set_task_factory(None)


async def test_the_lane_of_a_connection_is_made_once_for_many_messages() -> None:
    async with Client(Echo.as_asgi(), CONNECT) as client:
        await client.answers(1)
        tasks = Tasks()
        for burst in range(3):
            for number in range(10):
                await get_channel_layer().group_send("room", {"type": "note", "text": str(number)})
            await settle()
            assert len(client.sent) == 1 + 10 * (burst + 1)
        assert tasks.made == ["LayerLane._guard"]
        client.says(leave())
        await client.ended()
        asyncio.get_running_loop().set_task_factory(None)


class Ordered(AsyncConsumer):
    """Notes its handlers' beginnings and ends, and lets the loop go round between them."""

    def __init__(self, order: list[str], rounds: int = 3) -> None:
        self.order, self.rounds, self.inside = order, rounds, 0

    async def handled(self, name: str) -> None:
        assert self.inside == 0, "two handlers at once"
        self.inside += 1
        for _ in range(self.rounds):
            await asyncio.sleep(0)
        self.inside -= 1
        self.order.append(name)

    async def websocket_connect(self, event: Message) -> None:
        await self.send({"type": "websocket.accept", "name": self.channel_name})

    async def websocket_receive(self, event: Message) -> None:
        await self.handled(f"c{event['text']}")

    async def note(self, event: Message) -> None:
        await self.handled(f"l{event['n']}")

    async def websocket_disconnect(self, event: Message) -> None:
        await self.handled("end")
        raise StopConsumer


async def joined(client: Client) -> str:
    name: str = (await client.answers(1))[0]["name"]
    await settle()
    return name


@pytest.mark.parametrize("rounds", [0, 1, 5])
async def test_strictly_one_handler_at_a_time_in_order_and_in_turns(rounds: int) -> None:
    order: list[str] = []
    async with Client(Ordered.as_asgi(order=order, rounds=rounds), CONNECT) as client:
        name = await joined(client)
        for number in range(6):
            await get_channel_layer().send(name, {"type": "note", "n": number})
            client.says(frame(str(number)))
        client.says(leave())
        await client.ended()
    assert order[-1] == "end"
    assert [entry for entry in order if entry[0] == "c"] == [f"c{n}" for n in range(6)]
    layer = [entry for entry in order if entry[0] == "l"]
    assert layer == [f"l{n}" for n in range(len(layer))]
    kinds = "".join(entry[0] for entry in order[:-1])
    assert kinds.startswith("c"), "the client's first"
    assert "cc" not in kinds
    assert "ll" not in kinds


async def test_many_ready_messages_of_the_layer_do_not_hold_up_the_client() -> None:
    order: list[str] = []
    async with Client(Ordered.as_asgi(order=order, rounds=0), CONNECT) as client:
        name = await joined(client)
        for number in range(50):
            await get_channel_layer().send(name, {"type": "note", "n": number})
        await asyncio.sleep(0)
        client.says(frame("now"))
        client.says(leave())
        await client.ended()
    assert order.index("cnow") < 5
    assert order.index("end") < 9


@pytest.mark.parametrize("frames", [False, True], ids=["handled", "finished frames"])
async def test_a_consumer_that_always_sends_to_itself_leaves_the_loop_to_others(
    frames: bool,
) -> None:
    class Endless(AsyncConsumer):
        ticks = 0

        async def websocket_connect(self, event: Message) -> None:
            await self.tick(event)

        async def tick(self, event: Message) -> None:
            Endless.ticks += 1
            assert Endless.ticks < 10_000, "nobody else had a turn"
            if frames:
                await self.channel_layer.send(
                    self.channel_name, {"type": "websocket.send", "text": ""}
                )
            await self.channel_layer.send(self.channel_name, {"type": "tick"})

    async with Client(Endless.as_asgi(), CONNECT) as client:
        await settle()
        assert Endless.ticks > 3
        client.says(leave())
        await client.ended()


async def test_the_end_waits_for_the_handler_in_hand_and_drops_the_rest() -> None:
    order: list[str] = []
    layer = get_channel_layer()
    async with Client(Ordered.as_asgi(order=order), CONNECT) as client:
        name = await joined(client)
        for number in range(5):
            await layer.send(name, {"type": "note", "n": number})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        client.says(leave())
        await client.ended()
        assert order == ["l0", "end"]
        await settle()
        assert order == ["l0", "end"]
    assert name not in layer.channels


async def test_sync_and_layer_handlers_of_a_sync_consumer_never_overlap() -> None:
    inside, order = [0], []

    class Serial(WebsocketConsumer):
        groups = ["serial"]

        def work(self, name: str) -> None:
            inside[0] += 1
            assert inside[0] == 1
            order.append((name, threading.current_thread().name))
            inside[0] -= 1

        def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
            self.work(f"c{text_data}")
            self.send("done")

        def note(self, event: Message) -> None:
            self.work(f"l{event['n']}")
            self.send("done")

    async with Client(Serial.as_asgi(), CONNECT) as client:
        await client.answers(1)
        for number in range(5):
            client.says(frame(str(number)))
            await get_channel_layer().group_send("serial", {"type": "note", "n": number})
        await client.answers(11)
        client.says(leave())
        await client.ended()
    assert sorted(name for name, _ in order) == sorted(f"{k}{n}" for k in "cl" for n in range(5))
    assert all(thread.startswith("channels-sync-") for _, thread in order)


# Layers that can only be waited for.


class Waiting:
    """A third-party layer: ``new_channel`` and ``receive``, nothing else."""

    def __init__(self, error: Exception | None = None) -> None:
        self.queue: asyncio.Queue[Message] = asyncio.Queue()
        self.receiving = self.most_receiving = self.cancelled = self.handed = 0
        self.error = error

    async def new_channel(self) -> str:
        return "specific.waiting!abc"

    async def receive(self, channel: str) -> Message:
        assert channel == "specific.waiting!abc"
        self.receiving += 1
        self.most_receiving = max(self.receiving, self.most_receiving)
        try:
            message = await self.queue.get()
            if message["type"] == "fail":
                assert self.error is not None
                raise self.error
            self.handed += 1
            return message
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.receiving -= 1


@pytest.fixture
def waiting_layer(settings: Any) -> Waiting:
    from channels.layers import channel_layers

    layer = Waiting()
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.none"}}
    channel_layers.set("default", layer)
    return layer


async def test_a_pump_takes_one_message_and_waits_until_it_was_handled(
    waiting_layer: Waiting,
) -> None:
    go_on, began = asyncio.Event(), asyncio.Event()

    class Slow(Ordered):
        async def slow(self, event: Message) -> None:
            began.set()
            await go_on.wait()

    order: list[str] = []
    async with Client(Slow.as_asgi(order=order), CONNECT) as client:
        await joined(client)
        for message in ({"type": "slow"}, *[{"type": "note", "n": n} for n in range(3)]):
            waiting_layer.queue.put_nowait(message)
        await began.wait()
        await settle()
        assert waiting_layer.handed == 1
        assert waiting_layer.queue.qsize() == 3, "what is not handled stays in the layer"
        go_on.set()
        await settle()
        assert order == ["l0", "l1", "l2"]
        assert waiting_layer.cancelled == 0, "only the end cancels receive()"
        client.says(leave())
        await client.ended()
    assert (waiting_layer.cancelled, waiting_layer.most_receiving) == (1, 1)


async def test_a_pump_takes_turns_with_the_client_and_gives_way_to_the_loop(
    waiting_layer: Waiting,
) -> None:
    order: list[str] = []
    async with Client(Ordered.as_asgi(order=order, rounds=0), CONNECT) as client:
        await joined(client)
        for number in range(5):
            waiting_layer.queue.put_nowait({"type": "note", "n": number})
            client.says(frame(str(number)))
        client.says(leave())
        await client.ended()
    kinds = "".join(entry[0] for entry in order[:-1])
    assert "ll" not in kinds
    assert "ccc" not in kinds
    assert kinds.count("l") >= 3


async def test_a_layer_that_fails_to_receive_ends_the_connection_with_its_error(
    waiting_layer: Waiting,
) -> None:
    waiting_layer.error = ConnectionError("the broker has gone")
    order: list[str] = []
    async with Client(Ordered.as_asgi(order=order), CONNECT) as client:
        await joined(client)
        waiting_layer.queue.put_nowait({"type": "fail"})
        with pytest.raises(ConnectionError) as caught:
            await client.ended()
    assert caught.value is waiting_layer.error
    assert order == ["end"]
    assert client.sent[-1] == {"type": "websocket.close", "code": 1011}


async def test_a_pump_that_was_never_run_leaves_nothing_behind(waiting_layer: Waiting) -> None:
    class Fails(AsyncConsumer):
        async def websocket_connect(self, event: Message) -> None:
            raise ValueError("at once")

    async with Client(Fails.as_asgi(), CONNECT) as client:
        with pytest.raises(ValueError, match="at once"):
            await client.ended()
    gc.collect()  # an unawaited coroutine is a warning, and so an error here


# The middleware around receive().


async def test_a_timeout_around_receive_does_not_cancel_a_handler_of_the_layer() -> None:
    """An idle timeout belongs to the task that awaits receive(), and only to that."""
    finished, going = asyncio.Event(), asyncio.Event()
    answers: list[Any] = []

    class Slow(AsyncWebsocketConsumer):
        groups = ["room"]

        async def slow(self, event: Message) -> None:
            going.set()
            await finished.wait()
            answers.append(await self.send("finished"))

    inner = Slow.as_asgi()
    limits: list[asyncio.Timeout] = []

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def receive_in_time() -> Message:
            try:
                async with asyncio.timeout(None) as limit:
                    limits.append(limit)
                    return await receive()  # type: ignore[no-any-return]
            except TimeoutError:
                return leave(1000)

        await inner(scope, receive_in_time, send)

    async with Client(middleware, CONNECT) as client:
        await client.answers(1)
        await get_channel_layer().group_send("room", {"type": "slow"})
        await going.wait()
        limits[-1].reschedule(0)  # its time is over now
        await settle()
        assert not client.task.done()
        assert client.texts == []
        finished.set()
        await client.ended()
    assert answers == [False], "it ran to its end; to say something it is too late"


async def test_no_thread_is_used_where_nothing_is_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_hop(*_: Any) -> None:
        raise AssertionError("a thread hop")

    monkeypatch.setattr(SyncToAsync, "__call__", no_hop)
    async with Client(Echo.as_asgi(), CONNECT, frame("a"), leave()) as client:
        await client.ended()
    assert client.texts == ["a"]


async def test_a_sync_consumers_handlers_are_one_hop_each(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(SyncConsumer):
        def websocket_connect(self, event: Message) -> None:
            pass

        def websocket_receive(self, event: Message) -> None:
            pass

    hops: list[Any] = []
    real = Strand._enqueue

    def count(*call: Any, **options: Any) -> None:
        hops.append(call)
        real(*call, **options)

    monkeypatch.setattr(Strand, "_enqueue", count)
    async with Client(Plain.as_asgi(), CONNECT, frame("a"), frame("b"), leave()) as client:
        await client.ended()
    assert len(hops) == 4
