"""Looking again whether those who are connected are still signed in."""

import asyncio
from typing import Any
from unittest import mock

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import TestCase, override_settings

from channels import revalidation
from channels.auth import AuthMiddlewareStack, is_still_signed_in, login, logout
from channels.closing import aclose_user
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.limits.presence import users
from channels.limits.rejections import Rejections
from tests.client import CONNECT, Client, frame, leave
from tests.wire import websocket


class Plain(AsyncWebsocketConsumer):
    """Accepts, and does nothing more."""


class SignedIn(TestCase):
    """Ada is signed in by a session of the database."""

    def setUp(self) -> None:
        self.ada = User.objects.create(username="ada", password="not hashed")
        self.session = SessionStore()
        self.scope: dict[str, Any] = {"type": "websocket", "session": self.session}
        async_to_sync(login)(self.scope, self.ada)
        self.session.save()

    def later(self) -> dict[str, Any]:
        """The scope of a connection that came before, with what was read then."""
        then = SessionStore(self.session.session_key)
        assert "_auth_user_id" in then  # read, and kept from now on
        return {"type": "websocket", "session": then, "user": User.objects.get(pk=self.ada.pk)}


class Look(SignedIn):
    def good(self, scope: dict[str, Any]) -> bool:
        return async_to_sync(is_still_signed_in)(scope)

    def test_nothing_has_changed(self) -> None:
        scope = self.later()
        with self.assertNumQueries(2):  # the session and the user
            assert self.good(scope)

    def test_the_session_is_gone(self) -> None:
        scope = self.later()
        self.session.flush()
        assert not self.good(scope)

    def test_the_session_has_expired(self) -> None:
        scope = self.later()
        Session.objects.update(expire_date="2001-01-01T00:00Z")
        assert not self.good(scope)

    def test_the_password_has_changed(self) -> None:
        scope = self.later()
        self.ada.password = "another"
        self.ada.save()
        assert not self.good(scope)
        assert SessionStore(self.session.session_key).load(), "a look changes nothing"

    def test_the_user_is_inactive(self) -> None:
        scope = self.later()
        User.objects.update(is_active=False)
        assert not self.good(scope)

    def test_the_user_is_gone(self) -> None:
        scope = self.later()
        self.ada.delete()
        assert not self.good(scope)

    def test_the_session_is_another_users_by_now(self) -> None:
        scope = self.later()
        bob = User.objects.create(username="bob")
        self.session["_auth_user_id"] = str(bob.pk)
        self.session["_auth_user_hash"] = bob.get_session_auth_hash()
        self.session.save()
        assert not self.good(scope)

    def test_the_backend_is_no_longer_configured(self) -> None:
        scope = self.later()
        with override_settings(AUTHENTICATION_BACKENDS=["tests.test_auth.OtherBackend"]):
            assert not self.good(scope)

    def test_an_old_secret_key_is_still_good(self) -> None:
        scope = self.later()
        from django.conf import settings

        old = settings.SECRET_KEY
        with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[old]):
            assert self.good(scope)
        with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[]):
            assert not self.good(scope)

    def test_whom_no_session_signed_in(self) -> None:
        for scope in ({"user": self.ada}, {"user": self.ada, "session": SessionStore()}):
            User.objects.update(is_active=True)
            assert self.good(scope)
            User.objects.update(is_active=False)
            assert not self.good(scope)
        self.ada.delete()
        assert not self.good({"user": User(pk=self.ada.pk or 1)})

    def test_of_whom_nothing_is_known(self) -> None:
        class Machine:
            pk = "m1"
            is_authenticated = True

        assert self.good({"user": Machine()})


@override_settings(CHANNELS={"REVALIDATE_SECONDS": 0.01})
class Rounds(SignedIn):
    def setUp(self) -> None:
        super().setUp()
        self.cookie = (b"cookie", f"sessionid={self.session.session_key}".encode())
        self.application = AuthMiddlewareStack(Plain.as_asgi())

    async def test_a_session_that_ends(self) -> None:
        other = websocket()
        async with (
            Client(self.application, CONNECT, scope=websocket("/", self.cookie)) as client,
            Client(self.application, CONNECT, scope=other) as anonymous,
        ):
            await client.answers(1)
            await anonymous.answers(1)
            await sync_to_async(self.session.flush)()
            await client.ended()
            assert client.sent[-1] == {
                "type": "websocket.close",
                "code": 4401,
                "reason": "signed out",
            }
            assert not anonymous.task.done()
            anonymous.says(leave())

    async def test_a_user_who_is_disabled_after_many_looks(self) -> None:
        looks = 0

        async def look(scope: Any) -> bool:
            nonlocal looks
            looks += 1
            return await is_still_signed_in(scope)

        with mock.patch("channels.auth.is_still_signed_in", look):
            scope = websocket("/", self.cookie)
            async with Client(self.application, CONNECT, scope=scope) as client:
                await client.answers(1)
                while looks < 5:
                    await asyncio.sleep(0.001)
                (presence,) = users.everybody()
                assert len(presence.connection._tasks) <= 2, "looks that are over are not kept"  # type: ignore[attr-defined]
                await User.objects.aupdate(is_active=False)
                await client.ended()
        assert client.sent[-1]["code"] == 4401


class SignIn(SignedIn):
    async def test_who_signs_in_or_out_on_the_socket(self) -> None:
        bob = await User.objects.acreate(username="bob")

        class Desk(AsyncWebsocketConsumer):
            async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
                if text_data == "in":
                    await login(self.scope, bob)
                else:
                    await logout(self.scope)
                await self.send("done")

        application = AuthMiddlewareStack(Desk.as_asgi())
        async with Client(application, CONNECT, frame("in"), scope=websocket()) as client:
            await client.answers(2)
            assert [presence.user for presence in users.everybody()] == [str(bob.pk)]
            client.says(frame("out"))
            await client.answers(3)
            await aclose_user(bob)
            assert [presence.user for presence in users.everybody()] == [None]
            client.says(frame("in"))
            await client.answers(4)
            await aclose_user(bob, 4001)
            await client.ended()
        assert client.sent[-1]["code"] == 4001


async def test_a_database_that_is_away_closes_nobody(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNELS = {"REVALIDATE_SECONDS": 0.001}
    monkeypatch.setattr(revalidation, "failures", Rejections())
    looks = 0
    third = asyncio.Event()

    async def look(scope: Any) -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:
            third.set()
        raise OSError("away: password=hunter2")

    monkeypatch.setattr("channels.auth.is_still_signed_in", look)
    async with Client(Plain.as_asgi(), CONNECT, scope=websocket(user=User(pk=1))) as client:
        await third.wait()
        assert not client.task.done()
        client.says(leave())
    assert [record.getMessage() for record in caplog.records] == [
        (
            "Nobody could see whether a user is still signed in, OSError (user '1'). "
            "1 such since the last line."
        )
    ]


async def test_never_more_than_four_at_a_time(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNELS = {"REVALIDATE_SECONDS": 0.001}
    under_way: list[Any] = []
    most = 0
    seen: set[int] = set()
    enough = asyncio.Event()
    go_on = asyncio.Event()

    async def look(scope: Any) -> bool:
        nonlocal most
        under_way.append(scope)
        most = max(most, len(under_way))
        seen.add(scope["user"].pk)
        if len(under_way) == 4:
            enough.set()
        try:
            await go_on.wait()
        finally:
            under_way.remove(scope)
        return True

    monkeypatch.setattr("channels.auth.is_still_signed_in", look)
    clients = [
        Client(Plain.as_asgi(), CONNECT, scope=websocket(user=User(pk=number)))
        for number in range(20)
    ]
    for client in clients:
        await client.__aenter__()
    await enough.wait()
    for client in clients[:3]:  # in the middle of a look
        client.says(leave())
        await client.ended()
    go_on.set()
    while len(seen) < 20:
        await asyncio.sleep(0.001)
    for client in clients[3:]:
        client.says(leave())
        await client.ended()
    assert most == 4


async def test_off_by_default(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CHANNELS = {}
    monkeypatch.setattr(revalidation, "_alarms", None)  # would raise where it is used
    async with Client(Plain.as_asgi(), CONNECT, scope=websocket(user=User(pk=1))) as client:
        await client.answers(1)
        client.says(leave())
        await client.ended()
