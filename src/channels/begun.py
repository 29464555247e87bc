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
    # What __await__ returns need only be an iterator; of coroutines and futures it has send().
    steps: Any = awaitable.__await__()
    _enter_task(loop, task)
    try:
        waits_for = context.run(next, steps)
    except StopIteration:
        return None
    finally:
        _leave_task(loop, task)
    return Begun(steps, waits_for)
