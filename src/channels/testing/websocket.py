"""WebSocket connections to an application, without a server."""

import json
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from channels.testing.application import ApplicationCommunicator
from channels.testing.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    UnexpectedMessageError,
    message_type,
    unexpected,
)
from channels.testing.requests import Headers, checked_headers, split_url
from channels.typing import ASGIApplication, Message


class WebsocketCommunicator(ApplicationCommunicator):
    """One WebSocket connection to an application.

    Used as an async context manager it leaves no connection behind, whatever the test does::

        async with WebsocketCommunicator(application, "/ws/chat/lobby/") as socket:
            connected, subprotocol = await socket.connect()
            assert connected
            await socket.send_json_to({"content": "hello"})
            assert (await socket.receive_json_from())["content"] == "hello"

    Entering does not connect, so ``scope`` can still be edited. Leaving disconnects with code 1000
    if the application is still running, and waits for it. An exception of the application that no
    call has raised yet is raised at the end of the block; if the block itself raised, that one
    leaves, with a note about the other.

    Args:
        application: the ASGI application, ``MyConsumer.as_asgi()`` for a consumer.
        path: with the query string if there is one.
        headers: pairs of ``bytes``, names in lower case.
        subprotocols: what the client offers, its favourite first.
        spec_version: put into the scope as ``spec_version``.

    Raises:
        TypeError: ``path`` is not a ``str``, or a header not a pair of ``bytes``.
        ValueError: ``path`` cannot be taken apart.
    """

    response_headers: Any = None
    """The headers of ``websocket.accept``; ``None`` before the connection was accepted."""

    denial_response: dict[str, Any] | None = None
    """``status``, ``headers`` and ``body``, if the application denied with an HTTP response."""

    def __init__(
        self,
        application: ASGIApplication,
        path: str,
        headers: Headers | None = None,
        subprotocols: Iterable[str] | None = None,
        spec_version: Any = None,
    ) -> None:
        url_path, query_string = split_url(path)
        if isinstance(subprotocols, str):
            raise ArgumentTypeError(
                f"subprotocols is {subprotocols!r}; it must be a list such as [{subprotocols!r}]"
            )
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "path": url_path,
            "query_string": query_string,
            "headers": checked_headers(headers),
            "subprotocols": subprotocols or [],
        }
        if spec_version:
            self.scope["spec_version"] = spec_version
        super().__init__(application, self.scope)

    async def connect(self, timeout: float | None = 1) -> tuple[bool, Any]:
        """Open the connection and return what the application made of it.

        Returns:
            ``(True, subprotocol)`` when it was accepted, with ``None`` for no subprotocol.
            ``(False, code)`` when it was closed before accept; the code is 1000 if none was given.
            ``(False, status)`` when it was denied with an HTTP response, which an application may
            do if the scope holds ``{"extensions": {"websocket.http.response": {}}}``;
            :attr:`denial_response` has the rest.

        Raises:
            AssertionError: the application sent something else.
            TimeoutError: the application did not answer; it is cancelled.
            Exception: whatever the application raised.
        """
        await self.send_input({"type": "websocket.connect"})
        response = await self.receive_output(timeout)
        match message_type(response):
            case "websocket.accept":
                self.response_headers = response.get("headers", [])
                return True, response.get("subprotocol")
            case "websocket.close":
                return False, response.get("code", 1000)
            case "websocket.http.response.start":
                self.denial_response = await self._denial_response(response, timeout)
                return False, self.denial_response["status"]
            case _:
                raise unexpected(response, "websocket.accept")

    async def send_to(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Send a frame as the client: text or binary, one of the two.

        Raises:
            AssertionError: both or neither were given, or of the wrong type (then also a
                ``TypeError`` or ``ValueError``).
            Exception: whatever the application raised, if it has ended with an exception.
        """
        given = {"text": text_data, "bytes": bytes_data}
        # An empty frame is a frame, unless the other kind was given too.
        chosen = [key for key, value in given.items() if value] or [
            key for key, value in given.items() if value is not None
        ]
        if len(chosen) != 1:
            error = ArgumentValueError("You must supply exactly one of text_data or bytes_data")
            error.add_note(f"text_data is {text_data!r}, bytes_data is {bytes_data!r}.")
            raise error
        key = chosen[0]
        wanted = "a str" if key == "text" else "bytes"
        if not isinstance(given[key], str if key == "text" else bytes):
            raise ArgumentTypeError(
                f"The {key}_data argument must be {wanted}, it is {given[key]!r}"
            )
        await self.send_input({"type": "websocket.receive", key: given[key]})

    async def send_json_to(self, data: Any) -> None:
        """Send ``data`` as JSON in a text frame."""
        await self.send_to(text_data=json.dumps(data))

    async def receive_from(self, timeout: float | None = 1) -> str | bytes:
        """The next frame: ``str`` for a text frame, ``bytes`` for a binary one.

        Raises:
            AssertionError: the application closed or sent something else than a frame.
            TimeoutError: nothing came; the application is cancelled.
            Exception: whatever the application raised.
        """
        response = await self.receive_output(timeout)
        if message_type(response) != "websocket.send":
            raise unexpected(response, "websocket.send")
        return _payload(response)

    async def receive_json_from(self, timeout: float | None = 1) -> Any:
        """The next text frame, decoded from JSON.

        Raises:
            AssertionError: the frame is a binary one, or as for :meth:`receive_from`.
            json.JSONDecodeError: the frame is not JSON; a note shows it.
        """
        payload = await self.receive_from(timeout)
        if not isinstance(payload, str):
            raise UnexpectedMessageError(
                f"JSON data is not a text frame, it is {type(payload)}",
                got=payload,
                expected="a text frame",
            )
        try:
            return json.loads(payload)
        except json.JSONDecodeError as error:
            error.add_note(f"The frame is {payload!r}.")
            raise

    async def disconnect(self, code: int = 1000, timeout: float | None = 1) -> None:
        """Leave as the client, and wait until the application has returned.

        One that has not after ``timeout`` seconds is cancelled, without an error.

        Raises:
            Exception: whatever the application raised.
        """
        await self.send_input({"type": "websocket.disconnect", "code": code})
        await self.wait(timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._future is None:
            return
        try:
            if self._future.done():
                self._raise_unless_shown(exc)
            else:
                await self.disconnect()
        except Exception as error:
            if exc is None:
                raise
            exc.add_note(f"Besides, the application ended with {error!r}.")

    def _raise_unless_shown(self, exc: BaseException | None) -> None:
        future = self.future
        if not future.cancelled() and future.exception() not in {None, self._shown, exc}:
            self._raise_its_exception()

    async def _denial_response(self, start: Message, timeout: float | None) -> dict[str, Any]:
        body = b""
        more = True
        while more:
            part = await self.receive_output(timeout)
            if message_type(part) != "websocket.http.response.body":
                raise unexpected(part, "websocket.http.response.body")
            body += part.get("body", b"")
            more = part.get("more_body", False)
        return {"status": start["status"], "headers": start.get("headers", []), "body": body}


def _payload(response: Message) -> str | bytes:
    """The text or the bytes of a ``websocket.send``; a key that holds ``None`` counts as absent."""
    text, data = response.get("text"), response.get("bytes")
    if (text is None) == (data is None):
        raise UnexpectedMessageError(
            "The response needs exactly one of 'text' or 'bytes'",
            got=response,
            expected="'text' or 'bytes', and the other one absent or None",
        )
    if text is not None:
        if not isinstance(text, str):
            raise UnexpectedMessageError(
                f"Text frame payload is not str, it is {type(text)}",
                got=response,
                expected="a str as 'text'",
            )
        return text
    if not isinstance(data, bytes):
        raise UnexpectedMessageError(
            f"Binary frame payload is not bytes, it is {type(data)}",
            got=response,
            expected="bytes as 'bytes'",
        )
    return data
