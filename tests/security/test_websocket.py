import logging
from typing import Any
from urllib.parse import ParseResult, urlparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.security.denials import DenialLog
from channels.security.websocket import (
    AllowedHostsOriginValidator,
    OriginValidator,
    WebsocketDenier,
)
from channels.typing import ASGIApplication, Receive, Scope, Send
from tests.wire import Wire, http, websocket

CONNECT = {"type": "websocket.connect"}
DISCONNECT = {"type": "websocket.disconnect", "code": 1006}


async def admitted(scope: Scope, receive: Receive, send: Send) -> str:
    return "admitted"


async def outcome(validator: ASGIApplication, *origins: bytes) -> str:
    """``admitted`` or ``denied``."""
    wire = Wire(CONNECT, DISCONNECT)
    headers = [(b"host", b"x"), *((b"origin", origin) for origin in origins)]
    answer = await wire.serve(validator, websocket("/", *headers))
    if answer == "admitted":
        assert len(wire.events) == 2
        assert wire.sent == []
        return "admitted"
    assert wire.sent == [{"type": "websocket.close"}]
    return "denied"


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        # scheme, host and port, with the scheme's own port where none is given
        ("http://example.com", "http://example.com", "admitted"),
        ("http://example.com", "http://example.com:80", "admitted"),
        ("http://example.com:80", "http://example.com", "admitted"),
        ("https://example.com", "https://example.com:443", "admitted"),
        ("wss://example.com:443", "wss://example.com", "admitted"),
        ("http://example.com:8000", "http://example.com:8000", "admitted"),
        ("http://example.com:8000", "http://example.com", "denied"),
        ("http://example.com", "http://example.com:8000", "denied"),
        ("http://example.com", "https://example.com", "denied"),
        ("http://example.com:443", "https://example.com", "denied"),
        ("http://example.com", "http://evil.com", "denied"),
        ("http://example.com", "http://example.com.evil.com", "denied"),
        ("http://example.com", "http://evil.com/http://example.com", "denied"),
        ("http://example.com", "http://example.com@evil.com", "denied"),
        ("HTTP://Example.COM", "http://EXAMPLE.com", "admitted"),
        ("chrome-extension://abc", "chrome-extension://abc", "admitted"),
        ("chrome-extension://abc", "chrome-extension://abd", "denied"),
        # a leading dot stands for all subdomains
        ("http://.example.com", "http://a.b.example.com", "admitted"),
        ("http://.example.com", "http://example.com", "admitted"),
        ("http://.example.com", "http://notexample.com", "denied"),
        ("http://.example.com:81", "http://a.example.com:81", "admitted"),
        ("http://.example.com:81", "http://a.example.com", "denied"),
        (".example.com", "https://a.example.com:8443", "admitted"),
        # without a scheme
        ("example.com", "http://example.com", "admitted"),
        ("example.com", "https://example.com:8443", "admitted"),
        ("Example.com", "http://example.com", "admitted"),
        ("example.com", "http://a.example.com", "denied"),
        ("localhost:8000", "http://localhost:8000", "admitted"),
        ("localhost:8000", "http://localhost:8001", "denied"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", "admitted"),
        ("127.0.0.1:8000", "http://127.0.0.1:8001", "denied"),
        ("example.com:443", "https://example.com", "admitted"),
        ("[::1]", "http://[::1]:8000", "admitted"),
        ("::1", "http://[::1]", "admitted"),
        # everything
        ("*", "http://example.com", "admitted"),
        ("*", "null", "admitted"),
        ("*", "http://[::1", "admitted"),
        # patterns that mean nothing
        ("", "http://example.com", "denied"),
        ("http://", "http://example.com", "denied"),
        ("http://example.com:http", "http://example.com", "denied"),
        ("http://[::1", "http://[::1]", "denied"),
        ("localhost:*", "http://localhost:8000", "denied"),
    ],
)
async def test_what_fits(allowed: str, origin: str, expected: str) -> None:
    validator = OriginValidator(admitted, ["http://unrelated.example", allowed])
    assert await outcome(validator, origin.encode()) == expected


GARBAGE = [
    b"",
    b" ",
    b"null",
    b"example.com",
    b"http://",
    b"http://[::1",
    b"http://example.com:http",
    b"http://example.com:99999",
    b"http://exam\xffple.com",
    b"\x00\r\n\xff",
    b"http://example.com\nhttp://evil.com",
    b"//",
    b":",
    b"x" * 100_000,
]


@pytest.mark.parametrize("origin", GARBAGE, ids=lambda origin: repr(origin[:24]))
async def test_garbage_is_denied(origin: bytes) -> None:
    for allowed in (["http://example.com", "example.org"], []):
        assert await outcome(OriginValidator(admitted, allowed), origin) == "denied"
    missing_too = OriginValidator(admitted, ["http://example.com"], allow_missing_origin=True)
    assert await outcome(missing_too, origin) == "denied"


@given(origin=st.binary(max_size=40).map(lambda rest: b"http://" + rest) | st.binary(max_size=40))
def test_nothing_raises(origin: bytes) -> None:
    validator = OriginValidator(admitted, ["http://allowed.example", "http://.example.com:81", "h"])
    parsed: list[Any] = []

    class Spy(OriginValidator):
        def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
            parsed.append(validator.valid_origin(parsed_origin))
            return True

    wire = Wire()
    coroutine = wire.serve(Spy(admitted, []), websocket("/", (b"origin", origin)))
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert parsed in ([True], [False])


async def test_a_repeated_header_has_to_be_allowed_each_time() -> None:
    validator = OriginValidator(admitted, ["http://a.example", "http://b.example"])
    assert await outcome(validator, b"http://a.example", b"http://a.example") == "admitted"
    assert await outcome(validator, b"http://a.example", b"http://b.example") == "admitted"
    assert await outcome(validator, b"http://a.example", b"http://evil.example") == "denied"
    assert await outcome(validator, b"http://evil.example", b"http://a.example") == "denied"
    assert await outcome(validator, b"http://a.example", b"http://[") == "denied"


async def test_no_origin() -> None:
    assert await outcome(OriginValidator(admitted, ["example.com"])) == "denied"
    assert await outcome(OriginValidator(admitted, ["example.com", "*"])) == "admitted"
    validator = OriginValidator(admitted, ["example.com"], allow_missing_origin=True)
    assert await outcome(validator) == "admitted"
    assert await outcome(validator, b"http://evil.example") == "denied"
    assert await outcome(validator, b"http://example.com") == "admitted"


async def test_a_scope_without_headers_has_no_origin() -> None:
    wire = Wire(CONNECT, DISCONNECT)
    await wire.serve(OriginValidator(admitted, ["example.com"]), {"type": "websocket", "path": "/"})
    assert wire.sent == [{"type": "websocket.close"}]


async def test_only_websockets() -> None:
    with pytest.raises(ValueError) as caught:
        await Wire().serve(OriginValidator(admitted, ["*"]), http())
    assert str(caught.value) == "You cannot use OriginValidator on a non-WebSocket connection"
    assert "'http'" in caught.value.__notes__[0]


async def test_denials_are_logged_once_for_each_origin(caplog: pytest.LogCaptureFixture) -> None:
    validator = OriginValidator(admitted, ["http://example.com"])
    with caplog.at_level(logging.WARNING, "django.channels.security"):
        for _ in range(3):
            await outcome(validator, b"http://evil.example")
            await outcome(validator)
            await outcome(validator, b"http://example.com")
    assert [record.getMessage() for record in caplog.records] == [
        (
            "WebSocket denied: the Origin 'http://evil.example' is not allowed. "
            "Allowed: 'http://example.com'."
        ),
        (
            "WebSocket denied: no Origin header came "
            "(allow_missing_origin=True admits such clients). Allowed: 'http://example.com'."
        ),
    ]


async def test_each_validator_logs_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "django.channels.security"):
        for _ in range(2):
            await outcome(OriginValidator(admitted, ["x"]), b"http://evil.example")
    assert len(caplog.records) == 2


async def test_a_minute_later_it_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    validator = OriginValidator(admitted, ["x"])
    validator._denial_log = DenialLog(clock=lambda: now[0])  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING, "django.channels.security"):
        for now[0] in (0.0, 59.0, 60.0, 61.0):
            await outcome(validator, b"http://evil.example")
    assert len(caplog.records) == 2


class TestSubclasses:
    async def test_decide_by_themselves(self) -> None:
        class Even(OriginValidator):
            def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
                return bool(
                    parsed_origin
                    and parsed_origin.hostname
                    and len(parsed_origin.hostname) % 2 == 0
                )

        validator = Even(admitted, [])
        assert await outcome(validator, b"http://even") == "admitted"
        assert await outcome(validator, b"http://odd") == "denied"
        assert await outcome(validator) == "denied"

    async def test_add_patterns_of_their_own(self) -> None:
        class Endings(OriginValidator):
            def match_allowed_origin(self, parsed_origin: ParseResult | None, pattern: str) -> bool:
                host = parsed_origin.hostname if parsed_origin else None
                return bool(host and host.endswith(pattern))

        assert await outcome(Endings(admitted, ["ple"]), b"http://example") == "admitted"
        assert await outcome(Endings(admitted, ["ple"]), b"http://evil") == "denied"

    async def test_need_not_call_super_in_init(self) -> None:
        class Own(OriginValidator):
            def __init__(self, application: ASGIApplication) -> None:
                self.application = application

            @property
            def allowed_origins(self) -> list[str]:  # type: ignore[override]
                return ["http://example.com"]

        assert await outcome(Own(admitted), b"http://example.com") == "admitted"
        assert await outcome(Own(admitted), b"http://evil.example") == "denied"
        assert await outcome(Own(admitted)) == "denied"

    def test_methods_can_be_asked_directly(self) -> None:
        validator = OriginValidator(admitted, ["http://example.com"])
        assert validator.application is admitted
        assert validator.allowed_origins == ["http://example.com"]
        assert validator.valid_origin(None) is False
        assert validator.valid_origin(urlparse("http://example.com")) is True
        assert validator.validate_origin(urlparse("http://evil.com")) is False
        assert validator.match_allowed_origin(None, "example.com") is False
        assert validator.get_origin_port(urlparse("wss://x")) == 443
        assert validator.get_origin_port(urlparse("ws://x:81")) == 81
        assert validator.get_origin_port(urlparse("gopher://x")) is None


class TestAllowedHosts:
    async def test_are_what_fits(self, settings: Any) -> None:
        settings.ALLOWED_HOSTS = [".example.com"]
        validator = AllowedHostsOriginValidator(admitted)
        assert isinstance(validator, OriginValidator)
        assert validator.allowed_origins == [".example.com"]
        assert await outcome(validator, b"https://www.example.com") == "admitted"
        assert await outcome(validator, b"https://www.example.org") == "denied"
        assert await outcome(validator) == "denied"

    async def test_are_read_once(self, settings: Any) -> None:
        settings.ALLOWED_HOSTS = ["example.com"]
        validator = AllowedHostsOriginValidator(admitted)
        settings.ALLOWED_HOSTS = ["other.com"]
        assert await outcome(validator, b"http://example.com") == "admitted"

    async def test_this_machine_in_debug(self, settings: Any) -> None:
        settings.ALLOWED_HOSTS = []
        settings.DEBUG = True
        validator = AllowedHostsOriginValidator(admitted)
        for host in (b"localhost", b"127.0.0.1", b"[::1]"):
            assert await outcome(validator, b"http://" + host + b":8000") == "admitted"
        assert await outcome(validator, b"http://example.com") == "denied"
        settings.DEBUG = False
        assert await outcome(AllowedHostsOriginValidator(admitted), b"http://localhost") == "denied"

    async def test_clients_without_an_origin(self, settings: Any) -> None:
        settings.ALLOWED_HOSTS = ["example.com"]
        validator = AllowedHostsOriginValidator(admitted, allow_missing_origin=True)
        assert await outcome(validator) == "admitted"
        assert await outcome(validator, b"http://evil.com") == "denied"


class TestWebsocketDenier:
    async def test_denies_as_an_application(self) -> None:
        assert issubclass(WebsocketDenier, AsyncWebsocketConsumer)
        for application in (WebsocketDenier(), WebsocketDenier.as_asgi()):
            wire = Wire(CONNECT, DISCONNECT)
            await wire.serve(application, websocket())
            assert wire.sent == [{"type": "websocket.close"}]
            assert wire.events == []

    async def test_serves_one_connection_after_the_other(self) -> None:
        denier = WebsocketDenier()
        for _ in range(2):
            wire = Wire(CONNECT, DISCONNECT)
            await wire.serve(denier, websocket())
            assert wire.sent == [{"type": "websocket.close"}]
