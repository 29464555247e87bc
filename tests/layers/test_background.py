"""The loop for those who have none that lasts."""

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from channels.layers.background import Background, background, patience
from tests.layers.tools import LoopThread, loop_threads

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


# From Python 3.12 on: that a process with threads forks.
pytestmark = pytest.mark.filterwarnings("ignore:This process .pid=:DeprecationWarning")


@pytest.fixture
def loop() -> Iterator[Background]:
    found = Background()
    yield found
    found.stop()


@pytest.fixture
def far() -> Iterator[LoopThread]:
    with loop_threads(1) as (thread,):
        yield thread


class Stuck:
    """A coroutine function that waits until it is cancelled."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()

    async def __call__(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


async def where() -> tuple[asyncio.AbstractEventLoop, str]:
    return asyncio.get_running_loop(), threading.current_thread().name


async def fail(error: BaseException) -> None:
    raise error


class TestFromAThread:
    def test_runs_on_one_loop_in_a_thread_of_its_own(self, loop: Background) -> None:
        found = {loop.run(where) for _ in range(5)}
        ((_, thread),) = found
        assert thread == "channels-background"

    def test_takes_arguments_and_gives_the_result_back(self, loop: Background) -> None:
        async def add(one: int, *, two: int) -> int:
            return one + two

        assert loop.run(add, 1, two=2) == 3

    def test_starts_nothing_before_it_is_needed(self, loop: Background) -> None:
        before = threading.active_count()
        Background()
        assert threading.active_count() == before

    def test_threads_that_begin_together_share_it(self, loop: Background) -> None:
        together = threading.Barrier(8, timeout=10)
        found = set()

        def call() -> None:
            together.wait()
            found.add(loop.run(where))

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(found) == 1

    def test_calls_of_threads_do_not_wait_for_each_other(self, loop: Background) -> None:
        stuck = Stuck()
        answer = loop.submit(stuck)
        loop.run(where)
        assert stuck.began.is_set()
        assert not answer.done()
        answer.cancel()
        assert stuck.ended.wait(10)

    def test_an_error_is_the_same_object_with_a_way_to_both_ends(self, loop: Background) -> None:
        error = LookupError("no such thing")
        with pytest.raises(LookupError) as caught:
            loop.run(fail, error)
        assert caught.value is error
        names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert names[0] == "test_an_error_is_the_same_object_with_a_way_to_both_ends"
        assert names[-1] == "fail"

    def test_a_call_that_gives_no_coroutine(self, loop: Background) -> None:
        with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
            loop.run(where, colour="red")  # type: ignore[call-arg]

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
    def test_what_ends_other_loops_does_not_end_this_one(
        self, loop: Background, kind: type[BaseException]
    ) -> None:
        before = loop.run(where)
        with pytest.raises(kind):
            loop.run(fail, kind())
        assert loop.run(where) == before

    def test_runs_in_a_copy_of_the_callers_context(self, loop: Background) -> None:
        async def paint() -> str:
            before = COLOUR.get()
            COLOUR.set("green")
            return before

        def call() -> tuple[str, str]:
            COLOUR.set("red")
            return loop.run(paint), COLOUR.get()

        assert contextvars.copy_context().run(call) == ("red", "red")

    def test_begins_anew_after_a_stop(self, loop: Background) -> None:
        first, _ = loop.run(where)
        loop.stop()
        assert first.is_closed()
        second, _ = loop.run(where)
        assert second is not first

    def test_a_stop_without_a_start_does_nothing(self, loop: Background) -> None:
        loop.stop()

    @pytest.mark.leaves_tasks
    def test_a_stop_ends_what_runs_there(self, loop: Background) -> None:
        stuck = Stuck()
        errors: list[BaseException] = []

        def call() -> None:
            try:
                loop.run(stuck)
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        assert stuck.began.wait(10)
        loop.stop()
        thread.join(10)
        assert stuck.ended.is_set()
        assert "interpreter is going down" in str(errors)

    def test_no_thread_for_the_loop(
        self, loop: Background, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            loop.run(where)
        monkeypatch.undo()
        loop.run(where)


class TestGivingUp:
    def test_a_timeout_cancels_and_says_so(self, loop: Background) -> None:
        stuck = Stuck()
        token = patience.set(0.01)
        try:
            with pytest.raises(TimeoutError, match=r"No answer within 0\.01 s.*still have its eff"):
                loop.run(stuck)
        finally:
            patience.reset(token)
        assert stuck.ended.wait(10)

    def test_a_timeout_of_the_coroutines_own_is_told_as_it_is(self, loop: Background) -> None:
        error = TimeoutError("the broker's")
        token = patience.set(10)
        try:
            with pytest.raises(TimeoutError, match="the broker's") as caught:
                loop.run(fail, error)
        finally:
            patience.reset(token)
        assert caught.value is error

    def test_what_a_signal_handler_raises_ends_the_wait(self, loop: Background) -> None:
        """Ctrl-C, and what Celery raises when a task takes too long."""

        class TimeIsUpError(BaseException):
            pass

        def handler(number: int, frame: object) -> None:
            raise TimeIsUpError

        stuck = Stuck()

        async def kill() -> None:
            os.kill(os.getpid(), signal.SIGUSR1)
            await stuck()

        before = signal.signal(signal.SIGUSR1, handler)
        try:
            with pytest.raises(TimeIsUpError):
                loop.run(kill)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert stuck.ended.wait(10)
        loop.run(where)

    def test_a_signal_handler_may_call(self, loop: Background) -> None:
        """Also while its thread is in the middle of a call."""
        found = []

        def handler(number: int, frame: object) -> None:
            found.append(loop.run(where))

        async def kill() -> None:
            os.kill(os.getpid(), signal.SIGUSR1)
            while not found:
                await asyncio.sleep(0.001)

        before = signal.signal(signal.SIGUSR1, handler)
        try:
            loop.run(kill)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert len(found) == 1

    def test_a_thread_that_holds_the_lock_may_come_in_again(self, loop: Background) -> None:
        """As a signal handler does that comes while its thread starts the loop."""
        with loop._lock:
            loop.run(where)

    async def test_a_cancelled_caller_cancels_the_call(self, loop: Background) -> None:
        stuck = Stuck()
        task = asyncio.ensure_future(loop.call(stuck))
        assert await asyncio.to_thread(stuck.began.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(stuck.ended.wait, 10)

    def test_an_error_after_the_cancellation_bothers_nobody(
        self, loop: Background, caplog: pytest.LogCaptureFixture
    ) -> None:
        stuck = Stuck()

        async def stubborn() -> None:
            try:
                await stuck()
            finally:
                raise LookupError

        answer = loop.submit(stubborn)
        assert stuck.began.wait(10)
        answer.cancel()
        assert stuck.ended.wait(10)
        loop.run(where)
        assert caplog.records == []


class TestFromALoop:
    async def test_blocking_is_refused(self, loop: Background) -> None:
        with pytest.raises(RuntimeError, match=r"that runs an event loop.*await layer"):
            loop.run(where)
        with pytest.raises(RuntimeError, match="event loop"):
            background.run(where)

    async def test_the_call_is_awaited(self, loop: Background, far: LoopThread) -> None:
        here = await loop.call(where)
        assert here[1] == "channels-background"
        assert far.run(loop.call(where)) == here

    async def test_an_error_is_raised_where_it_is_awaited(self, loop: Background) -> None:
        error = LookupError()
        with pytest.raises(LookupError) as caught:
            await loop.call(fail, error)
        assert caught.value is error

    async def test_a_call_from_there_goes_nowhere_else(self, loop: Background) -> None:
        async def nested() -> bool:
            here = asyncio.current_task()

            async def inner() -> bool:
                return asyncio.current_task() is here

            return await loop.call(inner)

        assert await loop.call(nested)

    async def test_sync_code_of_a_loop_that_waits(self, loop: Background) -> None:
        assert (await sync_to_async(loop.run)(where))[1] == "channels-background"

    def test_loops_that_come_and_go(self, loop: Background) -> None:
        found = {asyncio.run(loop.call(where)) for _ in range(5)}
        found |= {async_to_sync(loop.call)(where) for _ in range(5)}
        assert len(found) == 1

    def test_a_loop_that_is_closed_while_it_waits(
        self, loop: Background, caplog: pytest.LogCaptureFixture
    ) -> None:
        release, ended = threading.Event(), threading.Event()

        async def wait() -> None:
            await asyncio.to_thread(release.wait, 10)
            ended.set()

        gone = asyncio.new_event_loop()
        task = gone.create_task(loop.call(wait))
        gone.run_until_complete(asyncio.sleep(0))
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        gone.close()
        release.set()
        assert ended.wait(10)
        loop.run(where)
        assert caplog.records == []


class TestThreadSensitiveCode:
    """What runs there must not need the thread that waits for it."""

    @staticmethod
    async def thread() -> str:
        return await sync_to_async(lambda: threading.current_thread().name)()

    def test_of_a_plain_thread(self, loop: Background) -> None:
        assert loop.run(self.thread) != threading.current_thread().name

    def test_of_the_thread_that_all_such_code_shares(self, loop: Background) -> None:
        """asgiref's single thread: as a sync view behind ASGI."""

        async def view() -> str:
            return await sync_to_async(loop.run)(self.thread)

        assert asyncio.run(view()) == loop.run(self.thread)

    def test_of_a_thread_that_waits_in_async_to_sync(self, loop: Background) -> None:
        async def view() -> str:
            return await sync_to_async(loop.run)(self.thread)

        assert async_to_sync(view)() == loop.run(self.thread)


class TestForks:
    def test_a_child_has_a_loop_of_its_own(self, loop: Background) -> None:
        loop.run(where)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                same = loop._loop is not None
                _, name = loop.run(where)
                loop.stop()
                os.write(write, f"{same} {name}".encode())
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as told:
            assert told.read() == "False channels-background"
        assert os.waitpid(child, 0)[1] == 0
        loop.run(where)

    def test_a_child_is_not_kept_waiting_by_a_lock_of_another_thread(
        self, loop: Background
    ) -> None:
        holds, release = threading.Event(), threading.Event()

        def hold() -> None:
            with loop._lock:
                holds.set()
                release.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        assert holds.wait(10)
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            loop.run(where)
            os._exit(0)
        release.set()
        thread.join(10)
        assert os.waitpid(child, 0)[1] == 0


EXIT = """
import asyncio, atexit, sys, threading
from channels.layers.background import background
from channels.layers.loop_end import at_loop_end

async def work():
    global watch
    async def end():
        print("closed", flush=True)
    watch = at_loop_end(end)
    return 1

{body}
"""


def python(body: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """A process in development mode, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", EXIT.format(body=body)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class TestExit:
    @pytest.mark.parametrize(
        "body",
        [
            "background.run(work)",
            "threading.Thread(target=background.run, args=[work]).start()",
            "asyncio.run(background.call(work))",
            "background.run(work); sys.exit(0)",
            "background.run(work); background.submit(asyncio.sleep, 1000)",
            # A thread that outlives the main one, and that the interpreter waits for.
            """main = threading.main_thread()
threading.Thread(target=lambda: (main.join(), background.run(work))).start()""",
            # A handler that is registered later is called earlier.
            "background.run(asyncio.sleep, 0); atexit.register(background.run, work)",
            # The daemon thread waits and is not waited for.
            """args = [asyncio.sleep, 1000]
threading.Thread(target=background.run, args=args, daemon=True).start()
background.run(work)""",
        ],
    )
    def test_leaves_nothing_and_says_nothing(self, body: str) -> None:
        done = python(body)
        if "daemon" in body:
            # What the abandoned thread itself has to say is its own affair.
            assert "ResourceWarning" not in done.stderr
            done.stderr = ""
        assert (done.stdout, done.stderr, done.returncode) == ("closed\n", "", 0)

    def test_a_call_after_the_end_says_what_is_wrong(self) -> None:
        done = python("atexit.register(background.run, work); background.run(asyncio.sleep, 0)")
        assert "the loop for calls from sync code" in done.stderr
        assert "closed" not in done.stdout

    def test_ctrl_c_while_a_thread_waits(self) -> None:
        done = python(
            "import os, signal\n"
            "async def stuck():\n"
            "    os.kill(os.getpid(), signal.SIGINT)\n"
            "    await asyncio.Event().wait()\n"
            "try:\n"
            "    background.run(stuck)\n"
            "except KeyboardInterrupt:\n"
            "    print('interrupted', background.run(work))\n"
        )
        assert (done.stdout, done.stderr, done.returncode) == ("interrupted 1\nclosed\n", "", 0)
