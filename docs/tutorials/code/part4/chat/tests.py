from channels.layers import get_channel_layer
from channels.testing import ChannelsLiveServerTestCase, WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import TestCase
from lounge.asgi import application
from websockets.sync.client import connect


def visitor(room, *headers):
    """A browser that opens a room; its address has to be one of ALLOWED_HOSTS."""
    origin = (b"origin", b"http://localhost")
    return WebsocketCommunicator(application, f"/ws/rooms/{room}/", headers=[origin, *headers])


class RoomTests(TestCase):
    async def test_a_line_reaches_everybody_in_the_room(self):
        async with visitor("tea") as ann, visitor("tea") as bob:
            await ann.connect()
            await bob.connect()
            self.assertEqual(
                await ann.receive_json_from(), {"name": "a guest", "text": "has entered"}
            )

            await bob.send_json_to({"text": " hello "})
            hello = {"name": "a guest", "text": "hello"}
            self.assertEqual(await ann.receive_json_from(), hello)
            self.assertEqual(await bob.receive_json_from(), hello)

    async def test_another_room_hears_nothing(self):
        async with visitor("tea") as ann, visitor("coffee") as bob:
            await ann.connect()
            await bob.connect()
            await ann.send_json_to({"text": "hello"})
            await ann.receive_json_from()
            self.assertTrue(await bob.receive_nothing())

    async def test_what_is_not_a_line_is_ignored(self):
        async with visitor("tea") as ann:
            await ann.connect()
            for nonsense in ({}, [], "hello", {"text": 1}, {"text": "  "}):
                await ann.send_json_to(nonsense)
            self.assertTrue(await ann.receive_nothing())

    async def test_the_name_is_that_of_the_signed_in_user(self):
        await self.async_client.aforce_login(await User.objects.acreate(username="ann"))
        session = self.async_client.cookies["sessionid"].value
        async with visitor("tea", (b"cookie", f"sessionid={session}".encode())) as ann:
            await ann.connect()
            await ann.send_json_to({"text": "hello"})
            self.assertEqual(await ann.receive_json_from(), {"name": "ann", "text": "hello"})

    async def test_the_others_learn_who_left_and_the_room_is_empty_at_last(self):
        async with visitor("tea") as ann:
            await ann.connect()
            async with visitor("tea") as bob:
                await bob.connect()
                await ann.receive_json_from()
            self.assertEqual(await ann.receive_json_from(), {"name": "a guest", "text": "has left"})
        self.assertEqual(get_channel_layer().groups, {})

    async def test_another_site_may_not_connect(self):
        stranger = WebsocketCommunicator(
            application, "/ws/rooms/tea/", headers=[(b"origin", b"http://elsewhere.example")]
        )
        async with stranger:
            connected, _ = await stranger.connect()
            self.assertFalse(connected)


class ServerTests(ChannelsLiveServerTestCase):
    def test_two_clients_talk_through_the_server(self):
        url = f"{self.live_server_ws_url}/ws/rooms/tea/"
        with connect(url, origin="http://localhost") as ann:
            ann.send('{"text": "anybody?"}')
            self.assertIn("anybody?", ann.recv(timeout=5))
            with connect(url, origin="http://localhost") as bob:
                self.assertIn("has entered", ann.recv(timeout=5))
                bob.send('{"text": "hello"}')
                self.assertIn("hello", ann.recv(timeout=5))
                self.assertIn("hello", bob.recv(timeout=5))
