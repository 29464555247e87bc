"""``on_error``: asked first, and what it says becomes of the connection."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from tests.behaviours.tools import written_for
from tests.client import CONNECT, Client, frame, leave
from tests.failing import Failed, Steps, failing, no_task_left, nothing_left, provoke
from tests.sync_calls import entered, making_gates

families = pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
places = pytest.mark.parametrize("where", ["connect", "after accept", "receive", "note"])


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    async with no_task_left():
        yield


def asked(base: type, where: str, answer: Any, error: BaseException | None = None) -> Any:
    """A consumer that fails, and answers (or raises) when it is asked; and its account."""

    def on_error(self: Any, exc: Exception) -> Steps:
        log.append(exc)
        yield None
        if isinstance(answer, Exception):
            raise answer
        return answer

    application, log = failing(base, where, error)
    return written_for(application.consumer_class, on_error=on_error).as_asgi(), log


def closes(client: Client) -> list[Any]:
    return [m.get("code") for m in client.sent if m["type"] == "websocket.close"]


@families
@places
async def test_a_code_ends_the_connection_in_place_of_the_exception(base: type, where: str) -> None:
    error = Failed("mine")
    application, log = asked(base, where, 4003, error)
    async with Client(application, CONNECT) as client:
        await provoke(client, where)
        assert await client.ended() is None
    assert log == ["connect", error, 4003], "asked before disconnect, and once"
    assert closes(client) == [4003], "before accept too: nothing else tells the server"
    nothing_left()


@families
@places
async def test_without_an_answer_it_ends_as_ever(base: type, where: str) -> None:
    error = Failed("mine")
    application, log = asked(base, where, None, error)
    async with Client(application, CONNECT) as client:
        await provoke(client, where)
        with pytest.raises(Failed) as caught:
            await client.ended()
    assert caught.value is error
    assert log == ["connect", error, 1011]
    assert closes(client) == [1011] * (where != "connect")
    nothing_left()


@families
async def test_it_is_asked_before_the_client_is_told(base: type) -> None:
    sent_by_then: list[str] = []

    def on_error(self: Any, exc: Exception) -> Steps:
        sent_by_then.extend(client.types)
        yield self.send("sorry")

    application, _ = failing(base, "receive")
    consumer = written_for(application.consumer_class, on_error=on_error)
    async with Client(consumer.as_asgi(), CONNECT, frame("x")) as client:
        with pytest.raises(Failed):
            await client.ended()
    assert sent_by_then == ["websocket.accept"]
    assert client.texts == ["sorry"], "it may still say something"
    assert client.types[-1] == "websocket.close"


@families
async def test_what_it_raises_leaves_and_shows_the_first_error_too(base: type) -> None:
    error, own = Failed("mine"), LookupError("its own")
    application, log = asked(base, "receive", own, error)
    async with Client(application, CONNECT, frame("x")) as client:
        with pytest.raises(LookupError) as caught:
            await client.ended()
    assert caught.value is own
    assert own.__context__ is error
    assert log == ["connect", error, 1011]


@families
async def test_it_may_raise_what_it_was_given(base: type) -> None:
    error = Failed("mine")
    application, _ = asked(base, "receive", error, error)
    async with Client(application, CONNECT, frame("x")) as client:
        with pytest.raises(Failed) as caught:
            await client.ended()
    assert caught.value is error


@pytest.mark.parametrize("answer", [True, "4003", 999, 5000, 1005, 1006, 4003.0, 0])
async def test_what_is_no_code_is_an_error_that_names_it(answer: Any) -> None:
    error = Failed("mine")
    application, log = asked(AsyncWebsocketConsumer, "receive", answer, error)
    async with Client(application, CONNECT, frame("x")) as client:
        with pytest.raises(ValueError, match="on_error") as caught:
            await client.ended()
    assert repr(answer) in str(caught.value)
    assert caught.value.__context__ is error
    assert log == ["connect", error, 1011]
    assert closes(client) == [1011]


@families
@pytest.mark.parametrize(
    "ending", [StopConsumer(), asyncio.CancelledError(), None], ids=["stop", "stray", "client"]
)
async def test_it_is_not_asked_where_no_exception_ends_it(
    base: type, ending: BaseException | None
) -> None:
    application, log = asked(base, "nowhere" if ending is None else "receive", 4003, ending)
    async with Client(application, CONNECT, frame("x"), leave(4001)) as client:
        try:
            await client.ended()
        except asyncio.CancelledError:
            assert isinstance(ending, asyncio.CancelledError)
    assert not any(isinstance(entry, BaseException) for entry in log)


async def test_an_error_of_disconnect_is_not_one_that_ends_the_connection() -> None:
    application, log = asked(AsyncWebsocketConsumer, "disconnect", 4003)
    async with Client(application, CONNECT, leave(4001)) as client:
        with pytest.raises(Failed):
            await client.ended()
    assert log == ["connect", 4001]


async def test_one_that_hangs_gets_the_grace() -> None:
    class Hangs(AsyncWebsocketConsumer):
        grace_seconds = 0.01
        codes: list[int] = []

        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            raise Failed

        async def on_error(self, exc: Exception) -> int | None:
            await asyncio.Event().wait()
            return None

        async def disconnect(self, code: int) -> None:
            self.codes.append(code)

    async with Client(Hangs(), CONNECT, frame("x")) as client:
        with pytest.raises(TimeoutError) as caught:
            await client.ended()
    assert isinstance(caught.value.__context__, BaseException)
    assert Hangs.codes == [1011]


async def test_a_sync_one_that_hangs_is_left_behind() -> None:
    with making_gates() as make_gate:
        gate = make_gate()

        class Hangs(WebsocketConsumer):
            grace_seconds = 0.01
            codes: list[int] = []

            def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
                raise Failed

            def on_error(self, exc: Exception) -> int | None:
                gate()
                return 4003

            def disconnect(self, code: int) -> None:
                self.codes.append(code)

        async with Client(Hangs(), CONNECT, frame("x")) as client:
            await entered(gate)
            with pytest.raises(TimeoutError):
                await client.ended()
        assert Hangs.codes == [1011]


async def test_it_runs_where_handlers_run() -> None:
    class Looks(AsyncWebsocketConsumer):
        async def receive(self, text_data: str | None = None, bytes_data: Any = None) -> None:
            await sync_to_async(lambda: 1)()
            raise Failed

        async def on_error(self, exc: Exception) -> int | None:
            return await sync_to_async(lambda: 4009)()

    async with Client(Looks(), CONNECT, frame("x")) as client:
        await client.ended()
    assert closes(client) == [4009]
