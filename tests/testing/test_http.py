"""The HTTP communicator."""

from typing import Any

import pytest

from channels.testing import HttpCommunicator
from channels.typing import Message, Receive, Scope, Send


def answers(*messages: Message) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        app.scope, app.request = scope, await receive()  # type: ignore[attr-defined]
        for message in messages:
            await send(message)

    return app


async def test_a_request_and_its_response() -> None:
    app = answers(
        {"type": "http.response.start", "status": 201, "headers": [(b"x", b"y")]},
        {"type": "http.response.body", "body": b"he", "more_body": True},
        {"type": "http.response.body", "body": b"llo"},
    )
    communicator = HttpCommunicator(app, "post", "/a%20b/?q=1&r=%C3%BC", b"in", [(b"h", b"v")])
    response = await communicator.get_response()
    await communicator.wait()
    assert response == {"status": 201, "headers": [(b"x", b"y")], "body": b"hello"}
    assert app.request == {"type": "http.request", "body": b"in"}
    assert app.scope == {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/a b/",
        "query_string": b"q=1&r=%C3%BC",
        "headers": [(b"h", b"v")],
    }


async def test_headers_and_body_may_be_absent_in_the_response() -> None:
    app = answers({"type": "http.response.start", "status": 204}, {"type": "http.response.body"})
    response = await HttpCommunicator(app, "GET", "/").get_response()
    assert response == {"status": 204, "headers": [], "body": b""}


async def test_the_request_is_sent_once() -> None:
    app = answers({"type": "http.response.start", "status": 200}, {"type": "http.response.body"})
    communicator = HttpCommunicator(app, "GET", "/")
    await communicator.get_response()
    with pytest.raises(TimeoutError):
        await communicator.get_response(timeout=0.01)
    assert communicator.input_queue.empty()


async def test_the_exception_of_the_application_is_raised() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("the cause")

    with pytest.raises(LookupError, match="the cause"):
        await HttpCommunicator(app, "GET", "/").get_response(timeout=None)


async def test_an_exception_in_the_middle_of_the_body_is_raised() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        raise LookupError("the cause")

    with pytest.raises(LookupError, match="the cause"):
        await HttpCommunicator(app, "GET", "/").get_response(timeout=None)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (
            [{"type": "websocket.accept"}],
            "Expected type 'http.response.start', but was 'websocket.accept'",
        ),
        (
            [{"type": "http.response.start", "status": 200}, {"type": "x"}],
            "Expected type 'http.response.body', but was 'x'",
        ),
        (
            [
                {"type": "http.response.start", "status": 200},
                {"type": "http.response.body", "body": "x"},
            ],
            "The body of the response is not bytes, it is <class 'str'>",
        ),
        (["nonsense"], "Expected type 'http.response.start', but was None"),
    ],
)
async def test_what_is_not_a_response_fails_the_test(messages: list[Any], text: str) -> None:
    with pytest.raises(AssertionError) as caught:
        await HttpCommunicator(answers(*messages), "GET", "/").get_response()
    assert str(caught.value) == text
    assert repr(messages[-1]) in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (("GET", 5), TypeError, "Expected str, got <class 'int'>"),
        ((None, "/"), TypeError, "method is None"),
        (("GET", "/", "text"), TypeError, "body is 'text'; it must be bytes"),
        (("GET", "/", None), TypeError, "body is None; it must be bytes"),
        (("GET", "//[/"), ValueError, "is not a URL that can be requested"),
        (("GET", "/%ff"), ValueError, "is not a URL that can be requested"),
        (("GET", "/?\ud800"), ValueError, "is not a URL that can be requested"),
        (("GET", "/", b"", {"a": "b"}), TypeError, "it must be a list of pairs"),
        (("GET", "/", b"", [("a", "b")]), TypeError, "is not a pair of bytes"),
        (("GET", "/", b"", [b"ab"]), TypeError, "is not a pair of bytes"),
    ],
)
def test_bad_arguments_say_what_to_do(
    arguments: tuple[Any, ...], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind) as caught:
        HttpCommunicator(answers(), *arguments)
    assert words in str(caught.value)
    assert isinstance(caught.value, AssertionError)
