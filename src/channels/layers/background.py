"""The event loop of those who have none that lasts: sync code, and loops that come and go.

One for the process, in a thread of its own, started by the first call that needs it. What a layer
opens there, its connection to a broker first of all, stays open from call to call and serves all
threads. It ends at the interpreter's exit, after all threads that the exit waits for, and begins
anew in a forked child.
"""

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextvars import ContextVar
from functools import partial
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

from channels.layers.forks import forget_after_fork, keep_inherited

P = ParamSpec("P")
T = TypeVar("T")

THREAD_NAME = "channels-background"

SECONDS_TO_END = 5.0
"""How long the interpreter's exit waits for the loop's connections to be closed."""

patience: ContextVar[float | None] = ContextVar("channels_patience", default=None)
"""Seconds that a thread waits for the background loop; ``None`` for as long as it takes."""


class Background:
    """A loop that runs other threads' coroutines. All methods may be called from any thread."""

    def __init__(self) -> None:
        # Reentrant: a signal handler may send while its thread is just starting the loop.
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._threads = ThreadSensitiveContext()
        self._is_over = False
        forget_after_fork(self)

    def runs(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether ``loop`` is this one."""
        return loop is self._loop

    def submit(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Have ``await function(…)`` run on the loop, in a copy of the caller's context, but with a
        thread of its own for thread-sensitive code.

        Cancelling the future cancels it there.

        Raises:
            RuntimeError: the interpreter is going down, or the system has no thread left.
        """
        answer: Future[T] = Future()
        self._submit(answer, function, *args, **kwargs)
        return answer

    def _submit(
        self,
        answer: Future[T],
        function: Callable[P, Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        threads = self._threads

        def begin() -> None:
            # Sync code must not be sent to a thread that stands still until it is done. (That of
            # async_to_sync is not: asgiref shows it to nobody on another thread.)
            SyncToAsync.thread_sensitive_context.set(threads)
            # The coroutine is made here and not before: one that never ran would be warned of.
            task = asyncio.ensure_future(_answer(answer, function, *args, **kwargs))
            answer.add_done_callback(partial(_give_up, task))

        with self._lock:
            self._started().call_soon_threadsafe(begin)

    def run(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Block this thread until ``await function(…)`` is done there, at most :data:`patience`.

        Whatever ends the wait early (the timeout, Ctrl-C, a signal handler that raises) cancels the
        coroutine, and this does not wait for it to end: it may have had its effect.

        Raises:
            TimeoutError: patience is at its end.
            RuntimeError: this thread runs an event loop, which must not stand still; or the
                interpreter is going down.
            BaseException: what the coroutine raised, the same object.
        """
        refuse_to_block_a_loop()
        # Made before: what a signal's handler raises may come at any moment of what follows.
        answer: Future[T] = Future()
        seconds = patience.get()
        try:
            self._submit(answer, function, *args, **kwargs)
            return answer.result(seconds)
        except CancelledError:
            raise RuntimeError(
                "The call was cancelled, because the interpreter is going down. It may have had "
                "its effect."
            ) from None
        except TimeoutError:
            if answer.done():
                raise  # the coroutine's own
            raise TimeoutError(
                f"No answer within {seconds} s, so the call was given up. It may still have its "
                "effect."
            ) from None
        finally:
            answer.cancel()  # where it is done, this does nothing
            del answer  # or an error that it brought would hold itself, through this frame

    async def call(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Wait, on whatever loop the caller runs, for ``await function(…)`` on this one.

        Where no loop runs at all, which is so inside a coroutine that
        :class:`~channels.layers.sync.SyncLayer` steps through by hand, this blocks as :meth:`run`.

        Cancellation: cancels the coroutine, without waiting for it to end.
        """
        here = running_loop()
        if here is None:
            return self.run(function, *args, **kwargs)
        if here is self._loop:
            return await function(*args, **kwargs)
        return await asyncio.wrap_future(self.submit(function, *args, **kwargs))

    def stop(self) -> None:
        """End the loop, with all that runs on it; the next call starts another."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
            if loop is not None:
                loop.call_soon_threadsafe(loop.stop)
        # Without the lock: what ends there may look for the loop.
        if thread is not None:
            thread.join(SECONDS_TO_END)

    def forget_inherited(self) -> None:
        keep_inherited((self._loop, self._thread, self._threads))
        self._lock = threading.RLock()
        self._loop = self._thread = None
        self._threads = ThreadSensitiveContext()

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            if self._is_over:
                raise RuntimeError(
                    "The interpreter is going down, and with it the loop for calls from sync code. "
                    "Send before: in the code that ends, or in an atexit handler that is "
                    "registered after the first call."
                )
            # Not a loop of the policy: what is asked of this one is little, and always the same.
            loop = asyncio.SelectorEventLoop()
            thread = threading.Thread(target=_serve, args=[loop], name=THREAD_NAME, daemon=True)
            try:
                thread.start()
            except BaseException:
                loop.close()
                raise
            self._loop, self._thread = loop, thread
            # A child of multiprocessing has lost its parent's; nobody needs two.
            atexit.unregister(self._end)
            atexit.register(self._end)
        return self._loop

    def _end(self) -> None:
        self._is_over = True
        self.stop()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def refuse_to_block_a_loop() -> None:
    """Raises:
    RuntimeError: this thread runs an event loop.
    """
    if running_loop() is not None:
        raise RuntimeError(
            "layer.sync was called in a thread that runs an event loop, which would stand still "
            "meanwhile. Await the layer's own method here, such as "
            "'await layer.group_send(group, message)', or call this function through "
            "sync_to_async."
        )


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    # The runner cancels what is left, closes asynchronous generators, joins threads, closes.
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop().run_forever()


async def _answer(
    answer: Future[T],
    function: Callable[P, Coroutine[Any, Any, T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> None:
    try:
        result = await function(*args, **kwargs)
    except asyncio.CancelledError:
        answer.cancel()
    except BaseException as error:
        # Whatever it is. A task that raises SystemExit would end the loop.
        if answer.set_running_or_notify_cancel():
            answer.set_exception(error)
    else:
        if answer.set_running_or_notify_cancel():
            answer.set_result(result)
    finally:
        del answer  # as in Background.run


def _give_up(task: "asyncio.Task[None]", answer: Future[Any]) -> None:
    loop = task.get_loop()
    # After the loop's end all of its tasks are.
    if answer.cancelled() and not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


background: Background = Background()
"""That of this process."""
