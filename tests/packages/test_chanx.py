"""chanx: typed messages.

Its consumer replaces `websocket_connect`, changes `self.groups` while it runs, reads
`application_mapping` and `consumer_class` to find all routes, and brings a test case of its own.
"""

from typing import Literal

from chanx.channels.discovery import DjangoRouteDiscovery
from chanx.channels.routing import include, path
from chanx.channels.testing import WebsocketTestCase
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.decorators import channel, event_handler, ws_handler
from chanx.messages.base import BaseMessage
from django.test.utils import override_settings
from pydantic import BaseModel

from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter


class Text(BaseModel):
    text: str


class Say(BaseMessage):
    action: Literal["say"] = "say"
    payload: Text


class Join(BaseMessage):
    action: Literal["join"] = "join"
    payload: Text


class Said(BaseMessage):
    action: Literal["said"] = "said"
    payload: Text


class Tick(BaseMessage):
    action: Literal["tick"] = "tick"
    payload: int


@channel(name="chat")
class Chat(AsyncJsonWebsocketConsumer):
    channel_layer_alias = "default"
    groups = ["lobby"]

    @ws_handler(output_type=Said)
    async def say(self, message: Say) -> None:
        await self.broadcast_message(Said(payload=message.payload))

    @ws_handler
    async def join(self, message: Join) -> Said:
        await self.join_group(message.payload.text)
        return Said(payload=Text(text=f"joined {message.payload.text}"))

    @event_handler
    async def tick(self, event: Tick) -> Said:
        return Said(payload=Text(text=f"tick {event.payload}"))


routes = URLRouter([path("chat/<str:room>/", Chat.as_asgi())])
application = ProtocolTypeRouter({"websocket": URLRouter([path("ws/", include(routes))])})


class ChatTests(WebsocketTestCase):
    ws_path = "/ws/chat/one/"
    router = application
    consumer = Chat

    async def test_messages_groups_and_the_end(self) -> None:
        first, second = self.create_communicator(), self.create_communicator()
        for client in (first, second):
            assert (await client.connect())[0] is True
        await first.send_message(Say(payload=Text(text="hello")))
        # Everybody in the lobby hears it, the sender too.
        for client in (first, second):
            assert (await client.receive_json_from())["payload"] == {"text": "hello"}

        await second.send_message(Join(payload=Text(text="side")))
        assert (await second.receive_json_from())["payload"] == {"text": "joined side"}

        layer = get_channel_layer()
        assert sorted(layer.groups) == ["lobby", "side"]
        await Chat.broadcast_event(Tick(payload=7), groups=["side"])
        assert (await second.receive_json_from())["payload"] == {"text": "tick 7"}

        await first.disconnect()
        await second.disconnect()
        assert layer.groups == {}

    async def test_a_wrong_message_is_answered(self) -> None:
        client = self.create_communicator()
        await client.connect()
        await client.send_json_to({"action": "say", "payload": {"txt": 1}})
        assert (await client.receive_json_from())["action"] == "error"

    def test_from_synchronous_code(self) -> None:
        Chat.broadcast_event_sync(Tick(payload=1), groups=["lobby"])


@override_settings(ASGI_APPLICATION="tests.packages.test_chanx.application")
def test_it_finds_the_routes() -> None:
    (route,) = DjangoRouteDiscovery().discover_routes("ws://example")
    assert route.consumer is Chat
    assert route.path == "ws/chat/<str:room>/"
