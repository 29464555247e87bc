"""The database from consumers: every way in which ``database_sync_to_async`` is written."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, assert_type

from django.contrib.auth.models import User

from channels.consumer import AsyncConsumer
from channels.db import DatabaseSyncToAsync, aclose_old_connections, database_sync_to_async


def find_user(name: str, *, active: bool = True) -> User:
    return User.objects.get(username=name, is_active=active)


@database_sync_to_async
def decorated(name: str) -> User:
    return User.objects.get(username=name)


@database_sync_to_async(thread_sensitive=False)
def decorated_with_arguments(count: int) -> list[str]:
    return [user.username for user in User.objects.all()[:count]]


@database_sync_to_async()
def decorated_with_brackets() -> int:
    return User.objects.count()


class Account(AsyncConsumer):
    async def account_show(self, event: dict[str, Any]) -> None:
        assert_type(await self.user(event["name"]), User)
        assert_type(await self.count(limit=3), int)
        assert_type(await self.name_of(1), str)
        await self.send({"type": "websocket.send", "text": str(await self.count())})

    @database_sync_to_async
    def user(self, name: str) -> User:
        return find_user(name)

    @database_sync_to_async(thread_sensitive=True)
    def count(self, limit: int = 10) -> int:
        return User.objects.all()[:limit].count()

    @staticmethod
    @database_sync_to_async
    def name_of(key: int) -> str:
        return User.objects.get(pk=key).username


async def call_in_place() -> None:
    assert_type(await database_sync_to_async(find_user)("ann", active=False), User)
    assert_type(await database_sync_to_async(User.objects.count)(), int)
    assert_type(await database_sync_to_async(lambda: 1)(), int)
    assert_type(await database_sync_to_async(find_user, thread_sensitive=False)("ann"), User)
    with ThreadPoolExecutor(max_workers=1) as pool:
        in_a_pool = database_sync_to_async(find_user, thread_sensitive=False, executor=pool)
        assert_type(await in_a_pool("ann"), User)
    assert_type(await DatabaseSyncToAsync(find_user)("ann"), User)
    assert_type(await decorated("ann"), User)
    assert_type(await decorated_with_arguments(3), list[str])
    assert_type(await decorated_with_brackets(), int)
    await aclose_old_connections()


async def call_wrongly() -> None:
    await decorated(3)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await Account().user()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
