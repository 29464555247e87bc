from typing import Any

import pytest
from asgiref.sync import async_to_sync

from channels.middleware import BaseMiddleware
from channels.threads import current_strand
from channels.typing import Receive, Scope, Send
from tests.wire import Wire, call, http


async def test_passes_everything_on() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> str:
        await send({"type": "seen", "event": await receive(), "scope": scope})
        return "done"

    wire, scope = Wire({"type": "http.request"}), http("/x")
    assert await wire.serve(BaseMiddleware(inner), scope) == "done"
    assert wire.sent == [{"type": "seen", "event": {"type": "http.request"}, "scope": scope}]


async def test_what_the_inner_application_adds_stays_inside() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> Scope:
        scope["added"] = True
        return scope

    scope = http()
    assert (await call(BaseMiddleware(inner), scope))["added"] is True
    assert "added" not in scope


async def test_a_subclass_works_on_the_scope_and_ends_with_super() -> None:
    class Tagged(BaseMiddleware):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
            scope = {**scope, "tag": "mine"}
            return await super().__call__(scope, receive, send)

    async def inner(scope: Scope, receive: Receive, send: Send) -> Any:
        return scope["tag"]

    middleware = Tagged(inner)
    assert middleware.inner is inner
    assert await call(middleware, http()) == "mine"


async def test_passes_exceptions_on() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await call(BaseMiddleware(inner), http())


async def strand_in_use(scope: Scope, receive: Receive, send: Send) -> Any:
    return current_strand()


async def test_gives_the_connection_a_strand_and_shares_that_of_an_outer_one() -> None:
    async def outer(scope: Scope, receive: Receive, send: Send) -> Any:
        return current_strand(), await BaseMiddleware(strand_in_use)(scope, receive, send)

    seen_outside, seen_inside = await call(BaseMiddleware(outer), http())
    assert seen_outside is not None
    assert seen_inside is seen_outside
    assert current_strand() is None


def test_leaves_sync_code_to_the_caller_under_async_to_sync() -> None:
    assert async_to_sync(call)(BaseMiddleware(strand_in_use), http()) is None
