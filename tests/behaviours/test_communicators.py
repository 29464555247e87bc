"""channels.testing: the communicators."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import pytest

from channels.consumer import AsyncConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.testing import ApplicationCommunicator, HttpCommunicator, WebsocketCommunicator
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, turns


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        await self.send(text_data, bytes_data)


@behaviour("Testing: connect() is (True, subprotocol) or (False, code), code 1000 by default")
async def test_connect_tuple() -> None:
    class Picks(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            if self.scope["subprotocols"]:
                await self.accept(self.scope["subprotocols"][0], [(b"x-one", b"1")])
            else:
                await self.close(*self.scope.get("codes", ()))

    accepted = WebsocketCommunicator(Picks.as_asgi(), "/", subprotocols=["chat", "other"])
    assert accepted.response_headers is None
    assert await accepted.connect() == (True, "chat")
    assert accepted.response_headers == [(b"x-one", b"1")]
    await accepted.disconnect()
    denied = WebsocketCommunicator(Picks.as_asgi(), "/")
    assert await denied.connect() == (False, 1000)
    await denied.disconnect()
    denied = WebsocketCommunicator(Picks.as_asgi(), "/")
    denied.scope["codes"] = (4401,)
    assert await denied.connect() == (False, 4401)
    await denied.disconnect()


@behaviour("Testing: the websocket scope is made from path, headers and subprotocols")
def test_websocket_scope() -> None:
    client = WebsocketCommunicator(
        Echo.as_asgi(), "/r%C3%A4um/?a=1&b=%20", [(b"x", b"y")], ["chat"], spec_version="2.3"
    )
    expected_scope = {
        "type": "websocket",
        "path": "/räum/",
        "query_string": b"a=1&b=%20",
        "headers": [(b"x", b"y")],
        "subprotocols": ["chat"],
        "spec_version": "2.3",
    }
    assert {key: client.scope[key] for key in expected_scope} == expected_scope
    plain = WebsocketCommunicator(Echo.as_asgi(), "/")
    assert plain.scope["headers"] == plain.scope["subprotocols"] == []
    assert "spec_version" not in plain.scope


def refused(make: Callable[[], object]) -> Exception:
    """What ``make`` raises, after its half-made communicator is gone.

    Upstream's finalizer fails on an object whose ``__init__`` did not come to its end.
    """
    try:
        make()
    except Exception as error:
        return error.with_traceback(None)
    raise AssertionError("nothing was raised")


@behaviour("Testing: a path that is not a str is TypeError")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_path_type() -> None:
    error = refused(lambda: WebsocketCommunicator(Echo.as_asgi(), b"/"))
    assert isinstance(error, TypeError)
    assert "Expected str, got <class 'bytes'>" in str(error)


@behaviour("Testing: communicator.scope is edited before connect")
async def test_scope_edited() -> None:
    class Names(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.accept(self.scope["user"])

    client = WebsocketCommunicator(Names.as_asgi(), "/")
    client.scope["user"] = "ann"
    assert await client.connect() == (True, "ann")
    await client.disconnect()


@behaviour("Testing: send_to and receive_from carry text and bytes, the _json_ pair JSON")
async def test_frames() -> None:
    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.connect()
    await client.send_to(text_data="text")
    assert await client.receive_from() == "text"
    await client.send_to(bytes_data=b"\x00")
    assert await client.receive_from() == b"\x00"
    await client.send_json_to({"a": [1, None]})
    assert await client.receive_json_from() == {"a": [1, None]}
    await client.disconnect()


@pytest.mark.parametrize("arguments", [{}, {"text_data": "a", "bytes_data": b"a"}], ids=repr)
@behaviour("Testing: send_to takes exactly one of text_data and bytes_data, else AssertionError")
async def test_send_to_one(arguments: Message) -> None:
    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.connect()
    with pytest.raises(AssertionError):
        await client.send_to(**arguments)
    await client.disconnect()


@pytest.mark.parametrize("arguments", [{"text_data": b"a"}, {"bytes_data": "a"}], ids=repr)
@behaviour("Testing: send_to of the wrong type is AssertionError")
async def test_send_to_types(arguments: Message) -> None:
    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.connect()
    with pytest.raises(AssertionError):
        await client.send_to(**arguments)
    await client.disconnect()


@behaviour("Testing: receive_from of anything but a data frame is AssertionError with both types")
async def test_receive_from_close() -> None:
    class Closes(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            await self.close()

    client = WebsocketCommunicator(Closes.as_asgi(), "/")
    await client.connect()
    await client.send_to(text_data="x")
    with pytest.raises(AssertionError) as caught:
        await client.receive_from()
    assert "Expected type 'websocket.send', but was 'websocket.close'" in str(caught.value)
    await client.disconnect()


@behaviour("Testing: receive_json_from of a binary frame is AssertionError")
async def test_receive_json_binary() -> None:
    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.connect()
    await client.send_to(bytes_data=b"{}")
    with pytest.raises(AssertionError, match="JSON data is not a text frame"):
        await client.receive_json_from()
    await client.disconnect()


@behaviour("Testing: receive_nothing() is True while nothing comes, and False when something waits")
async def test_receive_nothing() -> None:
    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.connect()
    assert await client.receive_nothing(timeout=0.02, interval=0.005) is True
    await client.send_to(text_data="x")
    await turns()
    assert await client.receive_nothing() is False
    assert await client.receive_from() == "x"
    await client.disconnect()


@behaviour("Testing: disconnect(code) gives the code to the consumer and waits for its end")
async def test_disconnect() -> None:
    codes: list[int] = []

    class Ends(AsyncWebsocketConsumer):
        async def disconnect(self, code: int) -> None:
            codes.append(code)

    for arguments in ((), (4000,)):
        client = WebsocketCommunicator(Ends.as_asgi(), "/")
        await client.connect()
        await client.disconnect(*arguments)
        assert client.future.done()
    assert codes == [1000, 4000]


@behaviour("Testing: send_input and receive_output carry raw events")
async def test_raw_events() -> None:
    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.send_input({"type": "websocket.connect"})
    assert (await client.receive_output())["type"] == "websocket.accept"
    await client.send_input({"type": "websocket.receive", "text": "x"})
    assert await client.receive_output(timeout=1) == {"type": "websocket.send", "text": "x"}
    await client.send_input({"type": "websocket.disconnect", "code": 1000})
    await client.wait(timeout=1)


@behaviour("Testing: .future, .input_queue, .output_queue, .scope and .application are there")
async def test_attributes() -> None:
    app = Echo.as_asgi()
    client = WebsocketCommunicator(app, "/")
    assert callable(client.application)
    await client.connect()
    assert isinstance(client.future, asyncio.Task)
    assert client.output_queue.empty()
    client.input_queue.put_nowait({"type": "websocket.receive", "text": "direct"})
    assert await client.output_queue.get() == {"type": "websocket.send", "text": "direct"}
    await client.disconnect()


@behaviour("Testing: wait() raises the application's exception")
async def test_wait_raises() -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        raise KeyError("mine")

    client = ApplicationCommunicator(app, {"type": "x"})
    with pytest.raises(KeyError, match="mine"):
        await client.wait()


@behaviour("Testing: wait(timeout) cancels an application that goes on, silently")
async def test_wait_timeout() -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    client = ApplicationCommunicator(app, {"type": "x"})
    await client.wait(timeout=0.01)
    assert client.future.cancelled()


@behaviour("Testing: a receive that times out cancels the application, and the next send raises")
async def test_receive_timeout() -> None:
    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.connect()
    with pytest.raises(TimeoutError):
        await client.receive_from(timeout=0.01)
    assert client.future.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await client.send_to(text_data="late")


@behaviour("Testing: sending to an application that failed raises its exception")
async def test_send_to_failed() -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        raise KeyError("mine")

    client = ApplicationCommunicator(app, {"type": "x"})
    await client.send_input({"type": "go"})
    await turns()
    with pytest.raises(KeyError, match="mine"):
        await client.send_input({"type": "more"})


@behaviour("Testing: sending to an application that has ended is silent")
async def test_send_to_ended() -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()

    client = ApplicationCommunicator(app, {"type": "x"})
    await client.send_input({"type": "go"})
    await client.wait()
    await client.send_input({"type": "more"})


@behaviour("Testing: stop() cancels the application, or raises the exception of an ended one")
async def test_stop() -> None:
    async def fails(scope: Message, receive: Any, send: Any) -> None:
        raise KeyError("mine")

    client = WebsocketCommunicator(Echo.as_asgi(), "/")
    await client.connect()
    client.stop()
    await turns()
    assert client.future.cancelled()
    failed = ApplicationCommunicator(fails, {"type": "x"})
    await asyncio.wait([failed.future])
    with pytest.raises(KeyError):
        failed.stop()
    failed.stop(exceptions=False)


@behaviour("Testing: the application does not see the test's context variables")
async def test_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="clean")
    variable.set("of the test")
    seen: list[str] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        seen.append(variable.get())

    await ApplicationCommunicator(app, {"type": "x"}).wait()
    assert seen == ["clean"]


@behaviour("Testing: an exception in connect()")
@differs(
    upstream="shows after receive_output's whole timeout",
    ours="shows at once, as it was raised",
)
async def test_exception_in_connect() -> None:
    class Fails(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            raise KeyError("mine")

    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(KeyError, match="mine"):
        await WebsocketCommunicator(Fails.as_asgi(), "/").connect(timeout=0.5)
    assert (loop.time() - started > 0.4) is expected(upstream=True, ours=False)


@behaviour("Testing: an exception of the consumer shows in receive_from()")
async def test_exception_in_receive() -> None:
    class Fails(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            raise KeyError("mine")

    client = WebsocketCommunicator(Fails.as_asgi(), "/")
    await client.connect()
    await client.send_to(text_data="x")
    with pytest.raises(KeyError, match="mine"):
        await client.receive_from(timeout=0.2)


# HTTP


@behaviour("Testing: HttpCommunicator(app, method, path, body, headers) makes the scope")
async def test_http_scope() -> None:
    seen: dict[str, Any] = {}

    class Answers(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            seen.update(self.scope, body=body)
            await self.send_response(200, b"ok", headers={b"x": b"y"})

    client = HttpCommunicator(
        Answers.as_asgi(), "post", "/a%20b/?q=1", body=b"body", headers=[(b"h", b"v")]
    )
    assert await client.get_response() == {
        "status": 200,
        "headers": [(b"x", b"y")],
        "body": b"ok",
    }
    wanted = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/a b/",
        "query_string": b"q=1",
        "headers": [(b"h", b"v")],
        "body": b"body",
    }
    assert {key: seen[key] for key in wanted} == wanted


@behaviour("Testing: get_response() joins the parts of the body")
async def test_http_parts() -> None:
    class Streams(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_headers(status=206)
            for part in (b"a", b"b"):
                await self.send_body(part, more_body=True)
            await self.send_body(b"c")

    response = await HttpCommunicator(Streams.as_asgi(), "GET", "/").get_response()
    assert response == {"status": 206, "headers": [], "body": b"abc"}


@behaviour("Testing: a body that is not bytes is AssertionError")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_http_body() -> None:
    error = refused(lambda: HttpCommunicator(AsyncHttpConsumer.as_asgi(), "GET", "/", body="text"))
    assert isinstance(error, AssertionError)


@behaviour("Testing: get_response() shows the application's exception")
async def test_http_exception() -> None:
    class Fails(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await HttpCommunicator(Fails.as_asgi(), "GET", "/").get_response(timeout=0.2)


@behaviour("Testing: an application may be a consumer instance as well as a callable")
async def test_instance_as_application() -> None:
    class Pings(AsyncConsumer):
        async def test_ping(self, message: Message) -> None:
            await self.send({"type": "test.pong"})

    client = ApplicationCommunicator(Pings(), {"type": "test"})
    await client.send_input({"type": "test.ping"})
    assert await client.receive_output() == {"type": "test.pong"}
    client.stop()
    await client.wait()


@behaviour("Testing: WebsocketCommunicator as an async context manager")
@differs(upstream="is not possible", ours="connects, and always disconnects")
async def test_context_manager() -> None:
    codes: list[int] = []

    class Ends(AsyncWebsocketConsumer):
        async def disconnect(self, code: int) -> None:
            codes.append(code)

    client = WebsocketCommunicator(Ends.as_asgi(), "/")
    assert hasattr(client, "__aenter__") is expected(upstream=False, ours=True)
    if hasattr(client, "__aenter__"):

        async def uses() -> None:
            async with client:
                assert await client.connect() == (True, None)
                raise KeyError

        with pytest.raises(KeyError):
            await uses()
        assert codes == [1000]
        assert client.future.done()
