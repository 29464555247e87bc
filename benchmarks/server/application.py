"""The application that the server serves: everything of one side, by path."""

from typing import Any

from benchmarks.apps.side import load

SERVED = ("echo", "room", "frame-room")


def application(contender: str) -> Any:
    """Paths are ``/echo``, ``/room`` and so on; for consumers through the routers of channels."""
    applications = load(contender).APPLICATIONS
    served = {name: applications[name] for name in SERVED if name in applications}
    if contender == "floor":
        return _bare(served)
    from django.urls import path

    from channels.routing import ProtocolTypeRouter, URLRouter

    routes = [path(name, consumer) for name, consumer in served.items()]
    return ProtocolTypeRouter({"websocket": URLRouter(routes)})


def _bare(served: dict[str, Any]) -> Any:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await served[scope["path"].lstrip("/")](scope, receive, send)

    return bare
