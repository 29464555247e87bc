"""Whatever comes in whatever order, and however it ends: the promises of a connection."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import InMemoryChannelLayer, channel_layers
from channels.typing import Message
from tests.client import CONNECT, Client, frame, leave

STEPS = st.tuples(
    st.sampled_from(["client", "note", "frame", "stop", "fail", "yield"]), st.integers(0, 4)
)
ENDINGS = st.sampled_from(["leave", "cancel", "cancel in the same turn"])


class Failed(Exception):
    """A handler's own."""


class Watched(AsyncWebsocketConsumer):
    """Checks from inside that its handlers are alone, and writes down what they saw."""

    groups = ["room"]

    def __init__(self) -> None:
        super().__init__()
        self.inside = 0
        self.log: list[tuple[str, int]] = []
        self.codes: list[int] = []

    async def handle(self, kind: str, number: int) -> None:
        assert self.inside == 0, "two handlers at once"
        assert not self.codes, "a handler after disconnect"
        self.inside += 1
        try:
            for _ in range(number % 3):
                await asyncio.sleep(0)
            self.log.append((kind, number))
            if kind == "fail":
                raise Failed
        finally:
            self.inside -= 1

    async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        kind, number = (text_data or "").split()
        await self.handle(kind, int(number))

    async def note(self, event: Message) -> None:
        await self.handle(event["kind"], event["n"])
        await self.send(str(event["n"]))

    async def disconnect(self, code: int) -> None:
        assert self.inside == 0
        self.codes.append(code)
        await asyncio.sleep(0)


class SlowServer(Client):
    """Takes its time with some sends, and does one at a time."""

    sending = False

    async def send(self, message: Message) -> None:
        assert not self.sending, "two sends at once"
        self.sending = True
        try:
            for _ in range(len(self.sent) % 3):
                await asyncio.sleep(0)
            await super().send(message)
        finally:
            self.sending = False


class Told:
    """What a connection was told, by lane, in order."""

    def __init__(self) -> None:
        self.client: list[int] = []
        self.notes: list[int] = []
        self.out: list[int] = []
        """Numbers that are to go out: those of finished frames, and answers to notes."""

    async def tell(self, client: Client, layer: Any, step: str, number: int, more: int) -> None:
        if step == "yield":
            for _ in range(more):
                await asyncio.sleep(0)
        elif step in ("client", "fail") and more % 2 == 0:
            client.says(frame(f"{step} {number}"))
            self.client.append(number)
        elif step == "frame":
            self.out.append(number)
            await layer.group_send("room", {"type": "websocket.send", "text": str(number)})
        else:
            kind = "fail" if step == "fail" else "note"
            self.notes.append(number)
            self.out.append(number)
            await layer.group_send("room", {"type": "note", "n": number, "kind": kind})


async def outcome_of(client: Client) -> str:
    try:
        await client.ended()
    except Failed:
        return "failed"
    except asyncio.CancelledError:
        return "cancelled"
    return "returned"


async def play(
    steps: list[tuple[str, int]],
    ending: str,
    make_layer: Callable[[], Any],
    make_client: type[Client],
) -> None:
    layer = make_layer()
    channel_layers.set("default", layer)
    consumer, told = Watched(), Told()
    before = asyncio.all_tasks()
    async with make_client(consumer, CONNECT) as client:
        await client.answers(1)
        for number, (step, more) in enumerate(steps):
            await told.tell(client, layer, step, number, more)
        client.says(leave(4001))
        if ending == "cancel":
            await asyncio.sleep(0)
        if ending != "leave":
            client.task.cancel()
        outcome = await outcome_of(client)

    assert outcome != "cancelled" or ending != "leave"
    assert (outcome == "failed") <= any(kind == "fail" for kind, _ in consumer.log)
    # Once. With the client's own code, too, where the cancellation came in disconnect().
    codes = {"returned": {4001}, "failed": {1011}, "cancelled": {1006, 4001}}
    if any(kind == "fail" for kind, _ in consumer.log):
        codes["cancelled"].add(1011)  # the cancellation came after the failure, and leaves
    assert len(consumer.codes) == 1
    assert consumer.codes[0] in codes[outcome]
    # Each lane in order, without gaps, as far as it came; the client's to its end.
    handled = [number for _, number in consumer.log]
    client_lane = [number for number in handled if number in told.client]
    layer_lane = [number for number in handled if number in told.notes]
    assert client_lane == told.client[: len(client_lane)]
    assert layer_lane == told.notes[: len(layer_lane)]
    if outcome == "returned":
        assert client_lane == told.client
    # Finished frames and what is handled leave in the order in which they came.
    texts = [int(text) for text in client.texts]
    assert texts == told.out[: len(texts)]
    # Nothing is left.
    assert asyncio.all_tasks() == before
    assert layer.groups == {}
    if make_layer is InMemoryChannelLayer:
        assert layer.channels == {}


def pumped() -> Any:
    class Waited(InMemoryChannelLayer):
        async def receive(self, channel: str) -> Message:  # asked, because it is overridden
            return await super().receive(channel)

    return Waited()


@pytest.mark.parametrize("make_layer", [InMemoryChannelLayer, pumped])
@settings(deadline=None)  # a loop is made for each example, on a machine that may be busy
@given(
    steps=st.lists(STEPS, max_size=25),
    ending=ENDINGS,
    make_client=st.sampled_from([Client, SlowServer]),
)
def test_promises(
    make_layer: Any, steps: list[tuple[str, int]], ending: str, make_client: type[Client]
) -> None:
    try:
        asyncio.run(play(steps, ending, make_layer, make_client))
    finally:
        channel_layers.backends.pop("default", None)
