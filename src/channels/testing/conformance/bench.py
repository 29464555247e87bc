"""What a check works with: layers under test, fresh names, and receiving with an end."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from secrets import token_hex
from typing import Any, Protocol, TypeAlias

from channels.typing import Message

Layer: TypeAlias = Any
"""Anything with the methods of a layer; it need not derive from ``BaseChannelLayer``."""


class LayerFactory(Protocol):
    """Makes a layer with some options other than its defaults."""

    def __call__(self, **options: Any) -> Layer: ...


PassTime: TypeAlias = Callable[[float], Awaitable[None]]
"""Lets so many seconds pass for a layer."""


async def real_time(seconds: float) -> None:
    """Wait for as long as it says."""
    await asyncio.sleep(seconds)


class Lacking(Exception):  # noqa: N818 - an answer and not an error
    """The layer does not offer what a check is about, and says so."""


class BrokenPromiseError(AssertionError):
    """The layer does something else than it promises."""


def expect(condition: object, text: str) -> None:
    """Fail the check with ``text`` unless ``condition`` holds."""
    if not condition:
        raise BrokenPromiseError(text)


class Bench:
    """Everything that one run of one check needs, put away by :meth:`close`."""

    def __init__(
        self, make_layer: LayerFactory, *, patience: float, expiry: float, pass_time: PassTime
    ) -> None:
        self._make_layer = make_layer
        self._made: list[Layer] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._token = token_hex(4)
        self.patience = patience
        self.expiry = expiry
        self.pass_time = pass_time
        self.layer: Layer = self.another()

    def another(self, **options: Any) -> Layer:
        """One more layer, with these options.

        Raises:
            Lacking: it does not know the option.
        """
        try:
            layer = self._make_layer(**options)
        except TypeError as error:
            if not options:
                raise
            raise Lacking(f"it cannot be made with {options!r}: {error}") from error
        self._made.append(layer)
        return layer

    def name(self, stem: str) -> str:
        """A name for a group or a general channel that no other check uses."""
        return f"{stem}.{self._token}"

    def task(self, awaitable: Awaitable[Any]) -> "asyncio.Task[Any]":
        """Run something beside the check; what still runs at the end is cancelled."""
        made = asyncio.ensure_future(awaitable)
        self._tasks.append(made)
        return made

    async def receive(self, layer: Layer, channel: str) -> Message:
        """The next message of a channel.

        Raises:
            BrokenPromiseError: none came.
        """
        limit = asyncio.timeout(self.patience)
        try:
            async with limit:
                message: Message = await layer.receive(channel)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise BrokenPromiseError(
                f"no message arrived on {channel!r} within {self.patience} s"
            ) from error
        return message

    async def receive_many(self, layer: Layer, channel: str, count: int) -> list[Message]:
        """The next ``count`` messages of a channel."""
        return [await self.receive(layer, channel) for _ in range(count)]

    async def receive_all(self, layer: Layer, channel: str) -> list[Message]:
        """Everything that waits on a channel, found by sending a last message after it."""
        await layer.send(channel, {"type": "conformance.last"})
        received: list[Message] = []
        while (message := await self.receive(layer, channel))["type"] != "conformance.last":
            received.append(message)
        return received

    async def let_others_run(self, turns: int = 10) -> None:
        """Give tasks of this loop a chance to reach the point where they wait."""
        for _ in range(turns):
            await asyncio.sleep(0)

    async def outlive_expiry(self) -> None:
        """Wait until whatever was sent with :attr:`expiry` has expired, with a wide margin.

        Some layers count in whole seconds.
        """
        await self.pass_time(2.5 * self.expiry)

    async def close(self) -> None:
        """Cancel what still runs, and close every layer that was made."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for layer in self._made:
            # Whether a layer can be closed is a check of its own.
            with suppress(Exception):
                await close_layer(layer)


async def close_layer(layer: Layer) -> None:
    """Close a layer by whichever method it has for that."""
    for name in ("close", "close_pools"):
        method = getattr(layer, name, None)
        if method is not None:
            result = method()
            if inspect.isawaitable(result):
                await result
            return
    # The way out that layers over Redis had before they had one of their own.
    if "flush" in getattr(layer, "extensions", ()):
        with suppress(NotImplementedError):
            await layer.flush()


def first_line(error: Exception) -> str:
    """What an exception says, in one line."""
    return next(iter(str(error).splitlines()), repr(error))


def numbered(count: int, start: int = 0) -> list[Message]:
    """Messages that can be told apart."""
    return [{"type": "conformance.message", "number": n} for n in range(start, start + count)]


def numbers(messages: Iterable[Message]) -> list[Any]:
    """The numbers of :func:`numbered` messages, in the order in which they came."""
    return [message.get("number") for message in messages]
