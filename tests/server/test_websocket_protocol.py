"""uvicorn with frames that are handed to it: where it writes them, and where it refuses."""

import asyncio
import socket
import threading
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from channels.direct import EXTENSION, frame_of
from channels.server import ServerOptions, make_server

LIMIT = 10
BIG = 200_000


class Application:
    """Sends what its test says, by the direct way or not, and notes what came of it."""

    def __init__(self):
        self.ready = threading.Event()
        self.loop = self.writer = self.send = None

    async def __call__(self, scope, receive, send):
        if scope["type"] != "websocket":
            raise ValueError("no lifespan here")
        self.loop, self.send = asyncio.get_running_loop(), send
        self.writer = scope["extensions"].get(EXTENSION)
        self.early = self.writer and self.writer.write_frame(wire("too early"))
        await receive()
        await send({"type": "websocket.accept"})
        self.ready.set()
        while (await receive())["type"] == "websocket.receive":
            pass
        self.late = self.writer and self.writer.write_frame(wire("too late"))
        self.ready.clear()

    def call(self, function, *arguments):
        """Call a function on the server's loop."""

        async def there():
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(there(), self.loop).result(LIMIT)

    def write(self, text):
        return self.call(self.writer.write_frame, wire(text))

    @property
    def gathering(self):
        """What the server's protocol writes to."""
        return self.writer.write_frame.__self__

    @property
    def protocol(self):
        return self.gathering._transport.get_protocol()

    def say(self, text):
        """Send through the server's send, without waiting for it."""
        message = {"type": "websocket.send", "text": text}
        return asyncio.run_coroutine_threadsafe(self.send(message), self.loop)


def wire(text):
    return frame_of({"type": "websocket.send", "text": text})


@contextmanager
def serving(application, loop="asyncio"):
    server = make_server(application, options=ServerOptions(event_loop=loop))
    server.bind()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.wait_ready(LIMIT)
        host, port = server.address
        yield f"ws://{host}:{port}/"
    finally:
        server.stop()
        thread.join(LIMIT)
        assert not thread.is_alive()


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request):
    return request.param


def test_frames_arrive_in_order_with_what_send_sends(loop):
    application = Application()
    with serving(application, loop) as url:
        with connect(url, proxy=None, compression=None) as websocket:
            assert application.ready.wait(LIMIT)
            assert application.early is False, "nobody was accepted yet"
            assert application.write("one") is True
            application.say("two").result(LIMIT)
            assert application.write("ä" * 70_000) is True
            assert [websocket.recv(LIMIT) for _ in range(3)] == ["one", "two", "ä" * 70_000]


def test_a_client_that_compresses_is_sent_to_as_ever(loop):
    application = Application()
    with serving(application, loop) as url, connect(url, proxy=None) as websocket:
        assert websocket.protocol.extensions, "the client has agreed on compression"
        assert application.ready.wait(LIMIT)
        assert application.writer is None
        application.say("one").result(LIMIT)
        assert websocket.recv(LIMIT) == "one"


def test_a_client_that_does_not_read_is_waited_for(loop):
    application = Application()
    with serving(application, loop) as url:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, _, port = url.removeprefix("ws://").rstrip("/").partition(":")
        sock.connect((host, int(port)))
        # A client that receives only what it is asked to: no thread reads beside the test.
        with connect(url, sock=sock, proxy=None, compression=None, max_queue=1) as websocket:
            assert application.ready.wait(LIMIT)
            written = 0
            while application.write(f"{written:06}" + "x" * BIG):
                written += 1
                assert written < 1_000, "the server takes whatever comes"
            waiting = application.say("the one that waits")
            assert not waiting.done()
            for number in range(written):
                text = websocket.recv(LIMIT)
                assert text == f"{number:06}" + "x" * BIG
            assert websocket.recv(LIMIT) == "the one that waits"
            waiting.result(LIMIT)
            assert application.write("and on it goes") is True
            assert websocket.recv(LIMIT) == "and on it goes"


def test_nothing_is_written_after_the_end(loop):
    application = Application()
    with serving(application, loop) as url:
        with connect(url, proxy=None, compression=None) as websocket:
            assert application.ready.wait(LIMIT)
            closing = application.send({"type": "websocket.close", "code": 4000})
            asyncio.run_coroutine_threadsafe(closing, application.loop).result(LIMIT)
            assert application.write("after the close") is False
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(LIMIT)
            assert closed.value.rcvd.code == 4000
        with connect(url, proxy=None, compression=None) as websocket:
            websocket.send("are you there?")
        # The application hears of the client's departure; by then the way is closed.
    assert application.late is False


class Noting:
    """A transport that notes what is written to it."""

    def __init__(self, transport):
        self.transport = transport
        self.written = []

    def write(self, data):
        self.written.append(data)
        self.transport.write(data)

    def __getattr__(self, name):
        return getattr(self.transport, name)


def test_what_goes_to_a_client_in_one_round_goes_together(loop):
    application = Application()
    with serving(application, loop) as url:
        with connect(url, proxy=None, compression=None) as websocket:
            assert application.ready.wait(LIMIT)
            protocol, gathering = application.protocol, application.gathering
            noting = gathering._transport = Noting(gathering._transport)

            def say_much():
                assert application.writer.write_frame(wire("one")) is True
                step = protocol.send({"type": "websocket.send", "text": "two"})
                with pytest.raises(StopIteration):
                    step.send(None)
                assert application.writer.write_frame(wire("three")) is True

            application.call(say_much)
            assert [websocket.recv(LIMIT) for _ in range(3)] == ["one", "two", "three"]
            assert noting.written == [wire("one") + wire("two") + wire("three")]


def test_what_was_said_in_the_round_of_a_servers_end_arrives_before_it(loop):
    application = Application()
    with serving(application, loop) as url:
        with connect(url, proxy=None, compression=None) as websocket:
            assert application.ready.wait(LIMIT)

            def say_and_end():
                assert application.writer.write_frame(wire("the last word")) is True
                application.protocol.shutdown()

            application.call(say_and_end)
            assert websocket.recv(LIMIT) == "the last word"
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(LIMIT)
            assert closed.value.rcvd.code == 1012


def test_a_client_that_says_no_more_still_hears_what_was_said_before(loop):
    """asyncio closes a transport by itself when the other end has shut down its half."""
    application = Application()
    with serving(application, loop) as url:
        with connect(url, proxy=None, compression=None) as websocket:
            assert application.ready.wait(LIMIT)

            def say_and_hear_the_end():
                assert application.writer.write_frame(wire("the answer")) is True
                application.protocol.eof_received()
                assert application.writer.write_frame(wire("to nobody")) is False

            application.call(say_and_hear_the_end)
            assert websocket.recv(LIMIT) == "the answer"
            with pytest.raises(ConnectionClosed):
                websocket.recv(LIMIT)


def test_a_half_closed_client_gets_its_answer():
    answered = []

    async def answering(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await asyncio.sleep(0)  # the end may come between question and answer
        await send({"type": "websocket.send", "text": "the answer"})

    with serving(answering) as url:
        for _ in range(10):
            with connect(url, proxy=None, compression=None) as websocket:
                websocket.send("a question")
                websocket.socket.shutdown(socket.SHUT_WR)
                answered.append(websocket.recv(LIMIT))
    assert answered == ["the answer"] * 10
