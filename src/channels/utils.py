"""Helpers that other packages import."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from channels.typing import Message


async def await_many_dispatch(
    consumer_callables: Sequence[Callable[[], Awaitable[Message]]],
    dispatch: Callable[[Message], Awaitable[Any]],
) -> None:
    """Await several sources of messages at once and dispatch what they bring, one after another.

    Runs until a source or ``dispatch`` raises. When several sources are ready, they are looked at
    in the order given. Raceway's consumers do not use it (a task for each message is what it
    costs); it is here for consumers with a ``__call__`` of their own.

    Cancellation: cancels what it awaits. A message that a source has given up at that moment and
    that was not dispatched is lost.
    """
    pending = [asyncio.ensure_future(_next(source)) for source in consumer_callables]
    try:
        while True:
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for index, source in enumerate(consumer_callables):
                if pending[index].done():
                    message = pending[index].result()
                    pending[index] = asyncio.ensure_future(_next(source))
                    await dispatch(message)
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


async def _next(source: Callable[[], Awaitable[Message]]) -> Message:
    return await source()
