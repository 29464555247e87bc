"""A connection against a server that the test plays."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

from channels.exceptions import BrokerUnavailableError
from channels.layers.redis import connection as module
from channels.layers.redis.connection import Commands, ConnectionLostError, ReplyError
from channels.layers.redis.subscriber import Subscriber
from tests.layers.tools import turns


class FakeServer:
    """Takes what comes, and says what the test tells it to."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.attempts = 0
        self.refuses = False

    async def open(self) -> Any:
        self.attempts += 1
        if self.refuses:
            raise RedisConnectionError("refused")
        connection = Connection(host="127.0.0.1", port=self.port, protocol=2)
        await connection._connect()
        return connection

    async def __aenter__(self) -> "FakeServer":
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for writer in self.writers:
            writer.close()
        await turns()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while chunk := await reader.read(1 << 20):
            self.chunks.append(chunk)
        writer.close()

    def say(self, data: bytes) -> None:
        self.writers[-1].write(data)

    def hang_up(self) -> None:
        self.writers[-1].transport.abort()

    async def heard(self, data: bytes) -> None:
        await until(lambda: data in b"".join(self.chunks))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as found:
        yield found


@pytest.fixture
async def commands(server: FakeServer) -> AsyncIterator[Commands]:
    found = Commands(server.open, "redis://fake")
    await found.ready(soon())
    yield found
    found.close()
    await turns()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)


# Commands


async def test_it_is_not_opened_before_it_is_wanted(server: FakeServer) -> None:
    commands = Commands(server.open, "redis://fake")
    await turns()
    assert server.attempts == 0
    commands.close()


async def test_calls_of_one_round_go_out_in_one_write(
    server: FakeServer, commands: Commands
) -> None:
    answers = [commands.call("ECHO", number) for number in range(50)]
    await until(lambda: server.chunks)
    await server.heard(b"$2\r\n49\r\n")
    assert len(server.chunks) == 1
    server.say(b"".join(b":%d\r\n" % number for number in range(50)))
    assert await asyncio.gather(*answers) == list(range(50))


async def test_a_call_that_was_cancelled_takes_its_answer_with_it(
    server: FakeServer, commands: Commands
) -> None:
    first, second = commands.call("ONE"), commands.call("TWO")
    first.cancel()
    await server.heard(b"TWO")
    server.say(b"+one\r\n+two\r\n")
    assert await second == b"two"


async def test_an_error_is_the_answer_of_one_call(server: FakeServer, commands: Commands) -> None:
    first, second = commands.call("ONE"), commands.call("TWO")
    await server.heard(b"TWO")
    server.say(b"-NOSCRIPT no such thing\r\n+two\r\n")
    with pytest.raises(ReplyError) as caught:
        await first
    assert caught.value.code == "NOSCRIPT"
    assert await second == b"two"


async def test_an_answer_in_pieces(server: FakeServer, commands: Commands) -> None:
    answer = commands.call("ONE")
    await server.heard(b"ONE")
    for piece in (b"*2\r\n$3\r\nab", b"c\r\n:", b"5\r\n"):
        server.say(piece)
        await turns()
    assert await answer == [b"abc", 5]


async def test_a_lost_connection_is_opened_again(server: FakeServer, commands: Commands) -> None:
    ups: list[int] = []
    commands.when_up(lambda: ups.append(1))
    answer = commands.call("ONE")
    await server.heard(b"ONE")
    server.hang_up()
    with pytest.raises(ConnectionLostError):
        await answer
    with pytest.raises(ConnectionLostError):
        await commands.call("TWO")
    await commands.ready(soon())
    assert (server.attempts, ups) == (2, [1])
    answer = commands.call("THREE")
    await server.heard(b"THREE")
    server.say(b"+three\r\n")
    assert await answer == b"three"


async def test_what_was_not_written_is_not_written_to_the_next_connection(
    server: FakeServer, commands: Commands
) -> None:
    lost = commands.call("LOST")
    commands.drop()
    with pytest.raises(ConnectionLostError):
        await lost
    await commands.ready(soon())
    commands.call("NEXT").cancel()
    await server.heard(b"NEXT")
    assert b"".join(server.chunks).count(b"NEXT") == 1


async def test_waiting_ends_at_the_deadline(server: FakeServer) -> None:
    server.refuses = True
    commands = Commands(server.open, "redis://fake")
    with pytest.raises(BrokerUnavailableError, match=r"deadline: refused"):
        await commands.ready(asyncio.get_running_loop().time() + 0.05)
    assert server.attempts > 1
    commands.close()
    await turns()


async def test_waiting_may_end_at_the_first_failure(server: FakeServer) -> None:
    server.refuses = True
    commands = Commands(server.open, "redis://fake")
    with pytest.raises(BrokerUnavailableError, match="on_outage='raise'"):
        await commands.ready(soon(), patient=False)
    assert server.attempts == 1
    commands.close()
    await turns()


async def test_not_everybody_may_wait(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    server.refuses = True
    commands = Commands(server.open, "redis://fake")
    waiting = [asyncio.ensure_future(commands.ready(soon())) for _ in range(2)]
    await turns()
    with pytest.raises(BrokerUnavailableError, match="2 calls wait"):
        await commands.ready(soon())
    commands.close()
    for task in waiting:
        with pytest.raises(BrokerUnavailableError, match="was closed"):
            await task


async def test_not_everybody_may_wait_for_answers(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    due = [commands.call("ONE"), commands.call("TWO")]
    with pytest.raises(BrokerUnavailableError, match="2 calls wait for an answer"):
        await commands.call("THREE")
    for answer in due:
        answer.cancel()


async def test_callers_wait_while_the_server_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_UNWRITTEN", 1000)
    taking = asyncio.Event()

    class SlowServer(FakeServer):
        async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await taking.wait()
            await super()._serve(reader, writer)

    async with SlowServer() as server:
        commands = Commands(server.open, "redis://fake")
        await commands.ready(soon())
        large = commands.call("SET", "key", b"x" * 50_000_000)
        await until(lambda: not commands.clear)
        assert commands.up
        waiting = asyncio.ensure_future(commands.ready(soon()))
        with pytest.raises(BrokerUnavailableError):
            await commands.ready(asyncio.get_running_loop().time() + 0.02)
        taking.set()
        await waiting
        server.say(b"+OK\r\n")
        assert await large == b"OK"
        commands.close()
        await turns()


async def test_attempts_are_logged_once(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "django.channels.layers")
    server.refuses = True
    commands = Commands(server.open, "redis://fake")
    commands.want()
    await until(lambda: server.attempts > 4)
    server.refuses = False
    await commands.ready(soon())
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "No connection to redis://fake, trying again: refused"),
        ("INFO", "The connection to redis://fake is back."),
    ]
    commands.close()
    await turns()


async def test_a_server_that_does_not_answer_is_given_up(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.05)
    commands = Commands(server.open, "redis://fake")
    await commands.ready(soon())
    with pytest.raises(ConnectionLostError):
        await asyncio.wait_for(commands.call("ONE"), 5)
    commands.close()
    await turns()


async def test_a_server_that_has_nothing_to_answer_is_not(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.02)
    commands = Commands(server.open, "redis://fake")
    await commands.ready(soon())
    await asyncio.sleep(0.1)
    assert (commands.up, server.attempts) == (True, 1)
    commands.close()
    await turns()


async def test_what_is_not_the_protocol_ends_the_connection(
    server: FakeServer, commands: Commands, caplog: pytest.LogCaptureFixture
) -> None:
    answer = commands.call("ONE")
    await server.heard(b"ONE")
    server.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ConnectionLostError):
        await answer
    assert "does not speak the Redis protocol" in caplog.text


async def test_closing(server: FakeServer, commands: Commands) -> None:
    answer = commands.call("ONE")
    commands.close()
    commands.close()
    with pytest.raises(ConnectionLostError):
        await answer
    await turns()
    assert server.attempts == 1
    with pytest.raises(BrokerUnavailableError, match="was closed"):
        await commands.ready(soon())


async def test_closing_while_connecting(server: FakeServer) -> None:
    commands = Commands(server.open, "redis://fake")
    commands.want()
    await turns(1)
    commands.close()
    await turns()
    assert asyncio.all_tasks() - {asyncio.current_task()} <= {
        task for task in asyncio.all_tasks() if "_serve" in repr(task)
    }


# Announcements


class Listening:
    """A subscriber and what it told."""

    def __init__(self, server: FakeServer) -> None:
        self.messages: list[tuple[bytes, bytes]] = []
        self.begun: list[bytes] = []
        self.subscriber = Subscriber(
            server.open,
            "redis://fake",
            on_message=lambda channel, data: self.messages.append((channel, data)),
            on_subscribed=self.begun.append,
        )


@pytest.fixture
async def listening(server: FakeServer) -> AsyncIterator[Listening]:
    found = Listening(server)
    found.subscriber.subscribe(b"a")
    await until(lambda: found.subscriber.up)
    yield found
    found.subscriber.close()
    await turns()


def confirmation(kind: str, channel: str) -> bytes:
    return f"*3\r\n${len(kind)}\r\n{kind}\r\n${len(channel)}\r\n{channel}\r\n:1\r\n".encode()


async def test_channels_of_one_round_are_asked_for_together(
    server: FakeServer, listening: Listening
) -> None:
    await server.heard(b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n")
    for name in (b"b", b"c"):
        listening.subscriber.subscribe(name)
    await server.heard(b"*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\nb\r\n$1\r\nc\r\n")
    for name in "abc":
        server.say(confirmation("subscribe", name))
    server.say(b"*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$2\r\nhi\r\n")
    await until(lambda: listening.messages)
    assert listening.begun == [b"a", b"b", b"c"]
    assert listening.messages == [(b"b", b"hi")]


async def test_only_the_last_confirmation_counts(server: FakeServer, listening: Listening) -> None:
    """A channel that was left and joined again: the first confirmation is of the time before."""
    await server.heard(b"SUBSCRIBE")
    subscriber = listening.subscriber
    subscriber.unsubscribe(b"a")
    await server.heard(b"UNSUBSCRIBE")
    subscriber.subscribe(b"a")
    await until(lambda: b"".join(server.chunks).count(b"\nSUBSCRIBE") == 2)
    server.say(confirmation("subscribe", "a") + confirmation("unsubscribe", "a"))
    await asyncio.sleep(0.02)
    assert listening.begun == []
    server.say(confirmation("subscribe", "a"))
    await until(lambda: listening.begun)


async def test_everything_is_asked_for_again_after_a_loss(
    server: FakeServer, listening: Listening
) -> None:
    listening.subscriber.subscribe(b"b")
    await server.heard(b"\nb\r\n")
    server.say(confirmation("subscribe", "a") + confirmation("subscribe", "b"))
    await until(lambda: len(listening.begun) == 2)
    server.chunks.clear()
    server.hang_up()
    await server.heard(b"*3\r\n$9\r\nSUBSCRIBE\r\n")
    server.say(confirmation("subscribe", "a") + confirmation("subscribe", "b"))
    await until(lambda: len(listening.begun) == 4)


async def test_a_subscription_that_the_server_ended_is_asked_for_again(
    server: FakeServer, listening: Listening
) -> None:
    await server.heard(b"SUBSCRIBE")
    server.say(confirmation("subscribe", "a"))
    await until(lambda: listening.begun)
    server.chunks.clear()
    server.say(confirmation("unsubscribe", "a"))
    await server.heard(b"SUBSCRIBE")


async def test_a_refusal_is_answered_with_pauses_and_one_line(
    server: FakeServer, listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1, 4):
        await until(lambda number=number: len(server.writers) == number)
        await server.heard(b"SUBSCRIBE")
        server.chunks.clear()
        server.say(b"-NOPERM this user may not\r\n")
    await until(lambda: server.attempts == 4)
    (record,) = caplog.records
    assert "refuses what the layer needs" in record.getMessage()


async def test_a_silent_connection_is_asked_whether_it_is_there(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.04)
    listening = Listening(server)
    listening.subscriber.subscribe(b"a")
    await server.heard(b"PING")
    await until(lambda: server.attempts == 2)
    listening.subscriber.close()
    await turns()
