"""Connections that are closed from outside: by channel, by user, by session."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.backends.base import SessionBase

from channels import closing
from channels.closing import (
    aclose_channel,
    aclose_session,
    aclose_user,
    close_channel,
    close_session,
    close_user,
    note_user,
)
from channels.exceptions import InvalidChannelLayerError
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.limits.presence import users
from tests.client import CONNECT, Client, frame, leave, request, settle
from tests.wire import websocket


class Noted:
    """A consumer that keeps what it was told."""

    codes: list[int]
    names: list[str]


class Async(Noted, AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.names.append(self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        self.codes.append(code)


class Sync(Noted, WebsocketConsumer):
    def connect(self) -> None:
        self.names.append(self.channel_name)
        self.accept()

    def disconnect(self, code: int) -> None:
        self.codes.append(code)


@pytest.fixture(params=[Async, Sync])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(request.param, "codes", [], raising=False)
    monkeypatch.setattr(request.param, "names", [], raising=False)
    return request.param


@pytest.fixture(autouse=True)
def layer(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


def user(key: object) -> Any:
    return SimpleNamespace(pk=key, is_authenticated=True)


def session(key: str | None) -> Any:
    return SessionBase(key)


def closed(code: int, reason: str = "") -> dict[str, Any]:
    event: dict[str, Any] = {"type": "websocket.close", "code": code}
    return event | {"reason": reason} if reason else event


# One connection.


@pytest.mark.parametrize("sync", [False, True])
async def test_a_channel(kind: Any, sync: bool) -> None:
    client, other = Client(kind.as_asgi(), CONNECT), Client(kind.as_asgi())
    async with client, other:
        await client.answers(1)
        name = kind.names[0]
        other.says(CONNECT)
        await other.answers(1)
        if sync:
            await asyncio.to_thread(close_channel, name, 4000, "bye")
        else:
            await aclose_channel(name, 4000, "bye")
        await client.ended()
        await settle()
        assert client.sent[-1] == closed(4000, "bye")
        assert kind.codes == [4000]
        assert not other.task.done()
        other.says(leave())


async def test_what_was_sent_before_comes_before() -> None:
    consumers: list[Any] = []

    class Told(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            consumers.append(self)
            await self.accept()

        async def tell(self, event: Any) -> None:
            await asyncio.sleep(0)
            await self.send(event["text"])

    application = Told.as_asgi()
    async with Client(application, CONNECT) as client:
        await client.answers(1)
        (consumer,) = consumers
        for number in range(3):
            await consumer.channel_layer.send(
                consumer.channel_name, {"type": "tell", "text": str(number)}
            )
        await aclose_channel(consumer.channel_name)
        await client.ended()
    assert client.texts == ["0", "1", "2"]
    assert client.sent[-1] == closed(1000)


async def test_nobody_has_the_channel() -> None:
    await aclose_channel("specific.inmemory!gone")


@pytest.mark.parametrize("code", [999, 1004, 1005, 1006, 1015, 2999, 5000, -1, None, "1000"])
async def test_a_code_that_cannot_be_sent(code: Any) -> None:
    with pytest.raises(ValueError, match="no code that a server may close with"):
        await aclose_channel("x", code)
    with pytest.raises(ValueError, match="no code that a server may close with"):
        close_user(1, code)


async def test_a_reason_that_is_too_long() -> None:
    await aclose_channel("x", 1000, "é" * 61)
    with pytest.raises(ValueError, match="The reason has 124 bytes; a close frame holds 123"):
        await aclose_channel("x", 1000, "é" * 62)


async def test_without_a_layer(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {}
    with pytest.raises(InvalidChannelLayerError, match="no layer 'default'"):
        await aclose_channel("x")


async def test_users_are_closed_without_a_layer(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {}

    class Plain(AsyncWebsocketConsumer):
        pass

    async with Client(Plain.as_asgi(), CONNECT, scope=websocket(user=user(1))) as client:
        await client.answers(1)
        await aclose_user(1, 4001)
        await client.ended()
    assert client.sent[-1] == closed(4001)


# All of a user.


@pytest.mark.parametrize("sync", [False, True])
async def test_a_user(kind: Any, sync: bool) -> None:
    scopes = [websocket(user=user(key)) for key in (1, 1, 2)] + [websocket()]
    clients = [Client(kind.as_asgi(), CONNECT, scope=scope) for scope in scopes]
    for client in clients:
        await client.__aenter__()
        await client.answers(1)
    if sync:
        await asyncio.to_thread(close_user, user(1), 4001, "banned")
    else:
        await aclose_user(user(1), 4001, "banned")
    for client in clients[:2]:
        await client.ended()
        assert client.sent[-1] == closed(4001, "banned")
    await settle()
    assert [client.task.done() for client in clients] == [True, True, False, False]
    assert kind.codes == [4001, 4001]
    for client in clients[2:]:
        client.says(leave())
        await client.ended()


@pytest.mark.parametrize(
    ("pk", "given"),
    [
        (7, 7),
        (7, "7"),
        (7, user(7)),
        (UUID(int=5), user(UUID(int=5))),
        ("anna", user("anna")),
    ],
)
async def test_primary_keys_of_any_type(pk: object, given: object) -> None:
    class Plain(AsyncWebsocketConsumer):
        pass

    async with Client(Plain.as_asgi(), CONNECT, scope=websocket(user=user(pk))) as client:
        await client.answers(1)
        await aclose_user(given)
        await client.ended()
    assert client.sent[-1] == closed(1000)


async def test_the_primary_key_of_a_model_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db.models import UUIDField

    model = SimpleNamespace(_meta=SimpleNamespace(pk=UUIDField()))
    monkeypatch.setattr(closing, "get_user_model", lambda: model)

    class Plain(AsyncWebsocketConsumer):
        pass

    for given in (UUID(int=5), str(UUID(int=5)).upper(), UUID(int=5).hex):
        scope = websocket(user=user(UUID(int=5)))
        async with Client(Plain.as_asgi(), CONNECT, scope=scope) as client:
            await client.answers(1)
            await aclose_user(given)
            await client.ended()


@pytest.mark.parametrize("nobody", [None, AnonymousUser(), user(None)])
async def test_nobody_is_no_user(nobody: Any) -> None:
    with pytest.raises(ValueError, match="is nobody who is signed in"):
        await aclose_user(nobody)


async def test_a_handler_in_hand_comes_to_its_end() -> None:
    go_on = asyncio.Event()

    class Busy(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            await self.send("begun")
            await go_on.wait()
            await self.send("done")

    scope = websocket(user=user(1))
    async with Client(Busy.as_asgi(), CONNECT, frame("x"), scope=scope) as client:
        await client.answers(2)
        await aclose_user(1, 4001)
        await settle()
        assert not client.task.done()
        go_on.set()
        await client.ended()
    assert client.texts == ["begun", "done"]
    assert client.sent[-1] == closed(4001)


async def test_one_that_hangs_is_cancelled(settings: Any) -> None:
    settings.CHANNELS = {"GRACE_SECONDS": 0.01}
    codes = []

    class Hanging(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            await self.send("begun")
            await asyncio.Event().wait()

        async def disconnect(self, code: int) -> None:
            codes.append(code)

    scope = websocket(user=user(1))
    async with Client(Hanging.as_asgi(), CONNECT, frame("x"), scope=scope) as client:
        await client.answers(2)
        await aclose_user(1, 4001)
        await client.ended()
    assert client.sent[-1] == closed(4001)
    assert codes == [4001]


async def test_twice_is_once(kind: Any) -> None:
    async with Client(kind.as_asgi(), CONNECT, scope=websocket(user=user(1))) as client:
        await client.answers(1)
        await aclose_user(1, 4001)
        await aclose_user(1, 4002)
        await client.ended()
        await aclose_user(1, 4003)
    assert client.sent[1:] == [closed(4001)]
    assert kind.codes == [4001]


async def test_before_it_was_accepted() -> None:
    class Pending(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            pass

    async with Client(Pending.as_asgi(), CONNECT, scope=websocket(user=user(1))) as client:
        await settle()
        await aclose_user(1, 4001)
        await client.ended()
    assert client.sent == [{"type": "websocket.close"}]


async def test_an_event_stream() -> None:
    class Stream(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_headers(headers=[(b"content-type", b"text/event-stream")])
            await self.send_body(b"data: 1\n\n", more_body=True)
            await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "user": user(1)}
    async with Client(Stream.as_asgi(), request(), scope=scope) as client:
        await client.answers(2)
        await aclose_user(1)
        await client.ended()
    assert client.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_connections_on_another_loop() -> None:
    """Whoever asks need not be on the loop of the connection, nor on any."""
    ready = threading.Event()
    sent: list[Any] = []

    class Plain(AsyncWebsocketConsumer):
        pass

    async def serve() -> None:
        async with Client(Plain.as_asgi(), CONNECT, scope=websocket(user=user(1))) as client:
            await client.answers(1)
            ready.set()
            await client.ended()
            sent.extend(client.sent)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    await asyncio.to_thread(ready.wait, 10)
    await aclose_user(1, 4001)
    await asyncio.to_thread(thread.join, 10)
    assert sent[-1] == closed(4001)


async def test_who_signs_in_later_is_found() -> None:
    class Late(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            self.scope["user"] = None if text_data == "out" else user(text_data)
            await sync_to_async(note_user)(self.scope)
            await self.send("noted")

    async with Client(Late.as_asgi(), CONNECT, frame("anna")) as client:
        await client.answers(2)
        client.says(frame("out"))
        await client.answers(3)
        await aclose_user(user("anna"), 4001)
        await settle()
        assert not client.task.done()
        client.says(frame("bert"))
        await client.answers(4)
        await aclose_user(user("bert"), 4002)
        await client.ended()
    assert client.sent[-1] == closed(4002)
    assert len(users) == 0


# All of a session.


@pytest.mark.parametrize("sync", [False, True])
async def test_a_session(sync: bool) -> None:
    class Plain(AsyncWebsocketConsumer):
        pass

    scopes = [
        websocket(user=user(1), session=session("one" * 10)),
        websocket(user=user(1), session=session("two" * 10)),
        websocket(user=user(2), session=session("one" * 10)),
        websocket(user=user(1), session=session(None)),
        websocket(user=user(1)),
    ]
    clients = [Client(Plain.as_asgi(), CONNECT, scope=scope) for scope in scopes]
    for client in clients:
        await client.__aenter__()
        await client.answers(1)
    if sync:
        await asyncio.to_thread(close_session, 1, "one" * 10)
    else:
        await aclose_session(1, "one" * 10)
    await clients[0].ended()
    assert clients[0].sent[-1] == closed(4401, "signed out")
    await settle()
    assert [client.task.done() for client in clients] == [True, False, False, False, False]
    for client in clients[1:]:
        client.says(leave())
        await client.ended()


def log_out(key: str | None, who: Any) -> None:
    request = SimpleNamespace(session=session(key))
    user_logged_out.send(sender=type(who), request=request, user=who)


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("sync", [True, False])
async def test_logging_out(settings: Any, on: bool, sync: bool) -> None:
    settings.CHANNELS = {"CLOSE_ON_LOGOUT": on}

    class Plain(AsyncWebsocketConsumer):
        pass

    scope = websocket(user=user(1), session=session("one" * 10))
    async with Client(Plain.as_asgi(), CONNECT, scope=scope) as client:
        await client.answers(1)
        if sync:
            await asyncio.to_thread(log_out, "one" * 10, user(1))
        else:
            log_out("one" * 10, user(1))
        if on:
            await client.ended()
            assert client.sent[-1] == closed(4401, "signed out")
        else:
            await settle()
            assert not client.task.done()
            client.says(leave())


@pytest.mark.parametrize(
    ("request_", "who"),
    [
        (None, user(1)),
        (SimpleNamespace(), user(1)),
        (SimpleNamespace(session=session(None)), user(1)),
        (SimpleNamespace(session=session("one" * 10)), None),
    ],
)
def test_logging_out_without_a_session_or_a_user(settings: Any, request_: Any, who: Any) -> None:
    settings.CHANNELS = {"CLOSE_ON_LOGOUT": True}
    user_logged_out.send(sender=object, request=request_, user=who)


def test_orders_hold_no_session_key() -> None:
    order = closing._order_about("1", 1000, "", "secret-key")  # pyright: ignore[reportPrivateUsage]
    assert "secret-key" not in repr(order)
    assert order["session"] is not None


@pytest.mark.parametrize("order", [{}, {"close": "everything"}, {"close": None, "user": "1"}])
def test_orders_of_a_newer_release_are_passed_over(order: Any) -> None:
    closing.obey({"type": "channels.control", **order})
