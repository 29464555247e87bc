"""Limits of consumers: who comes in, for how long, what they may send, and what the log says."""

import asyncio
import gc
import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import SimpleLazyObject

from channels.exceptions import TooManyGroupsError
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from channels.limits import presence
from channels.limits.rejections import Rejections
from tests.client import CONNECT, HTTP_LEAVE, PATIENCE, Client, frame, leave, request, settle
from tests.wire import http, websocket

LOGGER = "django.channels.limits"
PUBLIC = "8.8.4.4"
DENIES = {"extensions": {"websocket.http.response": {}}}


class Echo(AsyncWebsocketConsumer):
    codes: list[int] = []

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data)

    async def disconnect(self, code: int) -> None:
        self.codes.append(code)


class SyncEcho(WebsocketConsumer):
    codes: list[int] = []

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.send(text_data)

    def disconnect(self, code: int) -> None:
        self.codes.append(code)


@pytest.fixture(params=[Echo, SyncEcho])
def echo(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(request.param, "codes", [])
    return request.param


def user(key: object, **more: Any) -> Any:
    return SimpleNamespace(pk=key, is_authenticated=True, **more)


def limited(settings: Any, **limits: Any) -> None:
    settings.CHANNELS = {"LIMITS": limits, "TRUSTED_PROXIES": []}


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


@pytest.fixture(autouse=True)
def nobody_is_left() -> Any:
    yield
    assert len(presence.users) == len(presence.addresses) == 0


# What may be sent.


async def test_too_large_a_message(
    echo: Any, settings: Any, rejections: Rejections, caplog: pytest.LogCaptureFixture
) -> None:
    limited(settings, message_bytes=5)
    scope = websocket("/room/\n\x1b[31m", client=(PUBLIC, 1), user=user("\nx"))
    async with Client(echo.as_asgi(), CONNECT, frame("12345"), scope=scope) as client:
        await client.answers(2)
        client.says(frame("123456"), frame("later"))
        await client.ended()
    assert client.sent[1:] == [
        {"type": "websocket.send", "text": "12345"},
        {"type": "websocket.close", "code": 1009, "reason": "Message too big"},
    ]
    assert echo.codes == [1009]
    assert rejections.counts == {"message_bytes": 1}
    assert lines(caplog) == [
        (
            "Limit message_bytes=5, the connection was closed (path '/room/\\n\\x1b[31m', "
            "address 8.8.4.4, user '\\nx'). 1 such since the last line."
        )
    ]


async def test_rate_close(echo: Any, settings: Any) -> None:
    limited(settings, messages_per_second=1, burst_seconds=3, rate_action="close")
    events = [frame(str(number)) for number in range(10)]
    async with Client(echo.as_asgi(), CONNECT, *events) as client:
        await client.ended()
    assert client.texts == ["0", "1", "2"]
    assert client.sent[-1] == {
        "type": "websocket.close",
        "code": 1008,
        "reason": "Too many messages",
    }
    assert echo.codes == [1008]


async def test_rate_drop(echo: Any, settings: Any, rejections: Rejections) -> None:
    limited(settings, messages_per_second=0.001, burst_seconds=2000, rate_action="drop")
    events = [frame(str(number)) for number in range(10)]
    async with Client(echo.as_asgi(), CONNECT, *events, leave()) as client:
        await client.ended()
    assert client.texts == ["0", "1"]
    assert rejections.counts == {"messages_per_second": 8}
    assert echo.codes == [1001]


async def test_rate_delay_holds_nothing_else_up(echo: Any, settings: Any) -> None:
    """While a message waits for its time, the connection can be ended from beside."""
    limited(settings, messages_per_second=0.001, burst_seconds=1, rate_action="delay")
    async with Client(echo.as_asgi(), CONNECT, frame("0"), frame("1")) as client:
        await client.answers(2)
        await settle()
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.ended()
    assert client.texts == ["0"]
    assert echo.codes == [1006]


async def test_layer_messages_are_not_limited(settings: Any) -> None:
    class Talkative(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            for number in range(20):
                await self.channel_layer.send(self.channel_name, {"type": "tick", "n": number})

        async def tick(self, event: Any) -> None:
            await self.send("x" * 50)

    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    limited(settings, messages_per_second=1, burst_seconds=1, message_bytes=10)
    async with Client(Talkative.as_asgi(), CONNECT, frame("go")) as client:
        await client.answers(21)
        client.says(leave())


# Where they come from.


async def test_a_consumer_has_limits_of_its_own(settings: Any) -> None:
    class Small(Echo):
        connection_limits = {"message_bytes": 3}

    limited(settings, message_bytes=100, messages_per_second=1, rate_action="close")
    for application, text, passes in [
        (Echo.as_asgi(), "x" * 100, True),
        (Small.as_asgi(), "xxx", True),
        (Small.as_asgi(), "xxxx", False),
        (Small.as_asgi(connection_limits={"message_bytes": 9}), "x" * 9, True),
        (Small.as_asgi(connection_limits={"message_bytes": None}), "x" * 101, True),
        (Small.as_asgi(connection_limits={"burst_seconds": 1}), "xxxx", False),
    ]:
        async with Client(application, CONNECT, frame(text), leave()) as client:
            await client.ended()
        assert client.texts == ([text] if passes else [])


def test_what_is_no_limit() -> None:
    with pytest.raises(ValueError, match=r"Echo.as_asgi\(connection_limits=…\) has no key 'size'"):
        Echo.as_asgi(connection_limits={"size": 3})
    with pytest.raises(ValueError, match=r"\['message_bytes'\] is '3'; it must be a number of by"):
        Echo.as_asgi(connection_limits={"message_bytes": "3"})


async def test_a_class_with_what_is_no_limit(settings: Any) -> None:
    class Wrong(Echo):
        connection_limits = {"rate_action": "explode"}

    async with Client(Wrong.as_asgi(), CONNECT) as client:
        with pytest.raises(ValueError, match=r"Wrong.connection_limits\['rate_action'\] is 'expl"):
            await client.ended()
    settings.CHANNELS = {"LIMITS": {"message_bytes": 0}}
    async with Client(Echo.as_asgi(), CONNECT) as client:
        with pytest.raises(ImproperlyConfigured, match=r"CHANNELS\['LIMITS'\]\['message_bytes'\]"):
            await client.ended()


def test_limits_are_no_initkwargs() -> None:
    application = Echo.as_asgi(connection_limits={"message_bytes": 3}, other=1)
    assert application.consumer_initkwargs == {"other": 1}


# Who may come in.


async def test_connections_of_a_user(
    echo: Any, settings: Any, rejections: Rejections, caplog: pytest.LogCaptureFixture
) -> None:
    limited(settings, connections_per_user=2)
    application = echo.as_asgi()

    def connects(key: object) -> Client:
        return Client(application, CONNECT, scope=websocket(user=user(key), **DENIES))

    async with connects(7) as one, connects("7") as two, connects(8) as other:
        for client in (one, two, other):
            await client.answers(1)
        async with connects(7) as third:
            await third.ended()
        assert third.types == ["websocket.http.response.start", "websocket.http.response.body"]
        assert third.sent[0]["status"] == 429
        assert third.sent[1]["body"] == b"Too many connections"
        one.says(leave())
        await one.ended()
        async with connects(7) as fourth:
            await fourth.answers(1)
            assert fourth.types == ["websocket.accept"]
            for client in (two, other, fourth):
                client.says(leave())
    assert echo.codes == [1001] * 4, "who was turned away neither connected nor disconnected"
    assert rejections.counts == {"connections_per_user": 1}
    assert lines(caplog) == [
        (
            "Limit connections_per_user=2, the connection was refused (path '/', address None, "
            "user '7'). 1 such since the last line."
        )
    ]


async def test_where_the_server_cannot_deny(settings: Any) -> None:
    limited(settings, connections_per_user=1)
    scope = websocket(user=user(1))
    async with Client(Echo.as_asgi(), CONNECT, scope=scope) as one:
        await one.answers(1)
        async with Client(Echo.as_asgi(), CONNECT, scope=scope) as two:
            await two.ended()
        assert two.sent == [{"type": "websocket.close"}]
        one.says(leave())


@pytest.mark.parametrize(
    "make",
    [
        lambda: None,
        lambda: SimpleNamespace(pk=None, is_authenticated=False),
        lambda: SimpleNamespace(pk=None),
        lambda: SimpleLazyObject(lambda: pytest.fail("this would be a query")),
    ],
)
async def test_nobody_is_not_limited(settings: Any, make: Any) -> None:
    limited(settings, connections_per_user=1)
    nobody = make()
    clients = [Client(Echo.as_asgi(), CONNECT, scope=websocket(user=nobody)) for _ in range(3)]
    for client in clients:
        await client.__aenter__()
        await client.answers(1)
    for client in clients:
        client.says(leave())
        await client.ended()
    assert {tuple(client.types) for client in clients} == {("websocket.accept",)}


async def types_of(count: int, *, application: Any = None, **scope: Any) -> list[list[str]]:
    """What clients are told that connect one after the other and stay."""
    clients = []
    for _ in range(count):
        client = Client(application or Echo.as_asgi(), CONNECT, scope=websocket(**scope))
        await client.__aenter__()
        await client.answers(1)
        clients.append(client)
    for client in clients:
        client.says(leave())
        await client.ended()
    return [client.types for client in clients]


OPEN, SHUT = ["websocket.accept"], ["websocket.close"]


async def test_connections_of_an_address(settings: Any) -> None:
    limited(settings, connections_per_address=2)
    assert await types_of(3, client=(PUBLIC, 1)) == [OPEN, OPEN, SHUT]
    assert await types_of(3, client=("127.0.0.1", 1)) == [OPEN, OPEN, SHUT]
    assert await types_of(3) == [OPEN] * 3, "no address, no limit"


async def test_a_private_address_may_be_a_proxy(settings: Any) -> None:
    """Nobody said so: all clients of the site may come from there."""
    settings.CHANNELS = {"LIMITS": {"connections_per_address": 1}}
    for peer in ("127.0.0.1", "10.0.0.1", "fd00::1", "169.254.1.1", "::1"):
        assert await types_of(2, client=(peer, 1)) == [OPEN, OPEN]
    assert await types_of(2, client=(PUBLIC, 1)) == [OPEN, SHUT]


async def test_behind_a_proxy_a_client_cannot_choose_its_address(settings: Any) -> None:
    settings.CHANNELS = {
        "LIMITS": {"connections_per_address": 1},
        "TRUSTED_PROXIES": ["127.0.0.1"],
    }

    def forwarded(value: str) -> dict[str, Any]:
        return {"client": ("127.0.0.1", 1), "headers": [(b"x-forwarded-for", value.encode())]}

    results = []
    clients = []
    for value in (f"1.1.1.1, {PUBLIC}", f"2.2.2.2, {PUBLIC}", PUBLIC, "9.9.9.9", "192.168.1.5"):
        scope = {"type": "websocket", "path": "/", **forwarded(value)}
        client = Client(Echo.as_asgi(), CONNECT, scope=scope)
        await client.__aenter__()
        await client.answers(1)
        clients.append(client)
        results.append(client.types)
    for client in clients:
        client.says(leave())
        await client.ended()
    assert results == [OPEN, SHUT, SHUT, OPEN, OPEN]


async def test_an_address_that_was_refused_for_its_user_is_not_counted(settings: Any) -> None:
    limited(settings, connections_per_user=1, connections_per_address=2)
    assert await types_of(3, client=(PUBLIC, 1), user=user(1)) == [OPEN, SHUT, SHUT]
    assert await types_of(2, client=(PUBLIC, 1)) == [OPEN, OPEN]


async def test_requests_count_too(settings: Any) -> None:
    class Stream(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_headers(status=200)
            await self.send_body(b"", more_body=True)
            await asyncio.Event().wait()

    limited(settings, connections_per_address=1)
    scope = http(client=(PUBLIC, 1))
    async with Client(Stream.as_asgi(), request(), scope=scope) as one:
        await one.answers(2)
        async with Client(Stream.as_asgi(), request(), scope=scope) as two:
            await two.ended()
        assert two.sent[0]["status"] == 429
        one.says(HTTP_LEAVE)


async def test_a_consumer_inside_another_is_the_same_connection(settings: Any) -> None:
    class Outer(AsyncWebsocketConsumer):
        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            events: asyncio.Queue[Any] = asyncio.Queue()
            for event in (CONNECT, frame("hello"), frame("there"), leave()):
                events.put_nowait(event)
            await Echo.as_asgi()(self.scope, events.get, self.base_send)

    limited(settings, connections_per_address=1, messages_per_second=1, burst_seconds=1)
    scope = websocket(client=(PUBLIC, 1))
    async with Client(Outer.as_asgi(), CONNECT, frame("go"), leave(), scope=scope) as client:
        await client.ended()
    assert client.texts == ["hello", "there"]
    assert await types_of(2, client=(PUBLIC, 1)) == [OPEN, SHUT], "the outer one still counted"


# Time to accept.


@pytest.mark.parametrize("extension", [{}, DENIES])
async def test_time_to_accept(
    settings: Any, extension: Any, rejections: Rejections, caplog: pytest.LogCaptureFixture
) -> None:
    ended = []

    class Slow(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await asyncio.Event().wait()

        async def disconnect(self, code: int) -> None:
            ended.append(code)

    limited(settings, accept_seconds=0.02)
    async with Client(Slow.as_asgi(), CONNECT, scope=websocket(**extension)) as client:
        await client.ended()
    if extension:
        assert client.sent[0]["status"] == 503
        assert client.sent[1]["body"] == b"Not accepted in time"
    else:
        assert client.sent == [{"type": "websocket.close"}]
    assert ended == [1013]
    assert rejections.counts == {"accept_seconds": 1}
    assert "Limit accept_seconds=0.02, the connection was denied (path '/'" in lines(caplog)[0]


async def test_a_sync_connect_that_hangs_keeps_no_client_waiting(settings: Any) -> None:
    released = threading.Event()
    codes = []

    class Slow(WebsocketConsumer):
        def connect(self) -> None:
            assert released.wait(PATIENCE)
            self.accept()

        def disconnect(self, code: int) -> None:
            codes.append(code)

    limited(settings, accept_seconds=0.02)
    async with Client(Slow.as_asgi(), CONNECT) as client:
        try:
            await client.ended()
        finally:
            released.set()
    assert client.sent == [{"type": "websocket.close"}]
    assert codes == [1013]


async def test_whoever_was_answered_may_stay(settings: Any, rejections: Rejections) -> None:
    limited(settings, accept_seconds=0.01)
    async with Client(Echo.as_asgi(), CONNECT) as client:
        await client.answers(1)
        await asyncio.sleep(0.05)  # not to synchronise: this is the time that must not count
        client.says(frame("still here"), leave())
        await client.ended()
    assert client.texts == ["still here"]
    assert rejections.counts == {}


# Who reads too slowly.


class Slow(AsyncWebsocketConsumer):
    """A member whose client takes nothing."""

    groups = ["room"]


class Stalled(Client):
    """Takes nothing but the answer to its connect, until it is let."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reads = asyncio.Event()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            await self.reads.wait()
        await super().send(message)


@pytest.fixture
def layer(settings: Any) -> Any:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels.layers.InMemoryChannelLayer",
            "CONFIG": {"capacity": 5},
        }
    }
    return get_channel_layer()


def line(number: int) -> dict[str, str]:
    return {"type": "websocket.send", "text": str(number)}


@pytest.mark.parametrize(
    ("on_full", "expected"),
    [
        # One is in the server's hands.
        ("drop_newest", ["0", "1", "2", "3", "4", "5"]),
        ("drop_oldest", ["0", "15", "16", "17", "18", "19"]),
    ],
)
async def test_a_slow_member_delays_nobody(layer: Any, on_full: str, expected: list[str]) -> None:
    slow = Stalled(Slow.as_asgi(connection_limits={"on_full": on_full}), CONNECT)
    async with slow, Client(Slow.as_asgi(), CONNECT) as quick:
        await slow.answers(1)
        await quick.answers(1)
        for number in range(20):
            await layer.group_send("room", line(number))
            await settle()
        assert quick.texts == [str(number) for number in range(20)]
        assert slow.texts == []
        slow.reads.set()
        await slow.answers(7)
        assert slow.texts == expected
        assert layer.drops.counts["full"] == 14
        for client in (slow, quick):
            client.says(leave())


async def test_a_slow_member_is_closed(
    layer: Any, settings: Any, rejections: Rejections, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNELS = {"GRACE_SECONDS": 0.01}
    codes = []

    class Closed(Slow):
        connection_limits = {"on_full": "close"}

        async def disconnect(self, code: int) -> None:
            codes.append(code)

    async with Stalled(Closed.as_asgi(), CONNECT) as slow, Client(Slow.as_asgi(), CONNECT) as quick:
        await slow.answers(1)
        await quick.answers(1)
        for number in range(20):
            await layer.group_send("room", line(number))
            await settle()
        await slow.ended()
        assert quick.texts == [str(number) for number in range(20)]
        quick.says(leave())
    assert slow.sent[-1] == {"type": "websocket.close", "code": 1013, "reason": "Too slow"}
    assert codes == [1013]
    assert rejections.counts == {"on_full": 1}
    assert "Limit on_full=close, the connection was closed (path '/'" in lines(caplog)[0]


async def test_the_policy_of_the_layer(settings: Any) -> None:
    settings.CHANNELS = {"GRACE_SECONDS": 0.01}
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels.layers.InMemoryChannelLayer",
            "CONFIG": {"capacity": 2, "on_full": "close"},
        }
    }
    layer = get_channel_layer()
    async with Stalled(Slow.as_asgi(), CONNECT) as slow:
        await slow.answers(1)
        for number in range(5):
            await layer.group_send("room", line(number))
            await settle()
        await slow.ended()
    assert slow.sent[-1]["code"] == 1013


@pytest.mark.parametrize(
    ("on_full", "expected"),
    [
        ("drop_newest", ["0", "1", "2", "3"]),
        ("drop_oldest", ["16", "17", "18", "19"]),
        ("close", None),
    ],
)
async def test_frames_before_accept_are_counted(
    layer: Any, on_full: str, expected: list[str] | None
) -> None:
    """They are taken out of the mailbox, because a message behind them may be what accepts."""

    class Late(AsyncWebsocketConsumer):
        groups = ["room"]
        connection_limits = {"on_full": on_full, "waiting_bytes": 2500}

        async def connect(self) -> None:
            pass

        async def let_in(self, event: Any) -> None:
            await self.accept()

    async with Client(Late.as_asgi(), CONNECT) as client:
        await settle()
        for number in range(20):
            await layer.group_send("room", line(number))
            await settle()
        if expected is None:
            await client.ended()
            assert client.sent == [{"type": "websocket.close"}]
            return
        await layer.group_send("room", {"type": "let.in"})
        await client.answers(1 + len(expected))
        await settle()
        assert client.texts == expected
        client.says(leave())
    assert layer.drops.counts["full"] == 16


async def test_groups_of_a_connection(layer: Any, rejections: Rejections) -> None:
    refused = []

    class Joiner(AsyncWebsocketConsumer):
        connection_limits = {"groups_per_connection": 3}

        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            try:
                await self.channel_layer.group_add(text_data, self.channel_name)
            except TooManyGroupsError as error:
                refused.append(error.group)
            await self.send("ok")

    events = [frame(f"group{number}") for number in range(5)]
    async with Client(Joiner.as_asgi(), CONNECT, *events, leave()) as client:
        await client.ended()
    assert refused == ["group3", "group4"]
    assert rejections.counts == {"groups_per_connection": 2}
    assert layer.groups == {}


# Cost and leftovers.


async def test_nothing_is_kept_of_what_has_ended(settings: Any) -> None:
    limited(settings, accept_seconds=3600)
    seen = []

    class Noted(Echo):
        async def connect(self) -> None:
            seen.append(self)
            await self.accept()

    async with Client(Noted.as_asgi(), CONNECT, frame("x"), leave()) as client:
        await client.ended()
    seen.clear()
    del client
    gc.collect()
    assert not [thing for thing in gc.get_objects() if isinstance(thing, Noted)]


async def test_the_log_hears_once_a_minute(
    settings: Any, rejections: Rejections, caplog: pytest.LogCaptureFixture
) -> None:
    limited(settings, connections_per_address=1)
    caplog.set_level(logging.WARNING)
    assert (await types_of(40, client=(PUBLIC, 1))).count(SHUT) == 39
    assert rejections.counts == {"connections_per_address": 39}
    assert len(lines(caplog)) == 1


@pytest.mark.parametrize("size", [10, 11, 1000])
async def test_the_body_of_a_request(settings: Any, size: int, rejections: Rejections) -> None:
    class Upload(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, str(len(body)).encode())

    limited(settings, body_bytes=10)
    parts = [request(b"x", more_body=True) for _ in range(size - 1)] + [request(b"x")]
    async with Client(Upload.as_asgi(), *parts) as client:
        await client.ended()
    if size > 10:
        assert client.sent[0]["status"] == 413
        assert client.sent[1]["body"] == b"Request body too large\n"
        assert rejections.counts == {"body_bytes": 1}
    else:
        assert client.sent[1]["body"] == b"10"
