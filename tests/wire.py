"""A server's end of one connection, for tests that drive an ASGI application by hand."""

from typing import Any

from channels.typing import ASGIApplication, Message, Scope


class Wire:
    """Hands out the given events in order and keeps what the application sends."""

    def __init__(self, *events: Message) -> None:
        self.events = list(events)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return self.events.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def serve(self, application: ASGIApplication, scope: Scope) -> Any:
        return await application(scope, self.receive, self.send)


async def call(application: ASGIApplication, scope: Scope) -> Any:
    """What ``application`` returns for a connection on which nothing happens."""
    return await Wire().serve(application, scope)


def http(path: str = "/", *headers: tuple[bytes, bytes], **more: Any) -> Scope:
    return {"type": "http", "method": "GET", "path": path, "headers": list(headers), **more}


def websocket(path: str = "/", *headers: tuple[bytes, bytes], **more: Any) -> Scope:
    return {"type": "websocket", "path": path, "headers": list(headers), **more}
