"""Begin an awaitable outside of the task that is to go on with it.

Most sends are done in their first step: the server writes to the socket and returns. Waking a task
for that costs several times the send. So the first step is made at once, *in the name of* the task
that is responsible, which must be waiting: it is the current task meanwhile, its context is
entered, and should the send have to wait after all, that task awaits the rest. A timeout or cancel
scope that middleware puts around the send is thereby one of that task's, as if it had sent all by
itself.
"""

import asyncio
import contextvars
from asyncio.tasks import _enter_task, _leave_task  # documented under "Extending asyncio"
from collections.abc import Awaitable, Generator
from types import CoroutineType
from typing import Any


class Begun:
    """The rest of an awaitable whose first step is made. Await it in the task it was begun for."""

    __slots__ = ("_steps", "_waits_for", "interruption")

    def __init__(self, steps: Generator[Any, Any, Any], waits_for: Any) -> None:
        self._steps = steps
        self._waits_for = waits_for
        self.interruption: BaseException | None = None
        """Raised in the awaitable when it is gone on with: what reached the task meanwhile."""

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, waits_for, error = self._steps, self._waits_for, self.interruption
        if error is not None and isinstance(waits_for, asyncio.Future) and waits_for.cancel():
            # As Task.cancel() does it: what is waited for is cancelled and raises. Locks and
            # semaphores look there whether they were cancelled before or after they were woken.
            error = None
        while True:
            if error is None:
                try:
                    yield waits_for
                except BaseException as raised:
                    error = raised
            try:
                waits_for = steps.send(None) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            error = None


def begin(
    awaitable: Awaitable[Any],
    loop: asyncio.AbstractEventLoop,
    task: "asyncio.Task[Any]",
    context: contextvars.Context,
) -> Begun | None:
    """Make the first step for ``task``, which waits, and whose context is ``context``; ``None`` if
    that was all.

    Call it from a callback of the loop, not from a task.

    Raises:
        BaseException: what the first step raised.
    """
    # What another's __await__ returns need only be an iterator, without send() and throw().
    whole: Any = awaitable if type(awaitable) is CoroutineType else _coroutine_of(awaitable)
    steps = whole.__await__()
    _enter_task(loop, task)
    try:
        # Not send(): the end of a coroutine is an exception there, which costs as much as the rest.
        waits_for = context.run(next, steps, _END)
    finally:
        _leave_task(loop, task)
    return None if waits_for is _END else Begun(steps, waits_for)


_END: Any = object()


async def _coroutine_of(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
