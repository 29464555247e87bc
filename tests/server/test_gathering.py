"""Writes that are gathered: what reaches the sockets, when, and in which order."""

import asyncio
import gc
import threading
import weakref

import pytest

from channels.server.gathering import (
    MOST_BYTES,
    MOST_CLIENTS,
    GatheringTransport,
    Round,
    round_of,
)

LIMIT = 10


class Socket(asyncio.Transport):
    """The server's own transport: notes what it is told, on a log that several may share."""

    def __init__(self, name="it", log=None):
        self.name = name
        self.log = [] if log is None else log
        self.closing = self.fails = False

    def write(self, data):
        if self.fails:
            raise RuntimeError("a broken transport")
        self.log.append((self.name, data))

    def close(self):
        self.closing = True
        self.log.append((self.name, "close"))

    def is_closing(self):
        return self.closing

    def pause_reading(self):
        self.log.append((self.name, "pause"))

    def resume_reading(self):
        self.log.append((self.name, "resume"))


async def end_of_round():
    """What was scheduled before this has run after it."""
    await asyncio.sleep(0)


@pytest.fixture
async def current():
    return Round(asyncio.get_running_loop())


def clients(current, count):
    """Clients with one log of all that reaches their sockets."""
    log = []
    return [GatheringTransport(Socket(number, log), current) for number in range(count)], log


async def test_a_rounds_writes_to_a_client_are_one(current):
    (client,), log = clients(current, 1)
    client.write(b"a")
    client.write(b"b")
    client.write(bytearray(b"c"))
    assert log == []
    await end_of_round()
    assert log == [(0, b"abc")]
    client.write(b"d")
    await end_of_round()
    assert log == [(0, b"abc"), (0, b"d")]


async def test_all_clients_are_written_to_together_in_the_order_of_their_first_bytes(current):
    (one, two, three), log = clients(current, 3)
    two.write(b"a")
    one.write(b"b")
    two.write(b"c")
    three.write(b"")
    await end_of_round()
    assert log == [(1, b"ac"), (0, b"b")]


async def test_what_a_client_did_not_keep_is_not_changed_afterwards(current):
    (client,), log = clients(current, 1)
    data = bytearray(b"abc")
    client.write(data)
    data[:] = b"xyz"
    await end_of_round()
    assert log == [(0, b"abc")]


async def test_many_clients_do_not_wait_for_the_end_of_the_round(current):
    many, log = clients(current, MOST_CLIENTS + 1)
    for number, client in enumerate(many):
        assert len(log) == (0 if number < MOST_CLIENTS else MOST_CLIENTS)
        client.write(b"x")
    await end_of_round()
    assert log == [(number, b"x") for number in range(MOST_CLIENTS + 1)]


async def test_much_for_one_client_does_not_wait_either(current):
    (client,), log = clients(current, 1)
    client.write(b"a" * MOST_BYTES)
    assert log == []
    client.write(b"b")
    assert log == [(0, b"a" * MOST_BYTES)]
    client.write(b"c")
    client.write(b"d" * MOST_BYTES)
    assert log[1:] == [(0, b"bc")]
    await end_of_round()
    await end_of_round()
    assert log[2:] == [(0, b"d" * MOST_BYTES)]


async def test_a_close_comes_after_all_that_was_written(current):
    (client,), log = clients(current, 1)
    client.takes_frames = True
    client.write(b"a")
    assert client.write_frame(b"b") is True
    client.close()
    assert log == [(0, b"ab"), (0, "close")]
    assert client.is_closing()
    assert client.write_frame(b"c") is False
    await end_of_round()
    assert len(log) == 2


async def test_what_was_gathered_for_a_client_that_has_gone_is_forgotten(current):
    (client,), log = clients(current, 1)
    client.write(b"a")
    client._transport.closing = True  # the socket failed, as a transport finds out by itself
    await end_of_round()
    client.close()
    assert log == [(0, "close")]


async def test_a_transport_that_fails_keeps_no_other_client_waiting(current):
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    (one, two), log = clients(current, 2)
    one._transport.fails = True
    one.write(b"a")
    two.write(b"b")
    await end_of_round()
    assert log == [(1, b"b")]
    (error,) = errors
    assert isinstance(error["exception"], RuntimeError)


async def test_a_transport_that_fails_is_closed_all_the_same(current):
    (client,), log = clients(current, 1)
    client._transport.fails = True
    client.write(b"a")
    with pytest.raises(RuntimeError, match="broken"):
        client.close()
    assert log == [(0, "close")]


async def test_frames_are_taken_when_the_protocol_says_so(current):
    (client,), log = clients(current, 1)
    assert client.write_frame(b"a") is False
    client.takes_frames = True
    assert client.write_frame(b"b") is True
    client.write(b"c")
    assert client.write_frame(b"d") is True
    client.takes_frames = False
    assert client.write_frame(b"e") is False
    await end_of_round()
    assert log == [(0, b"bcd")]


async def test_a_write_from_another_thread_wakes_the_loop(current):
    (client,), _ = clients(current, 1)
    arrived = asyncio.get_running_loop().create_future()
    client._transport.write = arrived.set_result

    has_arrived = threading.Event()

    async def write_there():
        client.write(b"a")
        has_arrived.wait(LIMIT)  # the loop there is busy with something else

    writing = threading.Thread(target=asyncio.run, args=(write_there(),))
    writing.start()
    try:
        assert await asyncio.wait_for(arrived, LIMIT) == b"a"
    finally:
        has_arrived.set()
        writing.join()

    arrived = asyncio.get_running_loop().create_future()
    client._transport.write = arrived.set_result
    writing = threading.Thread(target=client.write, args=(b"b",))  # where no loop runs
    writing.start()
    assert await asyncio.wait_for(arrived, LIMIT) == b"b"
    writing.join()


async def test_reading_is_the_sockets_business(current):
    (client,), log = clients(current, 1)
    client.pause_reading()
    client.resume_reading()
    assert log == [(0, "pause"), (0, "resume")]


async def test_each_loop_has_its_round():
    async def here():
        return round_of(asyncio.get_running_loop())

    assert await here() is await here()
    other = await asyncio.to_thread(asyncio.run, here())
    assert other is not await here()


def test_a_round_does_not_keep_its_loop():
    async def here():
        loop = asyncio.get_running_loop()
        GatheringTransport(Socket(), round_of(loop)).write(b"a")
        await end_of_round()
        return weakref.ref(loop)

    loop = asyncio.run(here())
    gc.collect()
    assert loop() is None
