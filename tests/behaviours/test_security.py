"""channels.security.websocket: who may open a WebSocket."""

from typing import Any
from urllib.parse import urlparse

import pytest
from django.test.utils import override_settings

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.security.websocket import (
    AllowedHostsOriginValidator,
    OriginValidator,
    WebsocketDenier,
)
from channels.testing import WebsocketCommunicator
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, run, seen_by, websocket_scope


async def admitted(validator: Any, *origins: bytes) -> bool:
    headers = [(b"origin", origin) for origin in origins]
    client = WebsocketCommunicator(validator, "/", headers=headers)
    connected, _ = await client.connect()
    await client.disconnect()
    return connected


def validator(*allowed: str) -> OriginValidator:
    return OriginValidator(AsyncWebsocketConsumer.as_asgi(), list(allowed))


@pytest.mark.parametrize(
    ("allowed", "origin", "answer"),
    [
        ("allowed.com", b"http://allowed.com", True),
        ("allowed.com", b"https://allowed.com", True),
        ("allowed.com", b"http://allowed.com:8000", True),
        ("allowed.com", b"http://bad.com", False),
        ("allowed.com", b"http://sub.allowed.com", False),
        (".allowed.com", b"http://sub.allowed.com", True),
        (".allowed.com", b"http://allowed.com", True),
        ("http://allowed.com", b"http://allowed.com", True),
        ("http://allowed.com", b"http://allowed.com:80", True),
        ("http://allowed.com:80", b"http://allowed.com", True),
        ("http://allowed.com", b"http://allowed.com:8080", False),
        ("http://allowed.com", b"https://allowed.com", False),
        ("https://allowed.com", b"https://allowed.com:443", True),
        ("https://.allowed.com", b"https://sub.allowed.com", True),
        ("http://allowed.com:8443", b"http://allowed.com:8443", True),
        ("*", b"http://anything.example", True),
        ("ALLOWED.com", b"http://allowed.com", True),
        ("http://ALLOWED.com", b"http://allowed.com", True),
        ("[::1]", b"http://[::1]:8000", True),
        ("allowed.com", b"null", False),
        ("allowed.com", b"", False),
        ("allowed.com", b"file://", False),
    ],
)
@behaviour(
    "Security: an origin is compared by host, and by scheme and port where the pattern has them"
)
async def test_origins(allowed: str, origin: bytes, answer: bool) -> None:
    assert await admitted(validator(allowed), origin) is answer


@behaviour("Security: no Origin is denied, unless '*' is allowed")
async def test_missing_origin() -> None:
    assert await admitted(validator("allowed.com")) is False
    assert await admitted(validator("*")) is True


@behaviour("Security: a denied connection is closed before accept, without a code")
async def test_denial_message() -> None:
    client = await run(validator("allowed.com"), websocket_scope(), {"type": "websocket.connect"})
    assert await client.receive_output() == {"type": "websocket.close"}
    client.stop()
    await client.wait()


@behaviour("Security: OriginValidator on another protocol is ValueError")
async def test_not_a_websocket() -> None:
    with pytest.raises(ValueError) as caught:
        await seen_by(validator("*"), {"type": "http"})
    assert str(caught.value) == "You cannot use OriginValidator on a non-WebSocket connection"


@behaviour("Security: an Origin with a port that is not a number")
@differs(upstream="raises ValueError out of the application", ours="is denied")
async def test_garbage_origin() -> None:
    client = await run(
        validator("http://allowed.com"),
        websocket_scope(headers=[(b"origin", b"http://allowed.com:port")]),
        {"type": "websocket.connect"},
    )
    problem = None
    try:
        assert await client.receive_output() == {"type": "websocket.close"}
    except ValueError as error:
        problem = type(error)
    assert problem is expected(upstream=ValueError, ours=None)
    client.stop(exceptions=False)


@behaviour("Security: AllowedHostsOriginValidator reads ALLOWED_HOSTS when it is built")
async def test_allowed_hosts() -> None:
    app = AsyncWebsocketConsumer.as_asgi()
    with override_settings(ALLOWED_HOSTS=["allowed.com"]):
        built = AllowedHostsOriginValidator(app)
    assert isinstance(built, OriginValidator)
    with override_settings(ALLOWED_HOSTS=["other.com"]):
        assert await admitted(built, b"http://allowed.com") is True
        assert await admitted(built, b"http://other.com") is False


@behaviour("Security: ALLOWED_HOSTS = [] admits the local hosts, and those only, in DEBUG")
async def test_allowed_hosts_debug() -> None:
    app = AsyncWebsocketConsumer.as_asgi()
    with override_settings(ALLOWED_HOSTS=[], DEBUG=True):
        debugging = AllowedHostsOriginValidator(app)
    with override_settings(ALLOWED_HOSTS=[], DEBUG=False):
        strict = AllowedHostsOriginValidator(app)
    for host in (b"http://localhost:8000", b"http://127.0.0.1", b"http://[::1]"):
        assert await admitted(debugging, host) is True
        assert await admitted(strict, host) is False
    assert await admitted(debugging, b"http://example.com") is False


@behaviour("Security: .application and .allowed_origins are attributes")
def test_attributes() -> None:
    app = AsyncWebsocketConsumer.as_asgi()
    origins = ["a.com"]
    built = OriginValidator(app, origins)
    assert built.application is app
    assert list(built.allowed_origins) == origins


@behaviour(
    "Security: valid_origin, validate_origin, match_allowed_origin and get_origin_port exist"
)
def test_methods() -> None:
    built = validator("http://allowed.com")
    good, bad = urlparse("http://allowed.com"), urlparse("http://bad.com")
    assert built.valid_origin(good) is True
    assert built.valid_origin(bad) is False
    assert built.valid_origin(None) is False
    assert built.validate_origin(good) is True
    assert built.match_allowed_origin(good, "http://allowed.com") is True
    assert built.match_allowed_origin(None, "http://allowed.com") is False
    assert built.get_origin_port(urlparse("https://x")) == 443
    assert built.get_origin_port(urlparse("ws://x")) == 80
    assert built.get_origin_port(urlparse("http://x:99")) == 99
    assert built.get_origin_port(urlparse("odd://x")) is None


@behaviour("Security: a subclass may override valid_origin or validate_origin")
async def test_subclass() -> None:
    class Anyone(OriginValidator):
        def valid_origin(self, parsed_origin: Any) -> bool:
            return True

    class Odd(OriginValidator):
        def validate_origin(self, parsed_origin: Any) -> bool:
            return str(parsed_origin.hostname).startswith("odd")

    app = AsyncWebsocketConsumer.as_asgi()
    assert await admitted(Anyone(app, [])) is True
    assert await admitted(Odd(app, []), b"http://odd.com") is True
    assert await admitted(Odd(app, []), b"http://even.com") is False


@behaviour("Security: WebsocketDenier()(scope, receive, send) answers with a denial")
async def test_denier() -> None:
    async def app(scope: Message, receive: Any, send: Any) -> Any:
        return await WebsocketDenier()(scope, receive, send)

    client = WebsocketCommunicator(app, "/")
    assert await client.connect() == (False, 1000)
    await client.disconnect()


@behaviour("Security: WebsocketDenier.as_asgi() is an application too")
async def test_denier_as_asgi() -> None:
    assert issubclass(WebsocketDenier, AsyncWebsocketConsumer)
    client = WebsocketCommunicator(WebsocketDenier.as_asgi(), "/")
    assert await client.connect() == (False, 1000)
    await client.disconnect()
