"""Mailboxes and their readers: waiting, cancelling, several loops and threads."""

import asyncio
import threading

import pytest

from tests.layers.post import EXPIRY, Post, cancel, numbered_snapshot, waiting
from tests.layers.tools import Clock, turns


@pytest.fixture
def post(clock: Clock) -> Post:
    return Post(clock)


class TestWaiters:
    async def test_mail_that_waits_is_received_at_once(self, post: Post) -> None:
        post.send(1, 2)
        coroutine = post.receive("a")
        with pytest.raises(StopIteration) as stopped:
            coroutine.send(None)  # one step: it never suspends
        assert stopped.value.value.message()["n"] == 1
        assert await post.get() == 2
        assert post.empty()

    async def test_a_waiter_gets_what_comes(self, post: Post) -> None:
        (task,) = await waiting(post, "a")
        post.send(1)
        assert await task == 1
        assert post.empty()

    async def test_a_send_runs_no_receiver_inside_itself(self, post: Post) -> None:
        (task,) = await waiting(post, "a")
        post.send(1)
        assert not task.done()
        assert await task == 1

    async def test_each_message_goes_to_one_and_who_waits_longest_is_first(
        self, post: Post
    ) -> None:
        tasks = await waiting(post, "a", "a", "a")
        post.send(1)
        await turns()
        assert [task.done() for task in tasks] == [True, False, False]
        post.send(2, 3)
        assert [await task for task in tasks] == [1, 2, 3]
        assert post.empty()

    async def test_a_newcomer_may_take_what_another_was_woken_for(self, post: Post) -> None:
        (first,) = await waiting(post, "a")
        post.send(1)
        assert await post.get() == 1
        await turns()
        assert not first.done()
        post.send(2)
        assert await first == 2

    async def test_what_expires_between_the_call_and_the_look_is_not_received(
        self, post: Post, clock: Clock
    ) -> None:
        (task,) = await waiting(post, "a")
        post.send(1)
        clock.advance(EXPIRY)
        await turns()
        assert not task.done()
        post.send(2)
        assert await task == 2
        assert post.drops.counts == {"expired": 1}

    async def test_channels_are_separate(self, post: Post) -> None:
        (a,) = await waiting(post, "a")
        post.send(1, to="b")
        await turns()
        assert not a.done()
        assert await post.get("b") == 1
        await cancel(a)
        assert post.empty()


class TestCancellation:
    async def test_one_of_two(self, post: Post) -> None:
        first, second = await waiting(post, "a", "a")
        await cancel(first)
        post.send(1)
        assert await second == 1
        assert post.empty()

    async def test_nothing_is_left_of_cancelled_receivers(self, post: Post) -> None:
        await cancel(*await waiting(post, "a", "a", "b"))
        assert post.empty()

    async def test_a_receiver_that_was_woken_passes_the_message_on(self, post: Post) -> None:
        first, second = await waiting(post, "a", "a")
        post.send(1)
        first.cancel()
        assert await second == 1
        assert first.cancelled()
        assert post.empty()

    async def test_all_that_were_woken_pass_all_on(self, post: Post) -> None:
        tasks = await waiting(post, "a", "a", "a", "a")
        post.send(1, 2)
        tasks[0].cancel()
        tasks[1].cancel()
        assert [await tasks[2], await tasks[3]] == [1, 2]

    async def test_a_message_that_nobody_else_waits_for_stays(self, post: Post) -> None:
        (task,) = await waiting(post, "a")
        post.send(1)
        await cancel(task)
        assert await post.get() == 1
        assert post.empty()

    async def test_and_is_swept_if_nobody_comes(self, post: Post, clock: Clock) -> None:
        (task,) = await waiting(post, "a")
        post.send(1)
        await cancel(task)
        clock.advance(EXPIRY)
        post.send(2, to="other")
        assert list(post.boxes) == ["other"]

    async def test_a_woken_receiver_passes_on_to_a_listener(self, post: Post) -> None:
        calls: list[str] = []
        box = post.listen("a", lambda: calls.append("wake"))
        (task,) = await waiting(post, "a")
        post.send(1)
        assert calls == []
        await cancel(task)
        assert calls == ["wake"]
        found = post.take("a", box)
        assert found is not None
        assert found.message()["n"] == 1

    async def test_cancelled_after_it_took_the_message_is_too_late(self, post: Post) -> None:
        (task,) = await waiting(post, "a")
        post.send(1)
        await turns()
        task.cancel()
        assert await task == 1

    async def test_order_survives_cancellation(self, post: Post) -> None:
        for round_ in range(20):
            first, second = await waiting(post, "a", "a")
            post.send(1, 2, 3)
            (first if round_ % 2 else second).cancel()
            rest = second if round_ % 2 else first
            assert [await rest, await post.get(), await post.get()] == [1, 2, 3]

    async def test_a_receiver_that_is_closed_by_hand(self, post: Post) -> None:
        coroutine = post.receive("a")
        coroutine.send(None)
        assert list(post.boxes) == ["a"]
        coroutine.close()
        assert post.empty()

    async def test_wait_for_with_a_timeout_that_is_over(self, post: Post) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(post.receive("a"), 0)
        assert post.empty()


class TestListeners:
    async def test_called_for_each_message(self, post: Post) -> None:
        calls: list[int] = []
        box = post.listen("a", lambda: calls.append(box.qsize()))
        post.send(1)
        assert calls == [], "nothing of the receiver runs inside a send"
        await asyncio.sleep(0)
        post.send(2)
        await asyncio.sleep(0)
        assert calls == [1, 2]
        assert _numbers(post, "a") == [1, 2]

    async def test_called_without_the_lock(self, post: Post) -> None:
        """The listener's code is not ours: it may take locks, or wait for a thread that sends."""
        free: list[bool] = []

        def try_lock() -> None:
            acquired = post.lock.acquire(blocking=False)
            free.append(acquired)
            if acquired:
                post.lock.release()

        def wake() -> None:
            thread = threading.Thread(target=try_lock)
            thread.start()
            thread.join()

        post.listen("a", wake)
        post.send(1)
        await asyncio.sleep(0)
        assert free == [True]

    async def test_one_that_fails_keeps_no_other_from_being_called(self, post: Post) -> None:
        calls: list[str] = []
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: faults.append(context["exception"])
        )
        fault = ZeroDivisionError()

        def fail() -> None:
            raise fault

        post.listen("a", fail)
        post.listen("b", lambda: calls.append("b"))
        with post.lock:
            _, awake = post.fill("ab", numbered_snapshot(1))
        post.wake(awake)
        await turns()
        assert calls == ["b"]
        assert faults == [fault]

    async def test_one_that_comes_after_the_mail_is_called_soon(self, post: Post) -> None:
        post.send(1)
        calls: list[str] = []
        post.listen("a", lambda: calls.append("wake"))
        assert calls == []
        await turns()
        assert calls == ["wake"]

    async def test_the_mailbox_stays_as_long_as_the_listener(
        self, post: Post, clock: Clock
    ) -> None:
        box = post.listen("a", lambda: None)
        post.send(1)
        assert _numbers(post, "a") == [1]
        clock.advance(10 * EXPIRY)
        post.send(1, to="b")
        assert post.boxes["a"] is box
        post.ignore("a", box)
        assert "a" not in post.boxes

    async def test_what_was_not_read_is_dropped_with_the_listener(self, post: Post) -> None:
        box = post.listen("a", lambda: None)
        post.send(1, 2)
        post.ignore("a", box)
        assert post.empty()
        assert post.drops.counts == {"closed": 2}

    async def test_expired_mail_is_not_handed_out(self, post: Post, clock: Clock) -> None:
        box = post.listen("a", lambda: None)
        post.send(1)
        clock.advance(EXPIRY)
        assert post.take("a", box) is None
        assert post.drops.counts == {"expired": 1}


class TestTakenEarly:
    def test_all_but_the_last_message(self, post: Post) -> None:
        post.send(1, 2, 3)
        taken = [post.take_early("a") for _ in range(3)]
        assert [t and t.message()["n"] for t in taken] == [1, 2, None]
        assert _numbers(post, "a") == [3]

    def test_nothing_of_a_channel_without_mail(self, post: Post) -> None:
        assert post.take_early("a") is None
        assert post.empty()

    async def test_not_what_has_expired(self, post: Post, clock: Clock) -> None:
        post.send(1)
        clock.now += EXPIRY / 2
        post.send(2, 3)
        clock.now += EXPIRY / 2
        assert post.take_early("a") is None
        assert await post.get() == 2
        assert post.drops.counts["expired"] == 1


def _numbers(post: Post, channel: str) -> list[int]:
    box = post.boxes[channel]
    return [found.message()["n"] for found in iter(lambda: post.take(channel, box), None)]


class TestBounds:
    async def test_full(self, clock: Clock) -> None:
        post = Post(clock, capacity=2)
        assert post.send(1, 2, 3) == [True, True, False]
        assert await post.get() == 1
        assert post.send(4) == [True]
        assert [await post.get(), await post.get()] == [2, 4]

    async def test_expired_mail_takes_no_room(self, clock: Clock) -> None:
        post = Post(clock, capacity=2)
        post.send(1, 2)
        clock.advance(EXPIRY)
        assert post.send(3, 4, 5) == [True, True, False]
        assert post.drops.counts == {"expired": 2}
        assert await post.get() == 3

    async def test_no_capacity_leaves_no_mailbox(self, clock: Clock) -> None:
        post = Post(clock, capacity=0)
        assert post.send(1) == [False]
        assert post.empty()

    async def test_many_channels_that_nobody_reads(self, post: Post, clock: Clock) -> None:
        for number in range(10_000):
            post.send(number, to=f"c{number}")
        assert len(post.boxes) == 10_000
        clock.advance(EXPIRY)
        for number in range(10_000 // 4):
            post.send(number, to="one")
            assert await post.get("one") == number
        assert post.empty()

    async def test_channels_that_nobody_reads_for_ever(self, post: Post, clock: Clock) -> None:
        """Whatever is sent: no more is kept than came in the last ``EXPIRY`` seconds."""
        for number in range(3000):
            post.send(number, to=f"c{number}")
            clock.advance(1)
            assert len(post.boxes) <= EXPIRY + 1

    async def test_a_sweep_is_small(self, post: Post, clock: Clock) -> None:
        for number in range(1000):
            post.send(number, to=f"c{number}")
        clock.advance(EXPIRY)
        post.send(1, to="one")
        assert 990 < len(post.boxes) < 1000

    async def test_young_mail_is_not_swept(self, post: Post, clock: Clock) -> None:
        post.send(1)
        clock.advance(EXPIRY - 1)
        post.send(2)
        clock.advance(1)
        post.send(3, to="other")
        assert await post.get() == 2

    async def test_and_is_looked_at_again_later(self, post: Post, clock: Clock) -> None:
        post.send(1)
        clock.advance(EXPIRY - 1)
        post.send(2)
        for _ in range(3):
            clock.advance(EXPIRY)
            post.send(3, to="other")
        assert list(post.boxes) == ["other"]

    async def test_mail_that_is_read_leaves_nothing_to_sweep(self, post: Post) -> None:
        for number in range(100):
            post.send(number)
            await post.get()
        assert post.empty()

    async def test_a_thousand_receivers_and_none_left(self, post: Post) -> None:
        tasks = await waiting(post, *["a"] * 1000)
        post.send(*range(100))
        assert sorted(await asyncio.gather(*tasks[:100])) == list(range(100))
        await cancel(*tasks[100:])
        assert post.empty()

    async def test_drop_expired_and_clear(self, post: Post, clock: Clock) -> None:
        post.send(1, to="old")
        (task,) = await waiting(post, "read")
        clock.advance(EXPIRY)
        post.send(2, to="new")
        post.drop_expired()
        assert set(post.boxes) == {"read", "new"}
        post.clear()
        assert set(post.boxes) == {"read"}
        post.send(3, to="read")
        assert await task == 3
        assert post.empty()
