"""Sends of sync code: ahead of the server, in order, bounded, and nobody left waiting."""

import asyncio
import threading
from collections.abc import Callable  # noqa: TC003 - annotations are evaluated
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from channels.consumer import SyncConsumer
from channels.exceptions import StopConsumer
from channels.gate import Gate
from channels.generic.websocket import WebsocketConsumer
from channels.layers import get_channel_layer
from channels.outbox import MOST_BYTES, MOST_EVENTS, Outbox
from channels.pool import Pool
from channels.strands import Strand
from channels.typing import Message
from tests.client import CONNECT, PATIENCE, Client, frame, leave, request

ACCEPT: Message = {"type": "websocket.accept"}


def text(content: object) -> Message:
    return {"type": "websocket.send", "text": str(content)}


class Server:
    """Takes events one after another, each when it is let."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.error: Callable[[Message], Exception | None] = lambda message: None
        self.outbox = Outbox(Gate(self.send, lambda: None), Strand(Pool(2)))

    async def send(self, message: Message) -> None:
        self.asked.set()
        await self.open.wait()
        error = self.error(message)
        if error is not None:
            raise error
        self.sent.append(message.get("text", message["type"]))


class Sender:
    """A thread that puts events, and tells how far it is."""

    def __init__(self, outbox: Outbox, *events: Message) -> None:
        self.outbox, self.events = outbox, events
        self.answers: list[Any] = []
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for event in self.events:
                self.answers.append(self.outbox.put(event))
        except BaseException as error:
            self.error = error

    async def ended(self) -> "Sender":
        await asyncio.to_thread(self.thread.join, PATIENCE)
        assert not self.thread.is_alive()
        return self

    async def blocked(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not self.outbox._waiting_for_room:
                await asyncio.sleep(0)


async def test_ahead_of_a_server_that_has_not_taken_anything() -> None:
    server = Server()
    sender = await Sender(server.outbox, *map(text, range(MOST_EVENTS))).ended()
    assert sender.answers == [None] * MOST_EVENTS
    assert server.sent == []
    server.open.set()
    await server.outbox.flush()
    assert server.sent == [str(number) for number in range(MOST_EVENTS)]


async def test_the_seventeenth_waits_for_room() -> None:
    server = Server()
    sender = Sender(server.outbox, *map(text, range(MOST_EVENTS + 1)))
    await sender.blocked()
    assert len(sender.answers) == MOST_EVENTS
    server.open.set()
    await sender.ended()
    await server.outbox.flush()
    assert server.sent == [str(number) for number in range(MOST_EVENTS + 1)]


@pytest.mark.parametrize("key", ["text", "bytes", "body"])
async def test_so_does_what_is_more_than_a_mebibyte(key: str) -> None:
    server = Server()
    half: Any = "x" * (MOST_BYTES // 2) if key == "text" else b"x" * (MOST_BYTES // 2)
    kind = "http.response.body" if key == "body" else "websocket.send"
    event = {"type": kind, key: half, "more_body": True}
    sender = Sender(server.outbox, event, event, {**event, key: half[:1]})
    await sender.blocked()
    assert len(sender.answers) == 2
    server.open.set()
    await sender.ended()
    await server.outbox.flush()
    assert len(server.sent) == 3


async def test_one_event_may_be_larger_than_all_the_room() -> None:
    server = Server()
    await Sender(server.outbox, text("x" * (2 * MOST_BYTES))).ended()
    server.open.set()
    await server.outbox.flush()
    assert len(server.sent) == 1


async def test_what_is_waited_for_comes_after_what_was_sent_before() -> None:
    server = Server()
    sender = Sender(server.outbox, text("a"), ACCEPT, text("b"))
    await server.asked.wait()
    assert sender.answers in ([], [None])
    assert sender.thread.is_alive()
    server.open.set()
    await sender.ended()
    await server.outbox.flush()
    assert server.sent == ["a", "websocket.accept", "b"]
    assert sender.answers == [None, None, None]


async def test_an_event_is_sent_as_it_was_when_it_was_sent() -> None:
    server = Server()
    event = text("a")

    def say() -> None:
        for letter in "abc":
            event["text"] = letter
            server.outbox.put(event)

    await asyncio.to_thread(say)
    server.open.set()
    await server.outbox.flush()
    assert server.sent == ["a", "b", "c"]


async def test_the_next_put_raises_what_the_server_raised_and_it_is_raised_once() -> None:
    server = Server()
    server.open.set()
    server.error = lambda message: OSError("gone") if message["text"] == "a" else None
    await Sender(server.outbox, text("a")).ended()
    while server.outbox._draining:
        await asyncio.sleep(0)
    sender = await Sender(server.outbox, text("b")).ended()
    assert isinstance(sender.error, OSError)
    assert (await Sender(server.outbox, text("c")).ended()).error is None
    await server.outbox.flush()
    assert server.sent == ["c"]


async def test_flush_raises_what_no_put_has_raised_and_the_first_of_several() -> None:
    server = Server()
    server.error = lambda message: OSError(message["text"])
    await Sender(server.outbox, *map(text, "abc")).ended()
    server.open.set()
    with pytest.raises(OSError, match="a"):
        await server.outbox.flush()
    await server.outbox.flush()


async def test_what_is_waited_for_raises_its_own_error_and_nobody_else_does() -> None:
    server = Server()
    server.open.set()
    server.error = lambda message: OSError(message["type"])
    sender = await Sender(server.outbox, ACCEPT).ended()
    assert isinstance(sender.error, OSError)
    await server.outbox.flush()


async def test_flush_does_not_wait_for_a_thread_that_never_stops() -> None:
    server = Server()
    stop = threading.Event()

    def talk() -> None:
        while not stop.is_set():
            server.outbox.put(text("x"))

    async def always_behind(message: Message) -> None:
        # Never faster than the thread: there is always something in the queue.
        while len(server.outbox._items) < 2 and not stop.is_set():
            await asyncio.sleep(0)

    server.outbox = Outbox(Gate(always_behind, lambda: None), Strand(Pool(1)))
    talker = threading.Thread(target=talk)
    talker.start()
    try:
        while not server.outbox._items:
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            await server.outbox.flush()
    finally:
        stop.set()
        await asyncio.to_thread(talker.join)
    await server.outbox.flush()


async def test_close_lets_everybody_go() -> None:
    server = Server()
    full = Sender(server.outbox, *map(text, range(MOST_EVENTS + 5)))
    await full.blocked()
    flushing = asyncio.create_task(server.outbox.flush())
    await asyncio.sleep(0)
    server.outbox.close()
    await full.ended()
    await flushing
    assert full.error is None
    assert full.answers == [None] * MOST_EVENTS + [False] * 5
    assert (await Sender(server.outbox, ACCEPT, text("late")).ended()).answers == [False, False]
    assert server.sent == []


async def test_close_lets_go_who_waits_for_an_answer() -> None:
    server = Server()
    sender = Sender(server.outbox, ACCEPT)
    await server.asked.wait()
    server.outbox.close()
    assert (await sender.ended()).answers == [False]


async def test_a_send_that_does_not_let_itself_be_cancelled() -> None:
    asked = asyncio.Event()

    async def stubborn(_: Message) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)

    outbox = Outbox(Gate(stubborn, lambda: None), Strand(Pool(1)))
    await Sender(outbox, text("a")).ended()
    await asked.wait()
    drain = outbox._drain
    assert drain is not None
    outbox.close()
    await asyncio.wait([drain])
    assert drain.cancelled() or drain.exception() is None


async def test_on_the_loops_own_thread_it_is_refused() -> None:
    server = Server()
    with pytest.raises(RuntimeError, match=r"on the event loop's thread.*AsyncConsumer"):
        server.outbox.put(text("x"))


async def test_from_a_thread_with_a_loop_of_its_own() -> None:
    server = Server()
    server.open.set()

    async def elsewhere() -> None:
        server.outbox.put(ACCEPT)
        server.outbox.put(text("x"))

    await asyncio.to_thread(asyncio.run, elsewhere())
    await server.outbox.flush()
    assert server.sent == ["websocket.accept", "x"]


async def test_a_server_whose_send_returns_a_future() -> None:
    loop = asyncio.get_running_loop()
    sent: list[Message] = []

    def send(message: Message) -> Any:
        sent.append(message)
        taken = loop.create_future()
        loop.call_soon(taken.set_result, "taken")
        return taken

    outbox = Outbox(Gate(send, lambda: None), Strand(Pool(1)))
    assert (await Sender(outbox, text("a"), ACCEPT).ended()).answers[1] == "taken"
    assert len(sent) == 2


def test_the_loop_is_closed() -> None:
    async def make() -> Server:
        return Server()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(make())
    loop.close()
    assert [server.outbox.put(text("late")) for _ in range(2 * MOST_EVENTS)] == [False] * 32
    assert server.outbox.put(ACCEPT) is False


# Through consumers.


class Slow(Client):
    """A server that takes frames only while it is open."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.open, self.asked = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def send(self, message: Message) -> None:
        self.asked.set()
        if message["type"] != "websocket.accept":
            await self.open.wait()
        await super().send(message)


class Counts(WebsocketConsumer):
    """Sends the numbers up to what the client says."""

    def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
        for number in range(int(text_data or 0)):
            self.send(str(number))


async def test_frames_are_with_the_client_while_the_handler_runs() -> None:
    go_on = threading.Event()

    class Waits(WebsocketConsumer):
        def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            self.send("first")
            assert go_on.wait(PATIENCE)
            self.send("second")

    async with Client(Waits(), CONNECT, frame("x")) as client:
        await client.answers(2)
        assert client.texts == ["first"]
        go_on.set()
        await client.answers(3)
        client.says(leave())
        await client.ended()


async def test_sends_and_calls_of_the_layer_are_seen_in_their_order() -> None:
    class Tells(WebsocketConsumer):
        groups = ["room"]

        def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            self.send("1")
            async_to_sync(self.channel_layer.group_send)("room", text("3"))
            self.send("2")

    async with Client(Tells(), CONNECT, frame("x")) as client:
        await client.answers(4)
        client.says(leave())
        await client.ended()
    assert client.texts == ["1", "2", "3"]


@pytest.mark.parametrize(
    "how", [StopConsumer(), ValueError("mine")], ids=lambda e: type(e).__name__
)
async def test_what_was_sent_before_the_handler_raised_is_sent(how: Exception) -> None:
    class Raises(WebsocketConsumer):
        def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            for number in range(5):
                self.send(str(number))
            raise how

    async with Slow(Raises(), CONNECT) as client:
        await client.answers(1)
        client.open.clear()
        client.says(frame("x"))
        client.asked.clear()
        await client.asked.wait()
        client.open.set()
        if isinstance(how, ValueError):
            with pytest.raises(ValueError, match="mine"):
                await client.ended()
        else:
            await client.ended()
    assert client.texts == ["0", "1", "2", "3", "4"]
    code = 1011 if isinstance(how, ValueError) else 1000
    assert client.sent[-1] == {"type": "websocket.close", "code": code}


async def test_a_response_is_complete_before_the_application_returns() -> None:
    class Answers(SyncConsumer):
        def http_request(self, event: Message) -> None:
            self.send({"type": "http.response.start", "status": 200, "headers": []})
            self.send({"type": "http.response.body", "body": b"a", "more_body": True})
            self.send({"type": "http.response.body", "body": b"b"})
            raise StopConsumer

    class Later(Client):
        async def send(self, message: Message) -> None:
            for _ in range(20):
                await asyncio.sleep(0)
            await super().send(message)

    async with Later(Answers(), request()) as client:
        await client.ended()
        assert len(client.sent) == 3


async def test_cancelled_while_the_handler_waits_for_the_client() -> None:
    ended: list[Any] = []

    class Ends(Counts):
        def disconnect(self, code: int) -> None:
            ended.append((code, self.send("goodbye"), self.close()))

    async with Slow(Ends(), CONNECT) as client:
        await client.answers(1)
        client.open.clear()
        client.says(frame("40"))
        outbox = client.application._connection.outbox  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE):
            while not outbox._waiting_for_room:
                await asyncio.sleep(0)
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert ended == [(1006, False, False)]


async def test_a_middlewares_send_that_runs_sync_code() -> None:
    """The handler waits in its thread for a send that needs the connection's thread."""
    threads: list[int] = []
    inner = Counts()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        async def checked(message: Message) -> None:
            threads.append(await sync_to_async(threading.get_ident)())
            await send(message)

        await inner(scope, receive, checked)

    async with Client(application, CONNECT, frame("50")) as client:
        await client.answers(51)
        client.says(leave())
        await client.ended()
    assert client.texts == [str(number) for number in range(50)]
    assert len(threads) == 51
    assert threading.get_ident() not in threads


async def test_the_servers_error_ends_the_connection_and_leaves_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Gone(Client):
        async def send(self, message: Message) -> None:
            if message["type"] == "websocket.send":
                raise OSError("gone")
            await super().send(message)

    async with Gone(Counts(), CONNECT, frame("1")) as client:
        with pytest.raises(OSError, match="gone"):
            await client.ended()
    assert "Another error" not in caplog.text


async def test_threads_of_the_users_send_between_handlers_and_after_the_end() -> None:
    say: list[Callable[[str], Any]] = []

    class Keeps(WebsocketConsumer):
        def connect(self) -> None:
            say.append(self.send)
            self.accept()

    answers: list[Any] = []

    def send(content: str) -> None:
        answers.append(say[0](content))

    def in_a_thread(content: str) -> threading.Thread:
        thread = threading.Thread(target=send, args=(content,))
        thread.start()
        return thread

    async with Client(Keeps(), CONNECT) as client:
        await client.answers(1)
        threads = [in_a_thread("between")]
        await client.answers(2)
        client.says(leave())
        await client.ended()
    threads.append(in_a_thread("after"))
    for thread in threads:
        await asyncio.to_thread(thread.join, PATIENCE)
    assert client.texts == ["between"]
    assert answers == [None, False]


async def test_a_thread_that_always_sends_does_not_hold_the_handlers_up() -> None:
    stop = threading.Event()
    threads: list[threading.Thread] = []

    class Streams(WebsocketConsumer):
        def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            threads.append(threading.Thread(target=self.stream))
            threads[0].start()

        def stream(self) -> None:
            while not stop.is_set() and self.send("x") is not False:
                pass

        def disconnect(self, code: int) -> None:
            stop.set()

    async with Client(Streams(), CONNECT, frame("x")) as client:
        await client.answers(20)
        client.says(leave())
        await client.ended()
    await asyncio.to_thread(threads[0].join, PATIENCE)


@pytest.mark.leaves_tasks
def test_the_loop_ends_while_a_handler_waits() -> None:
    """As asyncio.run() ends it: by cancelling what is left."""
    ended: list[int] = []

    class Ends(Counts):
        def disconnect(self, code: int) -> None:
            ended.append(code)

    async def main() -> None:
        client = Slow(Ends(), CONNECT, frame("40"))
        client.open.clear()
        await client.__aenter__()
        outbox: Any = None
        async with asyncio.timeout(PATIENCE):
            while outbox is None or not outbox._waiting_for_room:
                await asyncio.sleep(0)
                connection = client.application._connection  # type: ignore[attr-defined]
                outbox = connection and connection.outbox

    asyncio.run(main())
    assert ended == [1006]


def test_under_async_to_sync() -> None:
    sent: list[Message] = []
    events = [CONNECT, frame("40"), leave()]

    async def receive() -> Message:
        return events.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    async_to_sync(Counts())({"type": "websocket", "path": "/"}, receive, send)
    assert [message.get("text") for message in sent] == [None, *map(str, range(40))]
    assert get_channel_layer().channels == {}
