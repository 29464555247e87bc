"""HTTP requests to an application, without a server."""

from typing import Any

from channels.testing.application import ApplicationCommunicator
from channels.testing.errors import (
    ArgumentTypeError,
    UnexpectedMessageError,
    message_type,
    unexpected,
)
from channels.testing.requests import Headers, checked_headers, split_url
from channels.typing import ASGIApplication


class HttpCommunicator(ApplicationCommunicator):
    """One HTTP request to an application, and its whole response.

    For a response that is read piece by piece use ``send_input`` and ``receive_output``.

    Args:
        application: the ASGI application, ``MyConsumer.as_asgi()`` for a consumer.
        method: such as ``"GET"``.
        path: with the query string if there is one.
        body: the whole body of the request.
        headers: pairs of ``bytes``, names in lower case.

    Raises:
        TypeError: ``method`` or ``path`` is not a ``str``, ``body`` not ``bytes``, or a header not
            a pair of ``bytes``.
        ValueError: ``path`` cannot be taken apart.
    """

    def __init__(
        self,
        application: ASGIApplication,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Headers | None = None,
    ) -> None:
        if not isinstance(method, str):
            raise ArgumentTypeError(f"method is {method!r}; it must be a str such as 'GET'")
        if not isinstance(body, bytes):
            raise ArgumentTypeError(
                f"body is {body!r}; it must be bytes: encode text, and give JSON as bytes"
            )
        url_path, query_string = split_url(path)
        self.scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": method.upper(),
            "path": url_path,
            "query_string": query_string,
            "headers": checked_headers(headers),
        }
        self.body = body
        self.sent_request: bool = False
        super().__init__(application, self.scope)

    async def get_response(self, timeout: float | None = 1) -> dict[str, Any]:
        """Send the request, if that was not done yet, and collect the response.

        Args:
            timeout: seconds for each message of the response, not for all of them.

        Returns:
            A dictionary with ``status``, ``headers`` and ``body``, and whatever else the
            application put into ``http.response.start``.

        Raises:
            AssertionError: the application sent something that is not a response.
            TimeoutError: a part of the response did not come.
            Exception: whatever the application raised.
        """
        if not self.sent_request:
            self.sent_request = True
            await self.send_input({"type": "http.request", "body": self.body})
        start = await self.receive_output(timeout)
        if message_type(start) != "http.response.start":
            raise unexpected(start, "http.response.start")
        response = {"headers": [], **start, "body": b"".join(await self._body(timeout))}
        del response["type"]
        return response

    async def _body(self, timeout: float | None) -> list[bytes]:
        parts: list[bytes] = []
        while True:
            part = await self.receive_output(timeout)
            if message_type(part) != "http.response.body":
                raise unexpected(part, "http.response.body")
            body = part.get("body", b"")
            if not isinstance(body, bytes):
                raise UnexpectedMessageError(
                    f"The body of the response is not bytes, it is {type(body)}",
                    got=part,
                    expected="bytes",
                )
            parts.append(body)
            if not part.get("more_body", False):
                return parts
