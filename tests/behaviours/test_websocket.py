"""WebsocketConsumer and AsyncWebsocketConsumer: accept, deny, send, close, frames."""

from collections.abc import Iterator
from typing import Any

import pytest

from channels.exceptions import AcceptConnection, DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import (
    Message,
    connected,
    run,
    turns,
    until,
    websocket_scope,
    written_for,
)

Steps = Iterator[Any]
families = pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
CONNECT = {"type": "websocket.connect"}


@families
@behaviour("Generic websocket: connect() accepts by default, without a subprotocol")
async def test_default_accept(base: type) -> None:
    client = WebsocketCommunicator(base.as_asgi(), "/")
    assert await client.connect() == (True, None)
    await client.disconnect()


@families
@behaviour("Generic websocket: accept is {type: websocket.accept, subprotocol: ...}")
async def test_accept_message(base: type) -> None:
    client = await run(base.as_asgi(), websocket_scope(), CONNECT)
    assert await client.receive_output() == {"type": "websocket.accept", "subprotocol": None}
    client.stop()
    await client.wait()


@families
@behaviour("Generic websocket: accept(subprotocol=None, headers=None), positional")
async def test_accept_arguments(base: type) -> None:
    def connect(self: Any) -> Steps:
        yield self.accept("chat", ((b"x-one", b"1"),))

    client = await run(written_for(base, connect=connect).as_asgi(), websocket_scope(), CONNECT)
    assert await client.receive_output() == {
        "type": "websocket.accept",
        "subprotocol": "chat",
        "headers": [(b"x-one", b"1")],
    }
    client.stop()
    await client.wait()


@families
@behaviour("Generic websocket: AcceptConnection raised by connect() accepts")
async def test_accept_connection(base: type) -> None:
    def connect(self: Any) -> Steps:
        raise AcceptConnection
        yield

    client = WebsocketCommunicator(written_for(base, connect=connect).as_asgi(), "/")
    assert await client.connect() == (True, None)
    await client.disconnect()


@families
@behaviour("Generic websocket: DenyConnection raised by connect() closes before accept")
async def test_deny_connection(base: type) -> None:
    def connect(self: Any) -> Steps:
        raise DenyConnection
        yield

    client = await run(written_for(base, connect=connect).as_asgi(), websocket_scope(), CONNECT)
    assert await client.receive_output() == {"type": "websocket.close"}
    client.stop()
    await client.wait()


@families
@behaviour("Generic websocket: close() before accept denies the connection")
async def test_close_denies(base: type) -> None:
    def connect(self: Any) -> Steps:
        yield self.close()

    client = WebsocketCommunicator(written_for(base, connect=connect).as_asgi(), "/")
    assert await client.connect() == (False, 1000)
    await client.disconnect()


@families
@behaviour("Generic websocket: disconnect(code) runs for a denied connection too")
async def test_denied_disconnects(base: type) -> None:
    codes: list[int] = []

    def connect(self: Any) -> Steps:
        yield self.close(4401)

    def disconnect(self: Any, code: int) -> Steps:
        yield codes.append(code)

    app = written_for(base, connect=connect, disconnect=disconnect).as_asgi()
    client = WebsocketCommunicator(app, "/")
    assert await client.connect() == (False, 4401)
    await client.disconnect(1006)
    assert codes == [1006]


@families
@behaviour("Generic websocket: disconnect(code) gets the client's code, and the consumer ends")
async def test_disconnect_code(base: type) -> None:
    codes: list[int] = []

    def disconnect(self: Any, code: int) -> Steps:
        yield codes.append(code)

    client = WebsocketCommunicator(written_for(base, disconnect=disconnect).as_asgi(), "/")
    await client.connect()
    await client.disconnect(4001)
    assert codes == [4001]
    assert client.future.done()
    assert client.future.exception() is None


@families
@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ({"text": "hello"}, {"text_data": "hello"}),
        ({"bytes": b"\x00\xff"}, {"bytes_data": b"\x00\xff"}),
        ({"text": None, "bytes": b"b"}, {"bytes_data": b"b"}),
        ({"text": "t", "bytes": None}, {"text_data": "t"}),
        ({"text": ""}, {"text_data": ""}),
        ({"bytes": b""}, {"bytes_data": b""}),
    ],
)
@behaviour("Generic websocket: receive() is called with the one keyword that the frame has")
async def test_receive_keywords(base: type, frame: Message, told: Message) -> None:
    seen: list[Message] = []

    def receive(self: Any, **kwargs: Any) -> Steps:
        seen.append(kwargs)
        yield self.send(text_data="seen")

    async with connected(written_for(base, receive=receive).as_asgi()) as client:
        await client.send_input({"type": "websocket.receive", **frame})
        assert await client.receive_from() == "seen"
    assert seen == [told]


@families
@behaviour("Generic websocket: receive() does nothing unless it is overridden")
async def test_receive_default(base: type) -> None:
    async with connected(base.as_asgi()) as client:
        await client.send_to(text_data="hello")
        assert await client.receive_nothing()


@families
@pytest.mark.parametrize(
    ("arguments", "frame"),
    [
        (("hi",), {"text": "hi"}),
        ((None, b"hi"), {"bytes": b"hi"}),
        (("",), {"text": ""}),
        ((None, b""), {"bytes": b""}),
        (("wins", b"lost"), {"text": "wins"}),
    ],
)
@behaviour("Generic websocket: send(text_data=None, bytes_data=None) sends one frame, even empty")
async def test_send(base: type, arguments: tuple[Any, ...], frame: Message) -> None:
    def receive(self: Any, **kwargs: Any) -> Steps:
        yield self.send(*arguments)

    async with connected(written_for(base, receive=receive).as_asgi()) as client:
        await client.send_to(text_data="go")
        assert await client.receive_output() == {"type": "websocket.send", **frame}


@families
@behaviour("Generic websocket: send() of nothing is ValueError")
async def test_send_nothing(base: type) -> None:
    errors: list[str] = []

    def receive(self: Any, **kwargs: Any) -> Steps:
        try:
            yield self.send()
        except ValueError as error:
            errors.append(str(error))

    async with connected(written_for(base, receive=receive).as_asgi()) as client:
        await client.send_to(text_data="go")
        await until(lambda: errors)
    assert errors == ["You must pass one of bytes_data or text_data"]


@families
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), {}),
        ((4000,), {"code": 4000}),
        ((True,), {}),
        ((None, "tired"), {"reason": "tired"}),
        ((4001, "go away"), {"code": 4001, "reason": "go away"}),
        ((1000, ""), {"code": 1000}),
    ],
)
@behaviour("Generic websocket: close(code=None, reason=None); close(code=True) is an accepted form")
async def test_close(base: type, arguments: tuple[Any, ...], message: Message) -> None:
    def receive(self: Any, **kwargs: Any) -> Steps:
        yield self.close(*arguments)

    async with connected(written_for(base, receive=receive).as_asgi()) as client:
        await client.send_to(text_data="go")
        assert await client.receive_output() == {"type": "websocket.close", **message}


@families
@pytest.mark.parametrize(("close", "message"), [(True, {}), (4001, {"code": 4001})])
@behaviour("Generic websocket: send(..., close=True|4001) closes after the frame")
async def test_send_and_close(base: type, close: bool | int, message: Message) -> None:
    def receive(self: Any, **kwargs: Any) -> Steps:
        yield self.send("last", close=close)

    async with connected(written_for(base, receive=receive).as_asgi()) as client:
        await client.send_to(text_data="go")
        assert await client.receive_from() == "last"
        assert await client.receive_output() == {"type": "websocket.close", **message}


@families
@behaviour("Generic websocket: super().send(text_data, bytes_data, close) works positionally")
async def test_send_positional(base: type) -> None:
    def send(self: Any, text_data: Any = None, bytes_data: Any = None, close: Any = False) -> Steps:
        yield base.send(self, text_data and text_data.upper(), bytes_data, close)

    def receive(self: Any, **kwargs: Any) -> Steps:
        yield self.send("hi")
        yield self.send(bytes_data=b"hi", close=4002)

    async with connected(written_for(base, receive=receive, send=send).as_asgi()) as client:
        await client.send_to(text_data="go")
        assert await client.receive_from() == "HI"
        assert await client.receive_from() == b"hi"
        assert await client.receive_output() == {"type": "websocket.close", "code": 4002}


@families
@behaviour("Generic websocket: close() does not end the consumer, only the disconnect event does")
async def test_close_does_not_end(base: type) -> None:
    codes: list[int] = []

    def receive(self: Any, **kwargs: Any) -> Steps:
        yield self.close()

    def disconnect(self: Any, code: int) -> Steps:
        yield codes.append(code)

    app = written_for(base, receive=receive, disconnect=disconnect).as_asgi()
    client = WebsocketCommunicator(app, "/")
    await client.connect()
    await client.send_to(text_data="go")
    assert (await client.receive_output())["type"] == "websocket.close"
    await turns()
    assert not client.future.done()
    assert codes == []
    await client.disconnect(1000)
    assert codes == [1000]


@families
@behaviour("Generic websocket: websocket_connect, _receive and _disconnect may wrap super()'s")
async def test_override_handlers(base: type) -> None:
    order: list[str] = []

    def wrapper(name: str) -> Any:
        def method(self: Any, message: Message) -> Steps:
            order.append(f"before {name}")
            try:
                yield getattr(base, name)(self, message)
            finally:
                order.append(f"after {name}")

        return method

    def connect(self: Any) -> Steps:
        order.append("connect")
        yield self.accept()

    def receive(self: Any, **kwargs: Any) -> Steps:
        order.append("receive")
        yield self.send("x")

    names = ("websocket_connect", "websocket_receive")
    wrappers = {name: wrapper(name) for name in names}
    app = written_for(base, connect=connect, receive=receive, **wrappers).as_asgi()
    async with connected(app) as client:
        await client.send_to(text_data="go")
        assert await client.receive_from() == "x"
        await until(lambda: len(order) == 6)
    assert order == [
        "before websocket_connect",
        "connect",
        "after websocket_connect",
        "before websocket_receive",
        "receive",
        "after websocket_receive",
    ]


@families
@behaviour("Generic websocket: websocket_connect may be replaced wholly")
async def test_replace_connect(base: type) -> None:
    def websocket_connect(self: Any, message: Message) -> Steps:
        yield self.accept("mine")

    def connect(self: Any) -> Steps:
        raise AssertionError("connect() was called")
        yield

    app = written_for(base, websocket_connect=websocket_connect, connect=connect).as_asgi()
    client = WebsocketCommunicator(app, "/")
    assert await client.connect() == (True, "mine")
    await client.disconnect()


@families
@behaviour("Generic websocket: after a first accept a further accept")
@differs(upstream="sends a second websocket.accept", ours="is a no-op")
async def test_second_accept(base: type) -> None:
    def connect(self: Any) -> Steps:
        yield self.accept()
        yield self.accept("chat")
        yield self.send("end")

    client = await run(written_for(base, connect=connect).as_asgi(), websocket_scope(), CONNECT)
    types = []
    while not types or types[-1] != "websocket.send":
        types.append((await client.receive_output())["type"])
    accept = "websocket.accept"
    assert types == expected(
        upstream=[accept, accept, "websocket.send"], ours=[accept, "websocket.send"]
    )
    await client.send_input({"type": "websocket.disconnect", "code": 1000})
    await client.wait()


@families
@behaviour("Generic websocket: after close() every send and a further close")
@differs(upstream="go to the server, which may raise", ours="are no-ops, and send() returns False")
async def test_send_after_close(base: type) -> None:
    answers: list[Any] = []

    def receive(self: Any, **kwargs: Any) -> Steps:
        yield self.close(4000)
        answers.append((yield self.send("late")))
        yield self.close()
        answers.append((yield self.send(bytes_data=b"later")))

    async with connected(written_for(base, receive=receive).as_asgi()) as client:
        await client.send_to(text_data="go")
        await until(lambda: len(answers) == 2)
        sent = []
        while not await client.receive_nothing(timeout=0.01):
            sent.append((await client.receive_output())["type"])
    close, send = "websocket.close", "websocket.send"
    assert sent == expected(upstream=[close, send, close, send], ours=[close])
    assert answers == expected(upstream=[None, None], ours=[False, False])


@families
@behaviour("Generic websocket: a str given as bytes_data")
@differs(upstream="goes to the server as it is", ours="goes out as UTF-8 in a binary frame")
async def test_str_as_bytes(base: type) -> None:
    def receive(self: Any, **kwargs: Any) -> Steps:
        yield self.send(bytes_data="Grüße")

    async with connected(written_for(base, receive=receive).as_asgi()) as client:
        await client.send_to(text_data="go")
        assert await client.receive_output() == {
            "type": "websocket.send",
            "bytes": expected(upstream="Grüße", ours="Grüße".encode()),
        }


@families
@behaviour("Generic websocket: an exception in a handler leaves as it was raised")
@differs(
    upstream="disconnect() is never called and no close is sent",
    ours="the client is closed with 1011 and disconnect(1011) runs once",
)
async def test_exception(base: type) -> None:
    codes: list[int] = []
    boom = RuntimeError("boom")

    def receive(self: Any, **kwargs: Any) -> Steps:
        raise boom
        yield

    def disconnect(self: Any, code: int) -> Steps:
        yield codes.append(code)

    app = written_for(base, receive=receive, disconnect=disconnect).as_asgi()
    client = WebsocketCommunicator(app, "/")
    await client.connect()
    await client.send_to(text_data="go")
    with pytest.raises(RuntimeError) as caught:
        await client.wait()
    assert caught.value is boom
    assert codes == expected(upstream=[], ours=[1011])
    sent = []
    while not client.output_queue.empty():
        sent.append(client.output_queue.get_nowait())
    assert sent == expected(upstream=[], ours=[{"type": "websocket.close", "code": 1011}])


@families
@behaviour(
    "Generic websocket: websocket_send, _accept and _close are handlers where a class has them"
)
async def test_handlers_named_like_sends(base: type) -> None:
    heard: list[str] = []

    def record(self: Any, event: Message) -> Steps:
        yield heard.append(event["type"])

    def receive(self: Any, **kwargs: Any) -> Steps:
        yield self.send(self.channel_name)

    names = ("websocket_send", "websocket_accept", "websocket_close")
    app = written_for(base, receive=receive, **dict.fromkeys(names, record)).as_asgi()
    async with connected(app) as client:
        await client.send_to(text_data="go")
        name = await client.receive_from()
        for type_ in ("websocket.send", "websocket.accept", "websocket.close"):
            await get_channel_layer().send(name, {"type": type_, "text": "x"})
        await until(lambda: len(heard) == 3)
        assert client.output_queue.empty()
    assert heard == ["websocket.send", "websocket.accept", "websocket.close"]
