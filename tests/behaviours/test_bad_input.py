"""Bad input: upstream's exception, ours with what came, and no harm to anybody else."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings

from channels.exceptions import InvalidChannelLayerError
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from channels.layers import InMemoryChannelLayer, get_channel_layer
from channels.routing import URLRouter, get_default_application
from channels.testing import WebsocketCommunicator
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, connected

families = pytest.mark.parametrize("base", [AsyncJsonWebsocketConsumer, JsonWebsocketConsumer])
FRAMES = [
    ({"text": "{nope"}, json.JSONDecodeError, "5 characters"),
    ({"text": ""}, ValueError, "empty"),
    ({"bytes": b"\x00binary"}, ValueError, "binary"),
]


def told(error: BaseException) -> str:
    """All that the exception says, notes included."""
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


@families
@pytest.mark.parametrize(("frame", "kind", "came"), FRAMES, ids=["malformed", "empty", "binary"])
@behaviour("Bad input: a bad frame to a JSON consumer ends its own connection and no other")
@differs(upstream="says what is wrong", ours="says what came and what to do as well")
async def test_frames(base: type, frame: Message, kind: type[Exception], came: str) -> None:
    class Member(base):  # type: ignore[misc, valid-type]
        groups = ["room"]

        if base is AsyncJsonWebsocketConsumer:

            async def note(self, event: Message) -> None:
                await self.send_json(event["text"])

        else:

            def note(self, event: Message) -> None:
                self.send_json(event["text"])

    async with connected(Member.as_asgi()) as other:
        client = WebsocketCommunicator(Member.as_asgi(), "/")
        await client.connect()
        await client.send_input({"type": "websocket.receive", **frame})
        with pytest.raises(kind) as caught:
            await client.wait()
        await get_channel_layer().group_send("room", {"type": "note", "text": "still here"})
        assert await other.receive_json_from() == "still here"
    words = told(caught.value)
    assert (came in words and "verride" in words) is expected(upstream=False, ours=True)


async def _send_to(name: Any) -> None:
    await InMemoryChannelLayer().send(name, {"type": "x"})


async def _group_send(message: Any) -> None:
    await InMemoryChannelLayer().group_send("room", message)


async def _unknown_path() -> None:
    await URLRouter([])({"type": "websocket", "path": "/no/where/"}, None, None)


async def _unknown_type() -> None:
    consumer = AsyncJsonWebsocketConsumer()
    await consumer.dispatch({"type": "never.heard"})


async def _missing_setting() -> None:
    with override_settings(ASGI_APPLICATION=None):
        get_default_application()


async def _missing_backend() -> None:
    with override_settings(CHANNEL_LAYERS={"default": {"CONFIG": {}}}):
        get_channel_layer()


MISTAKES = [
    ("channel name", lambda: _send_to("a name"), TypeError, "'a name'"),
    ("channel name of a wrong type", lambda: _send_to(7), TypeError, "7"),
    ("message that is no dict", lambda: _group_send(["x"]), AssertionError, "of type list"),
    ("unknown path", _unknown_path, ValueError, "no/where/"),
    ("unknown type", _unknown_type, ValueError, "never_heard"),
    ("missing setting", _missing_setting, ImproperlyConfigured, "ASGI_APPLICATION is None"),
    ("missing backend", _missing_backend, InvalidChannelLayerError, "'CONFIG'"),
]
ONLY_OURS = {
    "channel name",
    "channel name of a wrong type",
    "message that is no dict",
    "unknown type",
    "missing setting",
    "missing backend",
}
"""Where upstream's text does not say what came, or what to write instead."""


@pytest.mark.parametrize(("name", "make", "kind", "came"), MISTAKES, ids=[m[0] for m in MISTAKES])
@behaviour("Bad input: each mistake has upstream's exception type")
@differs(upstream="often does not say what came", ours="says what came or what was wanted")
async def test_mistakes(
    name: str, make: Callable[[], Awaitable[None]], kind: type[Exception], came: str
) -> None:
    with pytest.raises(kind) as caught:
        await make()
    said = came in told(caught.value)
    assert said is expected(upstream=name not in ONLY_OURS, ours=True), told(caught.value)


@behaviour("Bad input: what upstream asserts")
@differs(upstream="is a bare AssertionError", ours="is a TypeError or ValueError as well")
@pytest.mark.parametrize(
    ("message", "kind"),
    [("text", TypeError), ({"type": "x", "__asgi_channel__": "y"}, ValueError)],
    ids=["no dict", "reserved key"],
)
async def test_assertions(message: Any, kind: type[Exception]) -> None:
    with pytest.raises(AssertionError) as caught:
        await InMemoryChannelLayer().send("general", message)
    assert isinstance(caught.value, kind) is expected(upstream=False, ours=True)
