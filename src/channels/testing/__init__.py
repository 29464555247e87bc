"""Tools for testing consumers, applications and channel layers.

The communicators run an application in the test's own event loop, without a server. The live server
is imported when it is asked for: it needs the ``server`` extra, the communicators do not.
"""

from typing import TYPE_CHECKING, Any

from channels.testing.application import ApplicationCommunicator
from channels.testing.http import HttpCommunicator
from channels.testing.websocket import WebsocketCommunicator

if TYPE_CHECKING:
    from channels.testing.live import ChannelsLiveServerTestCase

__all__ = [
    "ApplicationCommunicator",
    "ChannelsLiveServerTestCase",
    "HttpCommunicator",
    "WebsocketCommunicator",
]


def __getattr__(name: str) -> Any:
    if name == "ChannelsLiveServerTestCase":
        from channels.testing.live import ChannelsLiveServerTestCase

        return ChannelsLiveServerTestCase
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
