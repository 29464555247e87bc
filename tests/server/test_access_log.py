"""The access log, with applications and servers of a few lines."""

import logging

import pytest
from django.core.management.color import make_style

from channels.server.access_log import AccessLog, printable

LOGGER = "django.channels.server"


def http_scope(**changes):
    return {
        "type": "http",
        "method": "GET",
        "path": "/polls/",
        "raw_path": b"/polls/",
        "query_string": b"",
        "client": ("127.0.0.1", 5555),
        **changes,
    }


def websocket_scope(**changes):
    return {
        "type": "websocket",
        "path": "/ws/",
        "raw_path": b"/ws/",
        "query_string": b"token=secret",
        "client": ("127.0.0.1", 5555),
        **changes,
    }


def answering(status, *parts):
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    return application


def speaking(*messages):
    async def application(scope, receive, send):
        for message in messages:
            await send(message)

    return application


class Times:
    """A clock that shows the given times in turn."""

    def __init__(self, *times):
        self.times = list(times)

    def __call__(self):
        return self.times.pop(0)


async def run(application, scope, *received, clock=None, style=None):
    """Drive a wrapped application; the messages that reach the server."""
    sent = []
    events = list(received)

    async def receive():
        return events.pop(0)

    async def send(message):
        sent.append(message)

    log = AccessLog(application, clock=clock or Times(0.0, 0.0), style=style)
    await log(scope, receive, send)
    return sent


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, logger=LOGGER)
    return caplog


async def test_a_request_is_one_line_with_the_wording_people_know(log):
    sent = await run(answering(200, b"abc", b"de"), http_scope(), clock=Times(10.0, 10.054))
    assert [record.getMessage() for record in log.records] == [
        "HTTP GET /polls/ 200 [0.05, 127.0.0.1:5555]"
    ]
    record = log.records[0]
    assert record.name == LOGGER
    assert record.status_code == 200
    assert record.args == {
        "method": "GET",
        "path": "/polls/",
        "status": 200,
        "client": "127.0.0.1:5555",
        "time_taken": pytest.approx(0.054),
        "size": 5,
    }
    assert len(sent) == 4


async def test_it_is_logged_when_its_last_byte_was_handed_over_not_later(log):
    async def application(scope, receive, send):
        await answering(200)(scope, receive, send)
        assert len(log.records) == 1
        await receive()

    await run(application, http_scope(), {"type": "http.disconnect"})
    assert len(log.records) == 1


@pytest.mark.parametrize(
    ("status", "level", "colour"),
    [
        (101, "INFO", "HTTP_INFO"),
        (204, "INFO", "HTTP_SUCCESS"),
        (302, "INFO", "HTTP_REDIRECT"),
        (304, "INFO", "HTTP_NOT_MODIFIED"),
        (400, "WARNING", "HTTP_BAD_REQUEST"),
        (404, "WARNING", "HTTP_NOT_FOUND"),
        (500, "ERROR", "HTTP_SERVER_ERROR"),
    ],
)
async def test_level_and_colour_follow_the_status_as_in_djangos_runserver(
    log, status, level, colour
):
    style = make_style("")
    for name in vars(style):
        setattr(style, name, f"<{name}>{{}}".format)
    await run(answering(status), http_scope(), style=style)
    assert log.records[0].levelname == level
    assert log.records[0].getMessage().startswith(f"<{colour}>HTTP GET /polls/ {status} [")


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"query_string": b"a=1&b=%0A"}, "/polls/?a=1&b=%0A"),
        ({"path": "/ü\n/", "raw_path": b"/%C3%BC%0A/"}, "/%C3%BC%0A/"),
        ({"path": "/ü\nHTTP GET /x 200", "raw_path": None}, "/%C3%BC%0AHTTP%20GET%20/x%20200"),
        ({"raw_path": b"/\n\x1b[31m\x7f\x9b"}, r"/\n\x1b[31m\x7f\x9b"),
        ({"query_string": b"\r\nHTTP GET"}, r"/polls/?\r\nHTTP GET"),
        ({"raw_path": b"/%(status)s %s/"}, "/%(status)s %s/"),
    ],
)
async def test_what_a_client_sends_cannot_leave_its_place(log, changes, shown):
    await run(answering(200), http_scope(**changes))
    assert log.records[0].getMessage() == f"HTTP GET {shown} 200 [0.00, 127.0.0.1:5555]"


async def test_method_and_client_are_shown_escaped_too(log):
    scope = http_scope(method="G\x1b[0mT", client=("fe80::1\n", 1))
    await run(answering(200), scope)
    assert log.records[0].getMessage() == r"HTTP G\x1b[0mT /polls/ 200 [0.00, [fe80::1\n]:1]"


def test_printable_leaves_text_alone_and_escapes_what_moves_the_cursor():
    assert printable("/café/日本 C:\\x") == "/café/日本 C:\\x"
    assert printable("a\u202eb\u2028c\ud800") == r"a\u202eb\u2028c\ud800"


@pytest.mark.parametrize("client", [None, []])
async def test_a_client_without_an_address(log, client):
    await run(answering(200), http_scope(client=client))
    assert log.records[0].getMessage() == "HTTP GET /polls/ 200 [0.00, -]"


async def test_a_failure_is_a_500_and_leaves_the_application(log):
    async def application(scope, receive, send):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await run(application, http_scope())
    assert [r.getMessage() for r in log.records] == ["HTTP GET /polls/ 500 [0.00, 127.0.0.1:5555]"]


async def test_a_response_that_breaks_off_keeps_the_status_that_the_client_saw(log):
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await run(application, http_scope())
    assert [r.args["status"] for r in log.records] == [200]


async def test_a_client_that_left_before_the_answer_is_not_logged(log):
    async def application(scope, receive, send):
        await receive()

    await run(application, http_scope(), {"type": "http.disconnect"})
    assert log.records == []


async def test_an_application_without_a_word_is_a_500(log):
    await run(speaking(), http_scope())
    assert [r.args["status"] for r in log.records] == [500]


async def test_a_websockets_life(log):
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "x"})
        await receive()
        assert log.records[-1].getMessage() == "WebSocket DISCONNECT /ws/ [127.0.0.1:5555]"

    sent = await run(
        application,
        websocket_scope(),
        {"type": "websocket.connect"},
        {"type": "websocket.disconnect", "code": 1000},
    )
    assert [(r.levelname, r.getMessage()) for r in log.records] == [
        ("INFO", "WebSocket HANDSHAKING /ws/ [127.0.0.1:5555]"),
        ("INFO", "WebSocket CONNECT /ws/ [127.0.0.1:5555]"),
        ("INFO", "WebSocket DISCONNECT /ws/ [127.0.0.1:5555]"),
    ]
    assert [m["type"] for m in sent] == ["websocket.accept", "websocket.send"]


@pytest.mark.parametrize(
    "denial",
    [
        [{"type": "websocket.close"}],
        [
            {"type": "websocket.http.response.start", "status": 404},
            {"type": "websocket.http.response.body", "body": b""},
        ],
    ],
)
async def test_a_denied_websocket(log, denial):
    await run(speaking(*denial), websocket_scope())
    assert [r.getMessage().split()[1] for r in log.records] == [
        "HANDSHAKING",
        "REJECT",
        "DISCONNECT",
    ]


async def test_a_websocket_whose_application_fails_is_disconnected_in_the_log(log):
    async def application(scope, receive, send):
        await send({"type": "websocket.accept"})
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        await run(application, websocket_scope())
    assert [r.getMessage().split()[1] for r in log.records] == [
        "HANDSHAKING",
        "CONNECT",
        "DISCONNECT",
    ]


async def test_other_scopes_pass_without_a_line(log):
    seen = []

    async def application(scope, receive, send):
        seen.append(scope["type"])

    await run(application, {"type": "lifespan"})
    assert seen == ["lifespan"]
    assert log.records == []
