"""A layer's methods for sync code: views, signals, tasks of a queue, threads, forked children."""

import logging
from collections.abc import Callable, Collection, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

from channels.layers.background import background, patience, refuse_to_block_a_loop
from channels.layers.senders import sender
from channels.layers.snapshot import Snapshot
from channels.typing import Message

if TYPE_CHECKING:
    from channels.layers.log import Position

logger: logging.Logger = logging.getLogger("django.channels.layers")

Method = TypeVar("Method", bound=Callable[..., Coroutine[Any, Any, Any]])

METHODS = ("send", "group_send", "group_add", "group_discard")


def runs_without_loop(method: Method) -> Method:
    """Mark a layer's coroutine function as one that needs no event loop.

    It either never waits, or waits only for :meth:`Links.call <channels.layers.links.Links.call>`.
    Sync code then runs it in its own thread, up to the call that needs the broker: what is wrong
    with the arguments is raised there, and lazy strings are in the caller's language.
    """
    method.runs_without_loop = True  # type: ignore[attr-defined]
    return method


class SyncLayer:
    """What sync code uses of a layer: ``layer.sync``.

    Each method is the layer's own of that name, has the same effect and raises the same; it returns
    when the layer's coroutine would. All threads of a process share one connection to the broker,
    however many calls they make, and a forked child opens one of its own.

    In a thread that runs an event loop every method raises :exc:`RuntimeError`: await the layer's
    own method there.

    Args:
        layer: any channel layer, also one that does not derive from
            :class:`~channels.layers.BaseChannelLayer`. Its coroutines run on an event loop in a
            thread of its own, which the first call starts; those of Raceway's layers as far as they
            need one.

    ``timeout``, which every method takes, is how many seconds the caller waits at most. It raises
    :exc:`TimeoutError` then. As after Ctrl-C, the message may have been sent or not.
    """

    __slots__ = ("_layer",)

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    def send(
        self,
        channel: str,
        message: Message,
        *,
        on_commit: bool = False,
        using: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Put a message into a channel.

        Args:
            on_commit: wait for the transaction's commit, as :meth:`group_send` does.
            using: the database whose transaction that is.
            timeout: seconds.

        Raises:
            ChannelFull: the channel is at its capacity.
        """
        if on_commit and _in_transaction(using):
            self._check_message(message)
            self._check("require_valid_channel_name", channel)
            message = Snapshot(message).message()
            self._at_commit(
                using, f"channel {channel!r}", lambda: self.send(channel, message, timeout=timeout)
            )
            return
        self._run("send", channel, message, timeout=timeout)

    def group_send(
        self,
        group: str,
        message: Message,
        *,
        exclude: Collection[str] = (),
        on_commit: bool = False,
        using: str | None = None,
        timeout: float | None = None,
    ) -> "Position | None":
        """Send a message to every member of a group.

        Args:
            exclude: channels that do not get it.
            on_commit: inside ``transaction.atomic()``, send after the commit, and never if it is
                rolled back: what members then read from the database is there. The message is sent
                as it is now. Errors of the call are raised now; an error of the layer at the time
                of the commit is logged on ``django.channels.layers``, because nobody is there who
                could undo what was committed. Outside a transaction it is sent at once.
            using: the database whose transaction that is; the default one if not given.
            timeout: seconds.

        Returns:
            the message's position where the layer has one; ``None`` if it waits for a commit.
        """
        if on_commit and _in_transaction(using):
            self._check_message(message)
            self._check("require_valid_group_name", group)
            self._check("require_valid_exclude", exclude)
            message, exclude = Snapshot(message).message(), tuple(exclude)
            self._at_commit(
                using,
                f"group {group!r}",
                lambda: self.group_send(group, message, exclude=exclude, timeout=timeout),
            )
            return None
        options = {"exclude": exclude} if exclude else {}  # not every layer knows it
        position: Position | None = self._run(
            "group_send", group, message, timeout=timeout, **options
        )
        return position

    def group_add(self, group: str, channel: str, *, timeout: float | None = None) -> None:
        """Make a channel a member. Has taken effect when it returns."""
        self._run("group_add", group, channel, timeout=timeout)

    def group_discard(self, group: str, channel: str, *, timeout: float | None = None) -> None:
        """End a membership; silent where there is none."""
        self._run("group_discard", group, channel, timeout=timeout)

    def _run(self, name: str, *args: Any, timeout: float | None, **kwargs: Any) -> Any:
        refuse_to_block_a_loop()
        sender()  # begins here and not in a context that ends with this call
        token = patience.set(timeout)
        try:
            # All of them, because they may call each other: a layer's group_send its own send.
            if all(_is_marked(self._layer, each) for each in METHODS):
                return _step(getattr(self._layer, name)(*args, **kwargs))
            return background.run(_call, self._layer, name, *args, **kwargs)
        finally:
            patience.reset(token)

    def _check_message(self, message: object) -> None:
        self._check("require_valid_message", message)
        self._check("serialize", message)  # where there is such a step, it is the one that fails

    def _check(self, name: str, value: object) -> None:
        if hasattr(type(self._layer), name):  # see _is_marked
            getattr(self._layer, name)(value)

    def _at_commit(self, using: str | None, where: str, send: Callable[[], object]) -> None:
        layer = type(self._layer).__name__

        def send_after_commit() -> None:
            try:
                send()
            except Exception:
                logger.exception("%s could not send to %s after the commit.", layer, where)

        connections[using or DEFAULT_DB_ALIAS].on_commit(send_after_commit)


def _in_transaction(using: str | None) -> bool:
    """Whether this thread is inside a transaction of the database.

    Raises:
        TransactionManagementError: autocommit is switched off, so nobody will say when it ends.
    """
    connection = connections[using or DEFAULT_DB_ALIAS]
    if connection.in_atomic_block:
        return True
    if connection.connection is not None and not connection.autocommit:
        # Only where it is open: a database that nobody used is not opened to be asked.
        connection.on_commit(_nothing)  # raises, in Django's own words
    return False


def _nothing() -> None:
    pass


def _is_marked(layer: Any, name: str) -> bool:
    # The layer itself is not asked: one that looks its methods up in __getattr__ may need a loop.
    own = getattr(layer, "__dict__", {}).get(name)
    method = getattr(type(layer), name, None) if own is None else own
    return getattr(method, "runs_without_loop", False) is True


async def _call(layer: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    return await getattr(layer, name)(*args, **kwargs)


def _step(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for no loop."""
    try:
        coroutine.send(None)
    except StopIteration as returned:
        return returned.value
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} is marked as one that runs without a loop, and waits for it")
