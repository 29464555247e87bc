"""What must hold of each parser, whatever bytes it gets. One function for each.

A function returns for every input; where something does not hold it raises. Hypothesis calls them
in ``make test``, and a fuzzer that is guided by coverage in ``make test-all``
(:mod:`tests.fuzz.guided`).
"""

import asyncio
import io
import json
import logging
import math
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from channels import jsontext
from channels.auth import AuthMiddlewareStack
from channels.consumer import get_handler_name
from channels.exceptions import UnreadableMessageError
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import BaseChannelLayer, InMemoryChannelLayer
from channels.layers.serializers import make_serializer
from channels.limits.addresses import trusted
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from channels.server.access_log import AccessLog
from channels.typing import Message
from channels.wire import encodable, fitting_reason

SECRET = "pa55-w0rd"
"""Stands for what a client sends and no log may show."""

Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {}


def target(function: Target) -> Target:
    TARGETS[function.__name__] = function
    return function


# What everything that is logged or raised has to keep to.


@contextmanager
def logged() -> Iterator[list[str]]:
    """Everything that our loggers say meanwhile, formatted, one entry for each record."""
    entries: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            entries.append(self.format(record))

    handler = Keeping()
    logger = logging.getLogger("django.channels")
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield entries
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates
    for entry in entries:
        assert is_one_line(entry), f"a line of the log is split: {entry!r}"
        assert SECRET not in entry, f"the log shows a secret: {entry!r}"


def is_one_line(text: str) -> bool:
    return text.isprintable() or text == ""


def check_error(error: BaseException, *, shows_nothing: bool = False) -> None:
    """An error may be logged: what it says of the input is on one line, and no secret."""
    for line in (str(error), *getattr(error, "__notes__", ())):
        assert is_one_line(line), f"an error splits the log: {line!r}"
        assert len(line) < 2000, f"an error is {len(line)} characters long"
    rendered = io.StringIO()
    traceback.print_exception(error, file=rendered)
    assert not (shows_nothing and SECRET in rendered.getvalue()), rendered.getvalue()
    assert len(rendered.getvalue()) < 20_000, "a client's message makes a flood of the log"


def split(data: bytes, most: int) -> list[bytes]:
    """Up to ``most`` parts, cut where the data says: after bytes of 0."""
    return data.split(b"\0", most - 1)


async def _nothing(*_: Any) -> None:
    """An application, a receive or a send that does nothing."""


def run(application: Any, scope: Any, *events: Message) -> list[Message]:
    """What an application sends on a connection with these events."""
    sent: list[Message] = []
    waiting = list(events)

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(application(scope, receive, send))
    return sent


CONNECT: Message = {"type": "websocket.connect"}
LEAVE: Message = {"type": "websocket.disconnect", "code": 1005}


# Origins.

ALLOWED = [".example.com", "https://shop.example.org:8443", "127.0.0.1", "[::1]"]


@target
def origin(data: bytes) -> None:
    """An origin is let in or denied with a line in the log; only hosts that are listed get in."""
    values = split(data, 3)
    admitted: list[bool] = []

    async def inner(*_: Any) -> None:
        admitted.append(True)

    headers = [(b"origin", value) for value in values]
    scope = {"type": "websocket", "path": "/", "headers": headers}
    with logged() as lines:
        sent = run(OriginValidator(inner, ALLOWED), scope, CONNECT, LEAVE)
    if admitted:
        assert not lines
        for value in values:
            assert re.search(rb"example\.com|shop\.example\.org|127\.0\.0\.1|::1", value.lower()), (
                f"{value!r} got in"
            )
    else:
        assert [message["type"] for message in sent] == ["websocket.close"]
        assert any("WebSocket denied" in line for line in lines), "nobody learns why"


# Cookies, session keys, users.


@target
def cookies(data: bytes) -> None:
    """Whatever the cookies say, somebody without a session is nobody, and nothing raises."""
    seen: list[Any] = []

    async def inner(scope: Any, *_: Any) -> None:
        seen.append(scope)

    headers = [(b"cookie", part) for part in split(data, 3)]
    scope = {"type": "websocket", "path": "/", "headers": headers}
    with logged():
        run(AuthMiddlewareStack(inner), scope)
    assert not seen[0]["user"].is_authenticated
    assert all(isinstance(text, str) for item in seen[0]["cookies"].items() for text in item)


@target
def session_key(data: bytes) -> None:
    """The same for the session's own cookie, plain and quoted."""
    cookies(b"sessionid=" + data.replace(b";", b""))
    cookies(b'sessionid="' + data.replace(b";", b"").replace(b'"', b"") + b'"')


# Addresses.


@target
def forwarded(data: bytes) -> None:
    """What a client writes into the header of a trusted proxy does not change its address."""
    proxy, client = "10.0.0.1", "203.0.113.7"
    for header, appended in (
        ("X-Forwarded-For", f", {client}"),
        ("X-Real-IP", None),
        ("Forwarded", f", for={client}"),
        ("Forwarded", f', for="{client}:1234";proto=https'),
    ):
        name = header.lower().encode()
        value = data if appended is None else data + appended.encode()
        scope = {"client": (proxy, 1), "headers": [(name, value)]}
        found = trusted(["10.0.0.0/8"], header).client(scope)
        if appended is not None:
            assert str(found) in {proxy, client}, f"{header}: {found}"
        # Who is no proxy has no say.
        scope["client"] = (client, 1)
        assert str(trusted(["10.0.0.0/8"], header).client(scope)) == client
        assert str(trusted(None, header).client(scope)) == client


# Paths.


def _routes() -> list[Any]:
    from django.urls import path, re_path

    deeper = URLRouter([path("<int:number>/", _nothing), re_path(r"^(\w+)/x$", _nothing)])
    return [
        path("plain/", _nothing),
        path("text/<str:name>/", _nothing),
        path("number/<int:number>/", _nothing),
        path("slug/<slug:slug>/<uuid:uuid>/", _nothing),
        path("rest/<path:rest>", _nothing),
        re_path(r"^pattern/(?P<name>\w{1,50})/$", _nothing),
        path("deeper/<str:name>/", deeper),
    ]


@target
def route(data: bytes) -> None:
    """A path leads somewhere, or is denied with one line in the log."""
    path = data.decode("utf-8", "surrogateescape")
    router = URLRouter(_routes())
    for scope in (
        {"type": "websocket", "path": path, "headers": []},
        {"type": "websocket", "path": path, "headers": [], "root_path": path[:5]},
    ):
        found = True
        try:
            run(router, scope)
        except ValueError as error:
            found = False
            complaint = str(error)
        else:
            complaint = ""
        assert found or complaint.startswith("No route found for path")
        assert is_one_line(complaint)
        with logged() as lines:
            sent = run(ProtocolTypeRouter({"websocket": router}), scope, CONNECT)
        assert found or sent == [{"type": "websocket.close"}]
        assert len(lines) == (not found)


# What a client says.


@target
def json_text(data: bytes) -> None:
    """A text means what the standard library makes of it, or is refused as it refuses it."""
    text = data.decode("utf-8", "surrogateescape")
    expected: Any
    try:
        expected = json.loads(text)
    except (ValueError, RecursionError) as error:
        expected = error
    decoded: Any
    try:
        decoded = jsontext.FAST.decode(text)
    except (ValueError, RecursionError) as error:
        check_error(error, shows_nothing=True)
        decoded = error
    if isinstance(decoded, Exception):
        assert isinstance(expected, Exception), "refused, though it is JSON"
        return
    assert not isinstance(expected, Exception), f"taken, though it is not JSON: {text!r}"
    assert same(decoded, expected)
    try:
        encoded = jsontext.FAST.encode(decoded)
    except RecursionError:
        return  # as deep as can be read and no deeper
    assert same(json.loads(encodable(encoded)), expected, sent=True)


def same(one: Any, other: Any, *, sent: bool = False) -> bool:
    """Equal, and of the same types; NaN is NaN. ``sent``: what clients get for ``other``, where
    null stands for what JSON has no form for. However deep, so without recursion."""
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        if sent and isinstance(other, float) and not math.isfinite(other):
            other = None
        if type(one) is not type(other):
            return False
        if isinstance(one, dict):
            if list(one) != list(other):
                return False
            pairs += [(one[key], other[key]) for key in one]
        elif isinstance(one, list):
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
        elif isinstance(one, float) and math.isnan(one):
            if not math.isnan(other):
                return False
        elif one != other:
            return False
    return True


class Chat(AsyncJsonWebsocketConsumer):
    channel_layer_alias = None

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json(content)


@target
def json_frame(data: bytes) -> None:
    """A frame is answered, or ends this connection with an error that shows nothing of it."""
    frame: Message = {"type": "websocket.receive", "text": None, "bytes": None}
    text = data[1:].decode("utf-8", "replace")
    if data[:1] == b"\0":
        frame["bytes"] = data[1:] + SECRET.encode()
    else:
        frame["text"] = text if data[:1] == b"\1" else json.dumps(text)[:-1] + SECRET + '"'
    scope = {"type": "websocket", "path": "/", "headers": []}
    with logged():
        try:
            sent = run(Chat.as_asgi(), scope, CONNECT, frame, LEAVE)
        except (ValueError, RecursionError) as error:
            check_error(error, shows_nothing=True)
        else:
            for message in sent:
                message.get("text", "").encode()


@target
def wire_text(data: bytes) -> None:
    """Texts and reasons can be sent."""
    text = (
        data.decode("utf-16-le", "surrogatepass") if len(data) % 2 == 0 else data.decode("latin1")
    )
    assert len(encodable(text).encode()) >= len(text)
    assert len(fitting_reason(text).encode()) <= 123


# Names and types that are made of what users say.


@target
def names(data: bytes) -> None:
    """A name is valid, and then works, or it is refused with the fault on one line."""
    name = data.decode("utf-8", "surrogateescape")
    layer = InMemoryChannelLayer()
    for check, pattern in (
        (layer.require_valid_group_name, r"[a-zA-Z0-9\-_.]{1,99}"),
        (layer.require_valid_channel_name, r"(?=.{1,99}\Z)[a-zA-Z0-9\-_.]+(![a-zA-Z0-9\-_.]*)?"),
    ):
        try:
            check(name)
        except TypeError as error:
            assert not re.fullmatch(pattern, name)
            check_error(error)
        else:
            assert re.fullmatch(pattern, name)
    assert BaseChannelLayer().non_local_name(name) in name


@target
def types(data: bytes) -> None:
    """A message's type never leads to a private method."""
    kind = data.decode("utf-8", "surrogateescape")
    try:
        assert not get_handler_name({"type": kind}).startswith("_")
    except ValueError as error:
        assert kind.startswith(("_", "."))
        check_error(error)


# What other processes say, and what is logged.


@target
def serialized(data: bytes) -> None:
    """Bytes from a broker are a message that can be sent on, or refused with the one error."""
    serializer = make_serializer()
    try:
        message = serializer.loads(data)
    except UnreadableMessageError as error:
        check_error(error, shows_nothing=True)
        return
    assert type(message) is dict
    try:
        again = serializer.dumps(message)
    except TypeError as error:  # deeper than it may be sent
        check_error(error)
        return
    assert repr(serializer.loads(again)) == repr(message)


@target
def access_log(data: bytes) -> None:
    """A request is one line, whatever is in it."""
    method, path, query, host = (split(data, 4) + [b""] * 4)[:4]
    scope = {
        "method": method.decode("latin1"),
        "path": path.decode("utf-8", "surrogateescape"),
        "query_string": query,
        "client": (host.decode("latin1"), 1),
    }
    with logged() as lines:
        run(AccessLog(_nothing), {"type": "http", **scope})
        run(AccessLog(_nothing), {"type": "http", "raw_path": path, **scope})
        # Where browsers put tokens.
        run(AccessLog(_nothing), {"type": "websocket", **scope, "query_string": SECRET.encode()})
    assert len(lines) == 4
