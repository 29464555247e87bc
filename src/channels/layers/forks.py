"""What a process that ``fork`` made must not go on using of its parent's.

The child has only the thread that forked: locks that other threads held stay locked for ever, and
event loops that they ran stand still. It shares the parent's sockets, and even what an ``epoll``
watches: to close a transport properly there would make the parent deaf. So the child forgets such
things, and neither closes nor unregisters anything.
"""

import os
from typing import Any, Protocol
from weakref import WeakSet


class Inheritable(Protocol):
    """Something with locks, loops or sockets that a child process gets a useless copy of."""

    def forget_inherited(self) -> None:
        """Begin anew in the child. No other thread is there yet; must not wait or close."""


_inheritables: "WeakSet[Inheritable]" = WeakSet()
_inherited: list[Any] = []


def forget_after_fork(thing: Inheritable) -> None:
    """Have ``thing.forget_inherited()`` called in every child that is forked while it lives."""
    _inheritables.add(thing)


def keep_inherited(thing: Any) -> None:
    """Keep what the child forgets from being collected: destructors close and warn."""
    _inherited.append(thing)


def _forget_all() -> None:
    for thing in list(_inheritables):
        thing.forget_inherited()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_all)
