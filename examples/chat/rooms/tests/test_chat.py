"""The chat through the whole application: origin, session, user, route, consumer and layer."""

import uuid
from contextlib import asynccontextmanager
from urllib.parse import quote

from django.contrib.auth.models import User
from django.test import AsyncClient, TestCase

from channels.testing import WebsocketCommunicator
from config.asgi import application
from rooms.consumers import HISTORY_LIMIT
from rooms.identity import SESSION_KEY, Person
from rooms.models import MAX_MESSAGE_LENGTH, Message, Room, post_message

ANNA = Person(id="user-1", name="anna", is_guest=False)


@asynccontextmanager
async def window(room, client=None, query="", origin="http://localhost"):
    """A connection to the room, with the cookies of a test client."""
    headers = [(b"origin", origin.encode())]
    if client is not None:
        cookies = "; ".join(f"{name}={cookie.value}" for name, cookie in client.cookies.items())
        headers.append((b"cookie", cookies.encode()))
    path = f"/ws/{quote(room)}/{query}"
    async with WebsocketCommunicator(application, path, headers) as socket:
        socket.accepted, socket.answer = await socket.connect()
        yield socket


async def next_of(socket, kind):
    """Return the next message of this type, and drop those of other types before it."""
    while (message := await socket.receive_json_from())["type"] != kind:
        pass
    return message


async def say(socket, content, **extra):
    await socket.send_json_to({"type": "message", "content": content, **extra})


class TalkTests(TestCase):
    async def test_what_one_says_all_in_the_room_hear(self):
        async with window("lobby") as one, window("lobby") as two, window("other") as elsewhere:
            await next_of(elsewhere, "presence")
            await say(one, " Hello,\nserver! ")
            heard = [await next_of(socket, "message") for socket in (one, two)]
            self.assertEqual(heard[0], heard[1])
            self.assertEqual(heard[0]["content"], "Hello,\nserver!")
            self.assertTrue(await elsewhere.receive_nothing())
        message = await Message.objects.select_related("room").aget()
        self.assertEqual(message.as_event(), heard[0])
        self.assertEqual(message.room.name, "lobby")
        self.assertEqual(message.room.last_message_at, message.sent_at)

    async def test_two_spellings_are_one_room(self):
        async with window("中文 Room") as one, window("中文-room") as two:
            await say(one, "hier")
            self.assertEqual((await next_of(two, "message"))["content"], "hier")

    async def test_text_is_passed_on_as_it_is(self):
        text = "<b>&amp;\u202e 🎉 </script>"
        async with window("lobby") as one:
            await say(one, text)
            self.assertEqual((await next_of(one, "message"))["content"], text)

    async def test_sent_twice_is_said_once(self):
        nonce = str(uuid.uuid4())
        async with window("lobby") as one, window("lobby") as two:
            await say(one, "once", nonce=nonce)
            first = await next_of(two, "message")
            self.assertEqual(first["nonce"], nonce)
            self.assertEqual(await next_of(one, "message"), first)
            await say(one, "once", nonce=nonce)
            # The sender has its confirmation; nobody else hears it again.
            self.assertEqual(await next_of(one, "message"), first)
            await say(one, "next")
            self.assertEqual((await next_of(two, "message"))["content"], "next")
        self.assertEqual(await Message.objects.acount(), 2)

    async def test_a_ping_is_answered(self):
        async with window("lobby") as socket:
            await socket.send_json_to({"type": "ping"})
            self.assertEqual(await next_of(socket, "pong"), {"type": "pong"})


class HistoryTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        for number in range(HISTORY_LIMIT + 5):
            post_message("long", ANNA, f"line {number}", uuid.uuid4())
        post_message("short", ANNA, "only", uuid.uuid4())

    async def test_without_after_nothing_is_repeated(self):
        async with window("short") as socket:
            self.assertEqual((await socket.receive_json_from())["type"], "presence")

    async def test_what_came_after_comes_first(self):
        last = await Message.objects.filter(room__name="long").alast()
        async with window("long", query=f"?after={last.pk - 2}") as socket:
            texts = [(await socket.receive_json_from())["content"] for _ in range(2)]
            self.assertEqual(texts, ["line 103", "line 104"])
            self.assertEqual((await socket.receive_json_from())["type"], "presence")

    async def test_a_long_history_is_cut_and_says_so(self):
        async with window("long", query="?after=0") as socket:
            notice = await socket.receive_json_from()
            self.assertEqual(
                notice, {"type": "notice", "content": "Only the last 100 messages are shown."}
            )
            texts = [(await socket.receive_json_from())["content"] for _ in range(HISTORY_LIMIT)]
            self.assertEqual(texts, [f"line {number}" for number in range(5, 105)])
            self.assertEqual((await socket.receive_json_from())["type"], "presence")

    async def test_a_strange_after_is_no_after(self):
        for query in ("?after=", "?after=-1", "?after=x", f"?after={'9' * 19}", "?after=%D9%A1"):
            with self.subTest(query):
                async with window("short", query=query) as socket:
                    self.assertEqual((await socket.receive_json_from())["type"], "presence")


class PeopleTests(TestCase):
    async def test_a_user_speaks_under_the_account_name(self):
        user = await User.objects.acreate_user("amelie")
        await self.async_client.aforce_login(user)
        async with window("lobby", self.async_client) as socket:
            await say(socket, "Hello")
            sender = (await next_of(socket, "message"))["sender"]
        self.assertEqual(sender, {"id": f"user-{user.pk}", "name": "amelie", "is_guest": False})

    async def test_a_guest_speaks_under_the_name_of_the_session(self):
        await self.async_client.get("/")
        guest = await (await self.async_client.asession()).aget(SESSION_KEY)
        async with window("lobby", self.async_client) as socket:
            await say(socket, "Hello")
            sender = (await next_of(socket, "message"))["sender"]
        self.assertEqual(sender, {**guest, "is_guest": True})

    async def test_without_a_session_a_guest_is_new_each_time(self):
        ids = set()
        for _ in range(2):
            async with window("lobby") as socket:
                await say(socket, "Hello")
                ids.add((await next_of(socket, "message"))["sender"]["id"])
        self.assertEqual(len(ids), 2)

    async def test_who_is_here(self):
        one_client, two_client = AsyncClient(), AsyncClient()
        await one_client.get("/")
        await two_client.get("/")
        async with window("lobby", one_client) as one:
            myself = await one.receive_json_from()
            self.assertEqual((myself["type"], myself["event"]), ("presence", "here"))
            async with window("lobby", two_client) as two:
                newcomer = await one.receive_json_from()
                seen = [await two.receive_json_from() for _ in range(2)]
                # The newcomer is told of everybody, itself included.
                self.assertCountEqual(seen, [myself, newcomer])
                self.assertNotEqual(myself["connection"], newcomer["connection"])
            gone = await one.receive_json_from()
            self.assertEqual(gone, {**newcomer, "event": "left"})


class BadInputTests(TestCase):
    async def test_each_bad_message_is_explained_and_the_room_goes_on(self):
        cases = [
            ({"type": "message"}, "A message needs its text in “content”."),
            ({"type": "message", "content": 5}, "A message needs its text in “content”."),
            ({"type": "message", "content": " \n"}, "The message is empty."),
            (
                {"type": "message", "content": "x" * (MAX_MESSAGE_LENGTH + 1)},
                "A message has at most 2000 characters; this one has 2001.",
            ),
            ({"type": "message", "content": "x", "nonce": "7"}, "“nonce” must be a UUID."),
            ({"type": "message", "content": "x", "nonce": None}, "“nonce” must be a UUID."),
            ({"type": "chat.message"}, "Send a message or a ping."),
            ({"type": ["message"]}, "Send a message or a ping."),
            (["message"], "Send a message or a ping."),
            (None, "Send a message or a ping."),
        ]
        async with window("lobby") as socket:
            for content, explanation in cases:
                with self.subTest(content=content):
                    await socket.send_json_to(content)
                    self.assertEqual((await next_of(socket, "error"))["content"], explanation)
            await say(socket, "still here")
            self.assertEqual((await next_of(socket, "message"))["content"], "still here")
        self.assertEqual(await Message.objects.acount(), 1)

    async def test_a_refused_message_is_named_by_its_nonce(self):
        nonce = str(uuid.uuid4())
        async with window("lobby") as socket:
            await say(socket, "", nonce=nonce)
            self.assertEqual((await next_of(socket, "error"))["nonce"], nonce)

    async def test_a_bad_room_name_is_the_reason_of_the_close(self):
        async with window("..") as socket:
            self.assertEqual(
                await socket.receive_output(),
                {
                    "type": "websocket.close",
                    "code": 4404,
                    "reason": "A room name needs at least one letter or digit.",
                },
            )
        self.assertFalse(await Room.objects.filter(name="..").aexists())

    async def test_another_site_is_refused(self):
        async with window("lobby", origin="https://example.com") as socket:
            self.assertFalse(socket.accepted)
