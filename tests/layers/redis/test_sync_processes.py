"""Sync code, threads, children and loops that come and go share one connection of their process."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from channels.layers.redis import RedisChannelLayer
from tests.layers.redis.processes import numbers, quiet, run
from tests.redis_servers import Cluster, Server, redis_server

EIGHT_THREADS = """
def work(sender):
    for number in range(125):
        send(number, sender)
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with redis_server("redis") as found:
        yield found


class Room:
    """The member of a group, in this process, that gets what the programs send."""

    def __init__(self, layer: RedisChannelLayer, channel: str) -> None:
        self._layer = layer
        self._channel = channel

    async def messages(self, number: int) -> list[Any]:
        async with asyncio.timeout(30):
            found = [await self._layer.receive(self._channel) for _ in range(number)]
        with pytest.raises(TimeoutError):
            # Nothing came twice.
            await asyncio.wait_for(self._layer.receive(self._channel), 0.05)
        return found


@pytest.fixture
async def room(server: Server) -> AsyncIterator[Room]:
    layer = RedisChannelLayer(hosts=[server.url], capacity=5000)
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    yield Room(layer, channel)
    await layer.close()


OURS = 2
"""Connections of the room."""


class TestConnections:
    async def test_eight_threads(self, server: Server, room: Room) -> None:
        out = await quiet(
            server,
            EIGHT_THREADS
            + "in_threads(*[lambda sender=sender: work(sender) for sender in range(8)])\n"
            "print(connections())",
        )
        assert out == [str(OURS + 1)]
        got = numbers(await room.messages(1000))
        assert got == {sender: list(range(125)) for sender in range(8)}

    async def test_no_connection_for_a_call(self, server: Server, room: Room) -> None:
        """Not even one that is closed at once."""

        async def ever() -> int:
            info = await asyncio.to_thread(server.command, "INFO", "stats")
            lines = dict(line.split(":") for line in info.decode().split() if ":" in line)
            return int(lines["total_connections_received"])

        before = await ever()
        await quiet(
            server,
            "for number in range(100): send(number)\n"
            "for number in range(100): async_to_sync(asend)(number)\n"
            "for number in range(100): asyncio.run(asend(number))\n",
        )
        # One of the program, and one of ours that asks.
        assert await ever() - before == 2
        assert len(await room.messages(300)) == 300

    async def test_loops_that_come_and_go(self, server: Server, room: Room) -> None:
        out = await quiet(
            server,
            """
for number in range(500):
    async_to_sync(asend)(number, 0)
def work():
    for number in range(500):
        asyncio.run(asend(number, 1))
in_threads(work)
print(connections())
""",
        )
        assert out == [str(OURS + 1)]
        got = numbers(await room.messages(1000))
        assert got == {0: list(range(500)), 1: list(range(500))}

    async def test_everything_at_once_in_a_process_that_only_sends(
        self, server: Server, room: Room
    ) -> None:
        out = await quiet(
            server,
            EIGHT_THREADS
            + """
async def lasting():
    for number in range(125):
        await asend(number, 8)
    print(connections())
    await asyncio.sleep(0)
def short():
    for number in range(125):
        async_to_sync(asend)(number, 9)
in_threads(*[lambda sender=sender: work(sender) for sender in range(8)], short,
           lambda: asyncio.run(lasting()))
print(connections())
""",
        )
        most, after = map(int, out)
        assert most <= OURS + 2
        assert after == OURS + 1
        got = numbers(await room.messages(1250))
        assert got == {sender: list(range(125)) for sender in range(10)}

    async def test_a_process_that_also_receives(self, server: Server, room: Room) -> None:
        out = await quiet(
            server,
            EIGHT_THREADS
            + """
async def main():
    channel = await layer.new_channel()
    await layer.group_add("here", channel)
    await asyncio.gather(*[asyncio.to_thread(work, sender) for sender in range(8)])
    await sync_to_async(async_to_sync(layer.group_send))("here", {"type": "x", "n": 1})
    await asyncio.to_thread(layer.sync.group_send, "here", {"type": "x", "n": 2})
    await layer.group_send("here", {"type": "x", "n": 3})
    print([(await layer.receive(channel))["n"] for _ in range(3)], connections())
asyncio.run(main())
print(connections())
""",
        )
        assert out == [f"[1, 2, 3] {OURS + 3}", str(OURS + 1)]
        assert len(await room.messages(1000)) == 1000


async def test_several_hosts() -> None:
    """One connection of the process to each."""
    with redis_server("redis") as one, redis_server("redis") as two:
        out = await quiet(
            [one, two],
            """
def work(sender):
    for number in range(100):
        layer.sync.group_send(f"room-{number}", {"type": "x"})
in_threads(*[lambda sender=sender: work(sender) for sender in range(4)])
print(connections_by_server())
""",
        )
    assert out == ["[1, 1]"]


class TestOnACluster:
    """One node more, one connection more; and not another for each call, thread or group."""

    async def test_a_process_that_only_sends(self, redis_cluster: Cluster) -> None:
        out = await quiet(
            redis_cluster,
            """
before = connections_by_server()
def spread(sender):
    for number in range(50):
        layer.sync.group_send(f"{os.getpid()}-{number}", {"type": "x"})
def short():
    for number in range(20):
        async_to_sync(layer.group_send)(f"{os.getpid()}-{number}", {"type": "x"})
in_threads(*[lambda sender=sender: spread(sender) for sender in range(4)], short)
print(json.dumps([now - then for now, then in zip(connections_by_server(), before)]))
def child():
    spread(0)
    print(json.dumps([now - then for now, then in zip(connections_by_server(), before)]))
in_child(child)
""",
        )
        assert [json.loads(line) for line in out] == [[1, 1, 1], [2, 2, 2]]

    async def test_a_process_that_also_receives(self, redis_cluster: Cluster) -> None:
        out = await quiet(
            redis_cluster,
            """
before = connections_by_server()
async def main():
    channel = await layer.new_channel()
    for number in range(50):
        await layer.group_add(f"{os.getpid()}-{number}", channel)
    def view():
        for number in range(50):
            layer.sync.group_send(f"{os.getpid()}-{number}", {"type": "x", "n": number})
    await asyncio.to_thread(view)
    assert sorted([(await layer.receive(channel))["n"] for _ in range(50)]) == list(range(50))
    print(json.dumps([now - then for now, then in zip(connections_by_server(), before)]))
asyncio.run(main())
""",
        )
        assert [json.loads(line) for line in out] == [[3, 3, 3]]


class TestChildren:
    async def test_a_forked_child(self, server: Server, room: Room) -> None:
        out = await quiet(
            server,
            EIGHT_THREADS
            + """
send(0, 0)
def child():
    in_threads(*[lambda sender=sender: work(sender) for sender in range(1, 9)])
    print("child", connections(), flush=True)
in_child(child)
send(1, 0)
print("parent", connections())
""",
        )
        assert out == [f"child {OURS + 2}", f"parent {OURS + 1}"]
        got = numbers(await room.messages(1002))
        assert got.pop(0) == [0, 1]
        assert got == {sender: list(range(125)) for sender in range(1, 9)}

    async def test_a_child_whose_parent_never_sent(self, server: Server, room: Room) -> None:
        out = await quiet(server, "in_child(lambda: send(0))\nprint(connections())")
        assert out == [str(OURS)]
        assert numbers(await room.messages(1)) == {0: [0]}

    @pytest.mark.slow
    async def test_a_child_that_sends_nothing(self, server: Server, room: Room) -> None:
        """Its exit closes nothing of the parent's."""
        await quiet(
            server,
            "import gc\nsend(0)\nin_child(gc.collect)\nsend(1)\nassert connections() == 3",
        )
        assert numbers(await room.messages(2)) == {0: [0, 1]}

    @pytest.mark.slow
    async def test_of_multiprocessing(self, server: Server, room: Room) -> None:
        await quiet(
            server,
            """
send(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.starmap(send, [(1,), (2,), (3,)])
    assert connections() <= 5, connections()
    pool.close()
    pool.join()
send(4)
assert connections() == 3, connections()
""",
        )
        got = numbers(await room.messages(5))[0]
        assert (sorted(got), got[0], got[-1]) == ([0, 1, 2, 3, 4], 0, 4)

    async def test_of_a_thread_that_is_just_sending(self, server: Server, room: Room) -> None:
        """A fork in the middle of other threads' calls, as often as it takes to meet a lock."""
        await quiet(
            server,
            """
over = threading.Event()
def busy(sender):
    number = 0
    while not over.is_set() or number < 50:
        send(number, sender)
        number += 1
threads = [threading.Thread(target=busy, args=[sender]) for sender in (1, 2)]
for thread in threads: thread.start()
for number in range(20):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        send(number)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
over.set()
for thread in threads: thread.join()
""",
        )
        got: list[int] = []
        async with asyncio.timeout(30):
            while len(got) < 20:
                message = await room._layer.receive(room._channel)
                if message["from"] == 0:
                    got.append(message["n"])
        assert got == list(range(20))

    async def test_inside_a_running_loop(self, server: Server, room: Room) -> None:
        """A child forked where mailboxes are: the parent keeps its connections."""
        await quiet(
            server,
            """
async def main():
    channel = await layer.new_channel()
    await layer.group_add("here", channel)
    child = os.fork()
    if child == 0:
        send(0)
        os._exit(0)
    assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
    await layer.group_send("here", {"type": "x"})
    assert (await layer.receive(channel)) == {"type": "x"}
    assert connections() == 4, connections()
asyncio.run(main())
""",
        )
        assert numbers(await room.messages(1)) == {0: [0]}


class TestExit:
    """In development mode, with warnings as errors: ``quiet`` fails for a single line."""

    @pytest.mark.parametrize(
        "body",
        [
            "send(0)",
            pytest.param("send(0); sys.exit(0)", marks=pytest.mark.slow),
            pytest.param("in_threads(lambda: send(0))", marks=pytest.mark.slow),
            pytest.param("async_to_sync(asend)(0)", marks=pytest.mark.slow),
            "asyncio.run(asend(0))",
            "import atexit; send(0); atexit.register(send, 1)",
            pytest.param("import uvloop; uvloop.run(asend(0))", marks=pytest.mark.slow),
            """
async def many():
    for number in range(100):
        await asend(number)
asyncio.run(many())
""",
            pytest.param(
                """
import uvloop
async def many():
    for number in range(100):
        await asend(number)
uvloop.run(many())
""",
                marks=pytest.mark.slow,
            ),
            """
async def main():
    channel = await layer.new_channel()
    layer.attach(channel, print)
    await layer.group_add("room", channel)
    await sync_to_async(send)(0)
asyncio.run(main())
""",
            """
def forever():
    while True: send(0)
threading.Thread(target=forever, daemon=True).start()
send(1)
""",
        ],
    )
    async def test_says_nothing(self, server: Server, body: str) -> None:
        if "daemon" in body:
            done = await run(server, body)
            # What the thread that is left behind says is its own affair.
            assert done.code == 0
            assert "Warning" not in done.err
        else:
            await quiet(server, body)

    async def test_after_the_broker_went_away(self, server: Server) -> None:
        done = await run(
            server,
            f"send(0)\nos.kill({server.pid}, signal.SIGKILL)\n"
            "try:\n    layer.sync.group_send('room', {'type': 'x'}, timeout=0.2)\n"
            "except Exception as error: print(type(error).__name__)",
        )
        assert (done.code, done.out) == (0, ["TimeoutError"]), done
        assert "Warning" not in done.err
