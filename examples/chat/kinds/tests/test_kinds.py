"""The other kinds, each through the whole application."""

from django.test import AsyncClient, TestCase

from channels.testing import HttpCommunicator, WebsocketCommunicator
from config.asgi import application
from kinds.views import MAX_ANNOUNCEMENT

ORIGIN = [(b"origin", b"http://localhost")]


class EchoTests(TestCase):
    async def test_text(self):
        for kind in ("sync", "async"):
            with self.subTest(kind):
                path = f"/ws/kinds/{kind}-echo/"
                async with WebsocketCommunicator(application, path, ORIGIN) as socket:
                    await socket.connect()
                    await socket.send_to("zwei ☕")
                    self.assertEqual(await socket.receive_from(), "zwei ☕")

    async def test_bytes(self):
        path = "/ws/kinds/binary-echo/"
        async with WebsocketCommunicator(application, path, ORIGIN) as socket:
            await socket.connect()
            await socket.send_to(bytes_data=bytes(range(256)))
            self.assertEqual(await socket.receive_from(), bytes(range(256)))
            await socket.send_to("text")
            self.assertEqual(
                await socket.receive_output(),
                {"type": "websocket.close", "code": 1003, "reason": "Send bytes, not text."},
            )


class StreamTests(TestCase):
    async def test_the_clock_streams(self):
        client = HttpCommunicator(application, "GET", "/kinds/events/")
        await client.send_input({"type": "http.request", "body": b""})
        start = await client.receive_output()
        self.assertEqual(start["status"], 200)
        self.assertIn((b"Content-Type", b"text/event-stream"), start["headers"])
        for _ in range(2):
            body = await client.receive_output(timeout=3)
            self.assertRegex(body["body"], rb"\Adata: \d{4}-\d\d-\d\dT[0-9:.]+\+00:00\n\n\Z")
            self.assertTrue(body["more_body"])
        await client.send_input({"type": "http.disconnect"})
        await client.wait()


class LongPollTests(TestCase):
    async def poll(self):
        """Return a request that waits: its headers are here, its answer is not."""
        client = HttpCommunicator(application, "GET", "/kinds/poll/")
        await client.send_input({"type": "http.request", "body": b""})
        self.assertEqual((await client.receive_output())["status"], 200)
        self.assertEqual((await client.receive_output())["body"], b"")
        self.assertTrue(await client.receive_nothing())
        return client

    async def test_an_announcement_answers_all_who_wait(self):
        waiting = [await self.poll() for _ in range(3)]
        response = await self.async_client.post("/kinds/announce/", {"text": " Lunch <b> "})
        self.assertEqual(response.status_code, 204)
        for client in waiting:
            body = await client.receive_output()
            self.assertEqual(body["body"], b'{"text": "Lunch <b>"}')
            self.assertFalse(body.get("more_body", False))
            await client.wait()

    async def test_one_who_left_is_no_trouble(self):
        client = await self.poll()
        await client.send_input({"type": "http.disconnect"})
        await client.wait()
        response = await self.async_client.post("/kinds/announce/", {"text": "Lunch"})
        self.assertEqual(response.status_code, 204)

    async def test_what_is_no_announcement(self):
        for text in ("", " ", "x" * (MAX_ANNOUNCEMENT + 1)):
            with self.subTest(text):
                response = await self.async_client.post("/kinds/announce/", {"text": text})
                self.assertContains(response, "Send 1 to 200 characters", status_code=400)
        self.assertEqual((await self.async_client.get("/kinds/announce/")).status_code, 405)

    async def test_announcing_needs_the_pages_token(self):
        client = AsyncClient(enforce_csrf_checks=True)
        response = await client.post("/kinds/announce/", {"text": "Lunch"})
        self.assertEqual(response.status_code, 403)


class PageTests(TestCase):
    def test_it_shows_each_consumers_code(self):
        response = self.client.get("/kinds/")
        for name in ("SyncEcho", "AsyncEcho", "BinaryEcho", "Clock", "LongPoll"):
            self.assertContains(response, f"class {name}Consumer(", 1)
