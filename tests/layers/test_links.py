"""Which loop uses which link."""

import asyncio
import gc
import os
import threading
from collections.abc import Iterator
from typing import Any
from weakref import ref

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from channels.layers.background import background
from channels.layers.links import CALLS_THAT_LAST, Links
from channels.layers.sync import _step
from tests.layers.tools import LoopThread, loop_threads, turns

# From Python 3.12 on: that a process with threads forks.
pytestmark = pytest.mark.filterwarnings("ignore:This process .pid=:DeprecationWarning")


class Link:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closed = 0

    async def use(self, *extra: int) -> "Link":
        assert asyncio.get_running_loop() is self.loop
        await asyncio.sleep(0)
        assert not self.closed
        return self

    async def close(self) -> None:
        assert asyncio.get_running_loop() is self.loop
        await asyncio.sleep(0)
        self.closed += 1


@pytest.fixture
def links() -> Iterator[Links[Link]]:
    yield Links(Link, Link.close)
    background.stop()


@pytest.fixture
def far() -> Iterator[LoopThread]:
    with loop_threads(1) as (thread,):
        yield thread


async def use(links: Links[Link], times: int = 1) -> list[Link]:
    """The links that served this many calls in a row, each once."""
    return list(dict.fromkeys([await links.call(Link.use, 1) for _ in range(times)]))


def on_the_background(link: Link) -> bool:
    return background.runs(link.loop)


class TestOwners:
    async def test_a_loop_that_claimed_one_uses_it(self, links: Links[Link]) -> None:
        link = links.claim()
        assert links.claim() is link
        assert await use(links) == [link]
        assert links.links() == [link]

    async def test_each_loop_its_own(self, links: Links[Link], far: LoopThread) -> None:
        link, other = links.claim(), far.call(links.claim)
        assert other.loop is far.loop
        assert (await use(links), far.run(use(links))) == ([link], [other])

    def test_nobody_claims_without_a_loop(self, links: Links[Link]) -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            links.claim()

    def test_its_link_ends_with_the_loop(self, links: Links[Link]) -> None:
        async def main() -> Link:
            return links.claim()

        link = asyncio.run(main())
        assert link.closed == 1
        assert links.links() == []

    def test_a_loop_that_was_closed_without_a_word_is_not_kept(self, links: Links[Link]) -> None:
        async def main() -> Link:
            return links.claim()

        loop = asyncio.new_event_loop()
        link = loop.run_until_complete(main())
        loop.close()
        gone = ref(loop)
        del loop, link
        asyncio.run(main())
        gc.collect()
        assert (links.links(), gone()) == ([], None)

    def test_two_layers_have_links_of_their_own(self, links: Links[Link]) -> None:
        other = Links(Link, Link.close)
        assert background.run(use, links) != background.run(use, other)


class TestEverybodyElse:
    async def test_a_loop_that_only_sends(self, links: Links[Link]) -> None:
        (link,) = await use(links)
        assert on_the_background(link)
        assert await use(links) == [link]
        assert links.links() == [link]

    def test_loops_that_come_and_go(self, links: Links[Link]) -> None:
        found = [asyncio.run(use(links))[0] for _ in range(2 * CALLS_THAT_LAST)]
        assert len(set(found)) == 1
        assert on_the_background(found[0])

    def test_loops_of_async_to_sync_however_much_they_send(self, links: Links[Link]) -> None:
        found = async_to_sync(use)(links, 3 * CALLS_THAT_LAST)
        assert list(map(on_the_background, found)) == [True]

    def test_code_without_a_loop(self, links: Links[Link]) -> None:
        found = {_step(links.call(Link.use)) for _ in range(3 * CALLS_THAT_LAST)}
        assert list(map(on_the_background, found)) == [True]

    async def test_sync_code_of_an_owner(self, links: Links[Link]) -> None:
        link = links.claim()

        def view() -> Link:
            found: Link = _step(links.call(Link.use))
            return found

        assert on_the_background(await sync_to_async(view)())
        assert await sync_to_async(async_to_sync(links.call))(Link.use) is link, "it runs here"

    def test_the_background_loop_itself(self, links: Links[Link]) -> None:
        found = background.run(use, links, 3 * CALLS_THAT_LAST)
        assert list(map(on_the_background, found)) == [True]
        # It does not count as the one loop that lasts.
        assert len(asyncio.run(use(links, 3 * CALLS_THAT_LAST))) == 2

    def test_an_error_of_the_link(self, links: Links[Link]) -> None:
        async def fail(link: Link) -> None:
            raise LookupError

        with pytest.raises(LookupError):
            _step(links.call(fail))


class TestLoopsThatLast:
    async def test_gets_a_link_of_its_own(self, links: Links[Link]) -> None:
        shared = await use(links, CALLS_THAT_LAST)
        assert list(map(on_the_background, shared)) == [True]
        (own,) = await use(links, 5)
        assert own.loop is asyncio.get_running_loop()

    async def test_one_at_a_time(self, links: Links[Link], far: LoopThread) -> None:
        await use(links, CALLS_THAT_LAST + 1)
        found = far.run(use(links, 3 * CALLS_THAT_LAST))
        assert list(map(on_the_background, found)) == [True]
        assert len(links.links()) == 2

    def test_the_next_one_when_it_has_ended(self, links: Links[Link]) -> None:
        first = asyncio.run(use(links, CALLS_THAT_LAST + 1))[-1]
        assert first.closed == 1
        second = asyncio.run(use(links, CALLS_THAT_LAST + 1))[-1]
        assert not on_the_background(second)

    async def test_calls_of_loops_that_take_turns_do_not_add_up(
        self, links: Links[Link], far: LoopThread
    ) -> None:
        for _ in range(2 * CALLS_THAT_LAST):
            await use(links)
            far.run(use(links))
        assert list(map(on_the_background, links.links())) == [True]


class TestClose:
    async def test_all_of_them(self, links: Links[Link], far: LoopThread) -> None:
        shared = (await use(links))[0]
        own, other = links.claim(), far.call(links.claim)
        await links.close()
        assert (own.closed, shared.closed) == (1, 1)
        far.run(turns())
        assert (other.closed, links.links()) == (1, [])
        assert links.claim() is not own

    async def test_not_waiting_for_a_loop_that_stands_still(self, links: Links[Link]) -> None:
        still = asyncio.new_event_loop()
        await asyncio.to_thread(still.run_until_complete, self.claim(links))
        await links.close()
        assert len(links.links()) == 1
        still.close()
        await links.close()

    @staticmethod
    async def claim(links: Links[Link]) -> None:
        links.claim()


class TestForks:
    def test_a_child_has_none_and_closes_none(self, links: Links[Link]) -> None:
        link = background.run(use, links)[0]
        child = os.fork()
        if child == 0:
            try:
                assert links.links() == []
                own = _step(links.call(Link.use))
                assert own is not link
                assert link.closed == 0
            except BaseException:
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert background.run(use, links) == [link]

    def test_a_child_does_not_wake_its_parents_loop(self, links: Links[Link]) -> None:
        """The socket for it is shared, and what is thrown away might write to it."""
        loop: Any = background.run(use, links)[0].loop
        woken: list[Any] = []
        wake = loop.call_soon_threadsafe

        def note(*args: Any) -> Any:
            woken.append(args)
            return wake(*args)

        loop.call_soon_threadsafe = note
        child = os.fork()
        if child == 0:
            gc.collect()
            os._exit(len(woken))
        assert os.waitpid(child, 0)[1] == 0

    def test_not_even_what_a_lock_guarded(self, links: Links[Link]) -> None:
        holds, release = threading.Event(), threading.Event()

        def hold() -> None:
            with links._lock:
                holds.set()
                release.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        assert holds.wait(10)
        child = os.fork()
        if child == 0:
            import signal

            signal.alarm(10)
            _step(links.call(Link.use))
            os._exit(0)
        release.set()
        thread.join(10)
        assert os.waitpid(child, 0)[1] == 0
