"""Finished frames: begun for the member's task, whatever middleware has put around the send."""

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
import uvloop

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.typing import Message
from tests.client import CONNECT, Client, frame, leave, settle

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

Wrap = Callable[[Callable[[Message], Awaitable[Any]], Message], Awaitable[Any]]


def in_both_loops(test: Callable[..., Awaitable[None]]) -> Any:
    """Run an async test in asyncio's own loop and in uvloop's."""

    def run(factory: Callable[[], asyncio.AbstractEventLoop], **arguments: Any) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(test(**arguments))  # type: ignore[arg-type] # it is a coroutine

    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined] # pytest would take it for the test
    signature = inspect.signature(test)
    factory = inspect.Parameter("factory", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), factory]
    )
    factories = [asyncio.SelectorEventLoop, uvloop.new_event_loop]
    return pytest.mark.parametrize("factory", factories, ids=["asyncio", "uvloop"])(run)


class Member(AsyncWebsocketConsumer):
    groups = ["room"]

    async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        await self.send(text_data)

    async def note(self, event: Message) -> None:
        await self.send(event["text"])


def wrapped(wrap: Wrap, member: Any = Member) -> Any:
    """An application with a middleware that wraps the sending of frames."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        async def around(message: Message) -> None:
            if message["type"] == "websocket.send":
                await wrap(send, message)
            else:
                await send(message)

        await member.as_asgi()(scope, receive, around)

    return application


async def say(*texts: str, kind: str = "websocket.send") -> None:
    for text in texts:
        await get_channel_layer().group_send("room", {"type": kind, "text": text})


async def parked(client: Client) -> None:
    """The member is there, and its layer task waits for more."""
    await client.answers(1)
    await say("first", kind="note")
    await client.answers(2)
    await settle()


async def over(client: Client) -> None:
    client.says(leave())
    await client.ended()


async def through(send: Any, message: Message) -> None:
    await send(message)


async def with_timeout(send: Any, message: Message) -> None:
    async with asyncio.timeout(60):
        await send(message)


async def with_timeout_around_a_wait(send: Any, message: Message) -> None:
    async with asyncio.timeout(60):
        await asyncio.sleep(0)
        await send(message)


async def with_wait_for(send: Any, message: Message) -> None:
    await asyncio.wait_for(send(message), 60)


async def in_a_task_group(send: Any, message: Message) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(send(message))


async def under_a_lock(send: Any, message: Message) -> None:
    async with asyncio.Lock():
        await send(message)


async def on_a_done_future(send: Any, message: Message) -> None:
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    await future
    await send(message)


async def many_times(send: Any, message: Message) -> None:
    for _ in range(10):
        await asyncio.sleep(0)
    await send(message)
    for _ in range(10):
        await asyncio.sleep(0)


async def on_a_timer(send: Any, message: Message) -> None:
    await asyncio.sleep(0.001)
    await send(message)


async def in_an_anyio_scope(send: Any, message: Message) -> None:
    with anyio.fail_after(60):
        await anyio.lowlevel.checkpoint()
        await send(message)


async def in_an_anyio_task_group(send: Any, message: Message) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(send, message)


async def in_an_anyio_scope_that_ends_at_once(send: Any, message: Message) -> None:
    with anyio.move_on_after(0):
        await anyio.sleep_forever()
    await send(message)


async def after_a_timeout(send: Any, message: Message) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    await send(message)


WRAPS: list[Wrap] = [
    through,
    with_timeout,
    with_timeout_around_a_wait,
    with_wait_for,
    in_a_task_group,
    under_a_lock,
    on_a_done_future,
    many_times,
    on_a_timer,
    in_an_anyio_scope,
    in_an_anyio_task_group,
    in_an_anyio_scope_that_ends_at_once,
    after_a_timeout,
]


@pytest.mark.parametrize("wrap", WRAPS, ids=lambda wrap: wrap.__name__)
@in_both_loops
async def test_whatever_is_around_the_send_order_task_and_context_hold(wrap: Wrap) -> None:
    seen: set[tuple[Any, str]] = set()

    async def noted(send: Any, message: Message) -> None:
        seen.add((asyncio.current_task(), variable.get()))
        await wrap(send, message)
        seen.add((asyncio.current_task(), variable.get()))

    class Sets(Member):
        async def connect(self) -> None:
            variable.set("the member's")
            await super().connect()

        async def note(self, event: Message) -> None:
            seen.add((asyncio.current_task(), variable.get()))
            await super().note(event)

    async with Client(wrapped(noted, Sets), CONNECT) as client:
        await parked(client)
        variable.set("the sender's")
        for number in range(4):
            await say(f"a{number}", f"b{number}")
            await say(f"c{number}", kind="note")
            await say(f"d{number}")
            if number % 2:
                await client.answers(2 + 4 * number + 4)
                await settle()
        await client.answers(18)
        tasks = {task for task, _ in seen}
        assert len(tasks) == 1, "one layer task, and never the sender's"
        assert asyncio.current_task() not in tasks
        assert {value for _, value in seen} == {"the member's"}
        (task,) = tasks
        assert not task.done()
        assert task.cancelling() == 0
        await over(client)
    assert client.texts[1:] == [f"{letter}{number}" for number in range(4) for letter in "abcd"]


@pytest.mark.parametrize("first", [True, False], ids=["at the first step", "later"])
@in_both_loops
async def test_a_send_that_raises_ends_the_connection_with_that(first: bool) -> None:
    broken: list[str] = []

    async def raises(send: Any, message: Message) -> None:
        if message["text"] != "break":
            await send(message)
            return
        broken.append(message["text"])
        if not first:
            await asyncio.sleep(0)
        raise OSError("gone")

    async with Client(wrapped(raises), CONNECT) as client:
        await parked(client)
        await say("before", "break", "after")
        with pytest.raises(OSError, match="gone"):
            await client.ended()
    assert client.texts == ["first", "before"]
    assert broken == ["break"]
    assert client.sent[-1] == {"type": "websocket.close", "code": 1011}
    assert get_channel_layer().groups == {}


@in_both_loops
async def test_nothing_is_sent_after_a_send_that_failed() -> None:
    async def raises(send: Any, message: Message) -> None:
        if message["text"] == "break":
            raise OSError("gone")
        await send(message)

    async with Client(wrapped(raises), CONNECT) as client:
        await parked(client)
        asyncio.get_running_loop().call_soon(asyncio.ensure_future, say("after"))
        await say("break")
        await say("after")
        with pytest.raises(OSError, match="gone"):
            await client.ended()
    assert client.texts == ["first"]


@in_both_loops
async def test_a_timeout_that_fires_while_the_client_is_slow() -> None:
    late: list[str] = []

    async def bounded(send: Any, message: Message) -> None:
        try:
            async with asyncio.timeout(0.001):
                if message["text"] == "slow":
                    await asyncio.Event().wait()
                await send(message)
        except TimeoutError:
            late.append(message["text"])

    async with Client(wrapped(bounded), CONNECT) as client:
        await parked(client)
        await say("slow", "next")
        await client.answers(3)
        client.says(frame("still here"))
        await client.answers(4)
        await over(client)
    assert late == ["slow"]
    assert client.texts == ["first", "next", "still here"]


class Held(Client):
    """A server that takes frames while it is open."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.open, self.asked = asyncio.Event(), asyncio.Event()
        self.cancelled = 0

    async def send(self, message: Message) -> None:
        if message.get("text") == "held":
            self.asked.set()
            try:
                await self.open.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        await super().send(message)


@in_both_loops
async def test_what_the_client_says_meanwhile_waits_its_turn() -> None:
    async with Held(Member.as_asgi(), CONNECT) as client:
        await parked(client)
        await say("held", "next")
        client.says(frame("client"))
        await client.asked.wait()
        await settle()
        assert client.texts == ["first"]
        client.open.set()
        await client.answers(5)
        await over(client)
    assert client.texts[:2] == ["first", "held"]
    assert sorted(client.texts[2:]) == ["client", "next"]


@pytest.mark.parametrize("turns", [0, 1, 30])
@in_both_loops
async def test_cancelled_while_a_frame_waits_for_the_client(turns: int) -> None:
    ended: list[int] = []

    class Ends(Member):
        async def disconnect(self, code: int) -> None:
            ended.append(code)

    async with Held(Ends.as_asgi(), CONNECT) as client:
        await parked(client)
        await say("held", "never")
        await client.asked.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert ended == [1006]
    assert client.cancelled == 1
    assert client.texts == ["first"]


@in_both_loops
async def test_frames_wait_while_a_handler_of_the_client_runs() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Waits(Member):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            entered.set()
            await go_on.wait()
            await self.send("handler")

    async with Client(Waits.as_asgi(), CONNECT) as client:
        await parked(client)
        client.says(frame("x"))
        await entered.wait()
        await say("a", "b")
        await settle()
        assert client.texts == ["first"]
        go_on.set()
        await client.answers(5)
        await over(client)
    assert client.texts == ["first", "handler", "a", "b"]


@in_both_loops
async def test_what_is_set_around_a_send_is_the_connections() -> None:
    async def sets(send: Any, message: Message) -> None:
        variable.set(message["text"])
        await send(message)

    class Tells(Member):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            await self.send(f"it was {variable.get()}")

    async with Client(wrapped(sets, Tells), CONNECT) as client:
        await parked(client)
        await say("frame")
        await client.answers(3)
        client.says(frame("x"))
        await client.answers(4)
        await over(client)
    assert client.texts == ["first", "frame", "it was frame"]


@in_both_loops
async def test_frames_after_a_close_are_not_sent() -> None:
    class Closes(Member):
        async def note(self, event: Message) -> None:
            await super().note(event)
            if event["text"] == "close":
                await self.close()

    drops = get_channel_layer().drops.counts
    async with Client(Closes.as_asgi(), CONNECT) as client:
        await parked(client)
        before = drops["closed"]
        await say("a")
        await say("close", kind="note")
        await say("late")
        await client.answers(5)
        await settle()
        await over(client)
    assert client.texts == ["first", "a", "close"]
    assert drops["closed"] == before + 1
