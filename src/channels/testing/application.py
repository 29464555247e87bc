"""The communicator that the others build on: runs one application and speaks raw ASGI with it."""

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext
from asgiref.testing import ApplicationCommunicator as AsgirefCommunicator

from channels.testing.databases import keep_transactions
from channels.testing.errors import ArgumentTypeError, message_type
from channels.typing import ASGIApplication, Message, Scope

INTERNAL_ERROR = 1011
"""The close code that says that the application raised."""

GRACE = 1.0
"""Seconds that an application has to raise after it closed with :data:`INTERNAL_ERROR`."""


class ApplicationCommunicator(AsgirefCommunicator):
    """Run an ASGI application without a server, send it messages and read what it answers.

    The application runs in a task of the test's event loop, in an empty ``contextvars`` context.
    It starts with the first message in either direction, so ``scope`` may be edited until then.

    **Exceptions.** What the application raises is raised by the call that waits for it, at once
    and not when the timeout is over, and again by every later call. An application that closes a
    WebSocket with code 1011 has raised, or is about to: the communicator waits for its exception
    and raises that one instead of returning the message.

    **Timeouts.** When nothing came in time the application is cancelled and ``TimeoutError`` is
    raised; after that, sending raises ``CancelledError``. Use :meth:`receive_nothing` to find out
    that nothing comes.

    **The database.** The communicator does not touch it: a connection that is inside a transaction
    is never closed by :func:`channels.db.close_old_connections`, and under ``async_to_sync`` (so in
    Django's test cases) all sync code of the application, Django's views included, runs in the
    thread of the test and inside its transaction.
    """

    if TYPE_CHECKING:
        # asgiref's constructor has no annotations.
        def __init__(self, application: ASGIApplication, scope: Scope) -> None: ...

    # A constructor that raised leaves an object behind whose __del__ asks for this.
    _future: "asyncio.Task[Any] | None" = None

    _shown: BaseException | None = None
    """The exception of the application, once a call has raised it."""

    @property
    def future(self) -> "asyncio.Task[Any]":
        """The task that runs the application; started by the first look at it."""
        if self._future is None:
            self._future = asyncio.create_task(
                self._serve(),
                # Empty, as a server's would be: nothing that the test has set leaks in.
                context=contextvars.Context(),
            )
        return self._future

    async def _serve(self) -> Any:
        callers_thread = AsyncToSync.loop_thread_executors.get(asyncio.get_running_loop())
        if callers_thread is not None:
            # Before anything that the application runs there: the thread takes its calls in turn.
            callers_thread.submit(keep_transactions)
            # Django's handler enters a ThreadSensitiveContext, hence a thread that does not see
            # the transaction of the test. It makes none inside another one.
            key = ThreadSensitiveContext()
            SyncToAsync.context_to_thread_executor[key] = callers_thread
            SyncToAsync.thread_sensitive_context.set(key)
        return await self.application(self.scope, self.input_queue.get, self.output_queue.put)

    async def send_input(self, message: Message) -> None:
        """Give the application one message, without waiting until it was read.

        Raises:
            Exception: whatever the application raised, if it has ended with an exception.
            CancelledError: the application was cancelled, because an earlier receive timed out.
            TypeError: ``message`` is not a dictionary.
        """
        if not isinstance(message, dict):
            raise ArgumentTypeError(
                f"{message!r} is not an ASGI message; send a dictionary with a 'type'"
            )
        if self.future.done():
            self._raise_its_exception()
        await super().send_input(message)  # type: ignore[no-untyped-call]

    async def receive_output(self, timeout: float | None = 1) -> Message:
        """The next message that the application sends, in the order of its sends.

        Args:
            timeout: seconds to wait; ``None`` waits for ever.

        Raises:
            TimeoutError: nothing came; a note says whether the application had returned. The
                application is cancelled.
            Exception: whatever the application raised. An exception comes before messages that were
                sent earlier and not received yet.
        """
        future = self.future
        if future.done():
            self._raise_its_exception()
        message = await self._next_output(future, timeout)
        if message_type(message) == "websocket.close" and message.get("code") == INTERNAL_ERROR:
            await self._raise_what_closed_it(future, timeout)
        return message

    async def receive_nothing(self, timeout: float = 0.1, interval: float = 0.01) -> bool:
        """Whether the application sends nothing for ``timeout`` seconds; never cancels it.

        A message that did come stays for :meth:`receive_output`.

        Args:
            timeout: seconds to watch.
            interval: seconds between two looks.

        Raises:
            Exception: whatever the application raised meanwhile.
        """
        future = self.future
        if future.done():
            self._raise_its_exception()
        nothing: bool = await super().receive_nothing(  # type: ignore[no-untyped-call]
            timeout, interval
        )
        if future.done() and not future.cancelled():
            self._raise_its_exception()
        return nothing

    async def wait(self, timeout: float | None = 1) -> None:
        """Wait until the application has returned.

        One that has not after ``timeout`` seconds is cancelled, without an error: asgiref's
        behaviour, which existing suites rely on. ``future.cancelled()`` tells.

        Raises:
            Exception: whatever the application raised.
        """
        try:
            await super().wait(timeout)  # type: ignore[no-untyped-call]
        finally:
            self._note_its_exception()

    def stop(self, exceptions: bool = True) -> None:
        """Cancel the application, or raise what it ended with.

        Args:
            exceptions: raise the application's own exception if it has ended with one.
        """
        try:
            super().stop(exceptions)  # type: ignore[no-untyped-call]
        finally:
            if exceptions:
                self._note_its_exception()

    def _raise_its_exception(self) -> None:
        self._note_its_exception()
        self.future.result()

    def _note_its_exception(self) -> None:
        future = self._future
        if future is not None and future.done() and not future.cancelled():
            self._shown = future.exception()

    async def _next_output(self, future: "asyncio.Task[Any]", timeout: float | None) -> Message:
        loop = asyncio.get_running_loop()
        waiting = True

        def end_the_wait(ended: "asyncio.Task[Any]") -> None:
            # An application that returned may have left tasks behind that still send.
            if waiting and (ended.cancelled() or ended.exception() is not None):
                limit.reschedule(loop.time())

        try:
            async with asyncio.timeout(timeout) as limit:
                future.add_done_callback(end_the_wait)
                try:
                    return cast("Message", await self.output_queue.get())
                finally:
                    waiting = False
                    future.remove_done_callback(end_the_wait)
        except TimeoutError as error:
            if future.done():
                self._raise_its_exception()
                error.add_note("The application had returned without sending this.")
            else:
                future.cancel()
                try:
                    await _ended(future)
                finally:
                    self._note_its_exception()
                error.add_note(
                    f"The application sent nothing within {timeout} s and was cancelled. "
                    "Use receive_nothing() to check that nothing comes."
                )
            raise

    async def _raise_what_closed_it(
        self, future: "asyncio.Task[Any]", timeout: float | None
    ) -> None:
        """Raise the exception behind a close with 1011; return if there is none.

        An application may also close with 1011 by itself and go on reading until the client is
        gone, so the wait has an end and the application is not cancelled.
        """
        await asyncio.wait({future}, timeout=GRACE if timeout is None else min(timeout, GRACE))
        if future.done() and not future.cancelled():
            self._raise_its_exception()


async def _ended(future: "asyncio.Task[Any]") -> None:
    try:
        await future
    except asyncio.CancelledError:
        if not future.cancelled():
            raise
