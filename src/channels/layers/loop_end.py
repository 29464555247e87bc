"""To be told, in time to clean up, that an event loop is about to end.

asyncio has no such call, but whoever ends a loop with care closes its asynchronous generators
(:meth:`asyncio.loop.shutdown_asyncgens`: ``asyncio.run``, ``asyncio.Runner``, asgiref and uvicorn
do). One that does nothing but wait is therefore told: after all tasks were cancelled, while the
loop can still run coroutines.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeAlias

Watch: TypeAlias = AsyncGenerator[None, None]
"""Keep it as long as the end matters. ``aclose()`` brings the end about; so does losing it."""


def at_loop_end(callback: Callable[[], Awaitable[object]]) -> Watch:
    """Have ``callback`` awaited, once, at the end of the running loop.

    What it raises is reported to the loop's exception handler. A loop that is closed without
    closing its generators never calls it.
    """
    watch = _await_at_close(callback)
    # Stepped by hand, because there is nothing to wait for: this is where the loop takes note.
    try:
        watch.__anext__().send(None)
    except StopIteration:
        return watch
    raise AssertionError("a generator that yields at once")


async def _await_at_close(callback: Callable[[], Awaitable[object]]) -> Watch:
    try:
        yield
    finally:
        await callback()
