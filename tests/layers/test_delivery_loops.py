"""Mailboxes with readers on several event loops, in several threads."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.layers.post import EXPIRY, Post, numbered_snapshot, waiting
from tests.layers.tools import Clock, LoopThread, loop_threads, turns


@pytest.fixture
def post(clock: Clock) -> Post:
    return Post(clock)


@pytest.fixture
def far() -> Iterator[LoopThread]:
    with loop_threads(1) as (thread,):
        yield thread


class TestLoopsAndThreads:
    """A loop of ``LoopThread`` sleeps in its selector: only a thread-safe call wakes it."""

    def receive_on(self, far: LoopThread, post: Post, channel: str = "a") -> Any:
        got = far.start(post.get(channel))
        far.run(turns())
        assert not got.done()
        return got

    async def test_from_this_loop_to_another(self, post: Post, far: LoopThread) -> None:
        got = self.receive_on(far, post)
        post.send(1)
        assert got.result(timeout=10) == 1
        assert post.empty()

    def test_from_a_thread_without_a_loop(self, post: Post, far: LoopThread) -> None:
        got = self.receive_on(far, post)
        post.send(1)
        assert got.result(timeout=10) == 1

    async def test_one_call_for_each_loop_however_many_readers(
        self, post: Post, far: LoopThread, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heard: list[str] = []
        done = threading.Event()

        def wake(channel: str) -> None:
            heard.append(channel)
            if len(heard) == 3:
                done.set()

        for channel in "abc":
            far.call(lambda channel=channel: post.listen(channel, lambda: wake(channel)))
        calls = []
        call_soon = far.loop.call_soon_threadsafe

        def count(*arguments: Any) -> Any:
            calls.append(arguments)
            return call_soon(*arguments)

        monkeypatch.setattr(far.loop, "call_soon_threadsafe", count)
        with post.lock:
            _, awake = post.fill("abc", numbered_snapshot(1))
        post.wake(awake)
        assert done.wait(10)
        assert (heard, len(calls)) == (["a", "b", "c"], 1)

    async def test_wakes_happen_on_the_readers_own_thread(
        self, post: Post, far: LoopThread
    ) -> None:
        where: list[int] = []
        done = threading.Event()

        def wake() -> None:
            where.append(threading.get_ident())
            done.set()

        far.call(lambda: post.listen("a", wake))
        post.send(1)
        assert done.wait(10)
        assert where == [far.call(threading.get_ident)]

    async def test_readers_on_two_loops_share_a_channel(self, post: Post) -> None:
        with loop_threads(2) as (one, two):
            first = self.receive_on(one, post)
            second = self.receive_on(two, post)
            post.send(1)
            assert first.result(timeout=10) == 1
            post.send(2)
            assert second.result(timeout=10) == 2

    async def test_cancelled_on_one_loop_passed_on_to_another(
        self, post: Post, far: LoopThread
    ) -> None:
        (here,) = await waiting(post, "a")
        got = self.receive_on(far, post)
        post.send(1)
        here.cancel()
        await asyncio.wait([here])
        assert got.result(timeout=10) == 1

    async def test_a_waiter_on_a_closed_loop_keeps_nothing_from_the_others(
        self, post: Post, far: LoopThread
    ) -> None:
        self.receive_on(far, post)
        far.stop()
        (here,) = await waiting(post, "a")
        post.send(1)
        assert await here == 1
        assert post.empty()

    async def test_nor_do_many(self, post: Post, far: LoopThread) -> None:
        for _ in range(3):
            self.receive_on(far, post)
        self.receive_on(far, post, "b")
        far.stop()
        tasks = await waiting(post, "a", "a")
        post.send(1, 2, 3)
        assert [await task for task in tasks] == [1, 2]
        assert list(post.boxes) == ["a"]  # and "b", whose only reader is gone, is not there

    async def test_mail_for_a_closed_loop_waits_for_a_new_reader(
        self, post: Post, far: LoopThread
    ) -> None:
        self.receive_on(far, post)
        far.stop()
        post.send(1)
        assert await post.get() == 1

    async def test_or_expires(self, post: Post, far: LoopThread, clock: Clock) -> None:
        self.receive_on(far, post)
        far.stop()
        post.send(1)
        clock.advance(EXPIRY)
        post.send(2, to="other")
        assert list(post.boxes) == ["other"]

    async def test_a_listener_on_a_closed_loop_is_let_go(
        self, post: Post, far: LoopThread, clock: Clock
    ) -> None:
        far.call(lambda: post.listen("a", lambda: None))
        far.stop()
        assert post.send(1) == [True]
        assert not post.listened_to("a")
        clock.advance(EXPIRY)
        post.send(2, to="other")
        assert list(post.boxes) == ["other"]

    def test_nothing_is_lost_or_doubled_between_threads(self, clock: Clock) -> None:
        post = Post(clock, capacity=100_000)
        each, senders = 300, 3

        async def receive(total: list[int]) -> None:
            while (number := await post.get()) >= 0:
                total.append(number)

        with loop_threads(2) as (one, two):
            received: list[list[int]] = [[], []]
            readers = [one.start(receive(received[0])), two.start(receive(received[1]))]
            begin = threading.Barrier(senders)

            def send(first: int) -> None:
                begin.wait()
                post.send(*range(first, first + each))

            threads = [
                threading.Thread(target=send, args=(number * each,)) for number in range(senders)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            post.send(-1, -1)
            for reader in readers:
                reader.result(timeout=20)
        assert sorted(received[0] + received[1]) == list(range(each * senders))
        for numbers in received:
            for sender in range(senders):
                own = [number for number in numbers if number // each == sender]
                assert own == sorted(own), "one sender's messages came out of order"
        assert post.empty()
