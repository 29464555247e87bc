"""Tests as projects write them: communicators, the live server, the pytest fixture."""

from typing import Any, assert_type

from channels.routing import URLRouter
from channels.testing import (
    ApplicationCommunicator,
    ChannelsLiveServerTestCase,
    HttpCommunicator,
    WebsocketCommunicator,
)
from channels.testing.fixtures import LiveServer
from channels.testing.live import LiveServerProcess, make_application, set_database_connection
from channels.typing import Message
from tests.typing.user_consumers import Chat, Feed
from tests.typing.user_routing import application, websocket_urlpatterns


class RoomCommunicator(WebsocketCommunicator):
    def __init__(self, room: str, **kwargs: Any) -> None:
        super().__init__(URLRouter(websocket_urlpatterns), f"/ws/{room}/", **kwargs)

    async def receive_output(self, timeout: float | None = 3) -> Message:
        return await super().receive_output(timeout)

    async def say(self, text: str) -> None:
        await self.send_json_to({"text": text})


async def test_websocket() -> None:
    communicator = RoomCommunicator("tea", headers=[(b"origin", b"http://x")], subprotocols=["a"])
    communicator.scope["user"] = None
    connected, subprotocol = await communicator.connect(timeout=2)
    assert_type(connected, bool)
    assert connected, subprotocol
    await communicator.say("hello")
    await communicator.send_to(bytes_data=b"1")
    await communicator.send_input({"type": "websocket.receive", "text": ""})
    assert_type(await communicator.receive_output(), dict[str, Any])
    assert await communicator.receive_from() == b"1"
    assert await communicator.receive_json_from(timeout=None) == {}
    assert await communicator.receive_nothing(timeout=0.1, interval=0.01)
    await communicator.disconnect(code=1001)
    async with WebsocketCommunicator(Chat.as_asgi(), "/ws/") as socket:
        assert_type(socket, WebsocketCommunicator)
        await socket.connect()


async def test_http() -> None:
    client = HttpCommunicator(
        Feed.as_asgi(), "POST", "/feed?x=1", body=b"{}", headers=[(b"a", b"")]
    )
    response = await client.get_response(timeout=2)
    assert response["status"] == 200


async def test_worker_consumer() -> None:
    client = ApplicationCommunicator(application, {"type": "channel", "channel": "mail"})
    await client.send_input({"type": "mail.send", "to": "ann"})
    await client.wait(timeout=0.5)
    client.stop(exceptions=False)


class BrowserTests(ChannelsLiveServerTestCase):
    host = "127.0.0.1"
    serve_static = False
    address = ""
    ProtocolServerProcess = LiveServerProcess

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.address = cls.live_server_url

    def test_page(self) -> None:
        assert_type(self.live_server_url, str)
        assert_type(self.live_server_ws_url, str)
        assert self.address.startswith("http://")
        assert self._server_process.port.value == self._port


def test_page(channels_live_server: LiveServer) -> None:
    assert_type(channels_live_server.url, str)
    assert_type(channels_live_server.ws_url, str)


def start_a_server_by_hand() -> None:
    def get_application() -> Any:
        return make_application(static_wrapper=None)

    server = LiveServerProcess("localhost", get_application, setup=set_database_connection)
    server.start()
    assert server.ready.wait(10)
    assert_type(server.port.value, int)
    server.terminate()
    server.join()
