"""Consumers: what a connection is, for the code that users write.

A consumer's method is called for each event, one at a time: ``websocket.receive`` calls
``websocket_receive``. Where the events come from and how a connection ends is the business of
:mod:`channels.connection`.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, cast

from asgiref.sync import async_to_sync, markcoroutinefunction

from channels import DEFAULT_CHANNEL_LAYER, control
from channels.boundaries import ENDINGS
from channels.closing import obey
from channels.connection import Connection
from channels.db import DatabaseSyncToAsync, aclose_old_connections, database_sync_to_async
from channels.exceptions import StopConsumer
from channels.layers import get_channel_layer
from channels.limits.door import Door, limits_of, rules_of, turn_away
from channels.limits.values import Limits
from channels.outbox import Outbox
from channels.threads import current_strand, strand
from channels.typing import Message, Receive, Scope, Send


class ConsumerApplication(Protocol):
    """What :meth:`AsyncConsumer.as_asgi` returns."""

    consumer_class: type[Any]
    consumer_initkwargs: dict[str, Any]

    # A coroutine, and not just any awaitable: Django's path() is typed to take nothing less.
    def __call__(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, Any]: ...


if TYPE_CHECKING:
    # By these names the published stubs have them, so typed code imports them.
    _ASGIApplicationProtocol: TypeAlias = ConsumerApplication
    _ChannelScope: TypeAlias = Scope


def get_handler_name(message: Message) -> str:
    """The name of the method that handles ``message``: its ``type`` with underscores for dots.

    Raises:
        ValueError: there is no ``type``, it is not a string, or it begins with an underscore (so
            that no message reaches a private method).
    """
    try:
        return _handler_names[message["type"]]
    except (KeyError, TypeError):
        return _new_handler_name(message)


_handler_names: dict[str, str] = {}
"""Names by type, so that each is made once. Bounded, because types may come from outside."""

MOST_HANDLER_NAMES = 1000


def _new_handler_name(message: Message) -> str:
    if "type" not in message:
        missing = ValueError("Incoming message has no 'type' attribute")
        missing.add_note(f"Its keys are {[*message]!r:.200}; add a 'type' such as 'chat.message'.")
        raise missing
    kind = message["type"]
    if not isinstance(kind, str):
        raise ValueError(
            f"Malformed type in message: {kind!r:.200} is not a string such as 'chat.message'"
        )
    name = kind.replace(".", "_")
    if name.startswith("_"):
        malformed = ValueError("Malformed type in message (leading underscore)")
        malformed.add_note(f"The type is {kind!r:.200}; begin it with a letter.")
        raise malformed
    if len(_handler_names) < MOST_HANDLER_NAMES:
        _handler_names[kind] = name
    return name


class AsyncConsumer:
    """A connection's events, handled by coroutines.

    Guarantees: one instance's handlers run one at a time, in the order in which their events came;
    events of the client and of the channel layer alternate when both wait. All of them run in one
    context (:mod:`contextvars`) that belongs to the connection. A consumer that got
    ``websocket.connect`` gets ``websocket.disconnect`` exactly once, whatever ends the connection;
    then all its groups are left.

    An exception leaves the application after the client was closed with code 1011;
    :class:`~channels.exceptions.StopConsumer` ends the consumer without one.
    """

    _sync: ClassVar[bool] = False

    channel_layer_alias: str | None = DEFAULT_CHANNEL_LAYER
    """Which layer of ``CHANNEL_LAYERS`` the consumer uses; ``None`` for none."""

    connection_limits: Mapping[str, Any] | None = None
    """Limits of this consumer's connections in place of the project's, under the same keys as in
    ``CHANNELS["LIMITS"]``. ``as_asgi(connection_limits={…})`` goes before."""

    grace_seconds: float | None = None
    """How long a handler may go on for when the client has gone, before it is cancelled, and
    ``disconnect`` when the server cancels the connection; ``math.inf`` for as long as they like.
    ``None`` is what ``CHANNELS["GRACE_SECONDS"]`` says."""

    max_concurrency: int = 1
    """How many handlers of one connection may be in hand at once. Above 1 they begin in the order
    of their events and may end in any; each runs in a context of its own. The first event and the
    end overlap with no other handler."""

    _connection: Connection | None = None
    _limits: Limits
    scope: Scope
    channel_layer: Any
    """The layer, or ``None`` where the alias is not configured."""
    channel_name: str
    """The name of the consumer's own channel. Only set where there is a layer."""
    base_send: Callable[[Message], Any]
    """Sends an ASGI event to the client."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection; after it the instance may serve another.

        Raises:
            Exception: whatever a handler raised.
        """
        async with strand():
            self._begin_connection()
            self.scope = scope
            connection = self._connection = Connection(
                self,
                scope,
                receive,
                send,
                dispatch=self._dispatcher(),
                takes_frames=self._takes_frames(),
                tidy=_tidy,
            )
            self._limits = limits_of(self)
            door = Door(connection, self._limits)
            if door.enter() is not None:
                await turn_away(scope, receive, send)
                return
            try:
                await control.join(obey)
                self.base_send = self._make_base_send(connection)
                self.channel_layer = get_channel_layer(cast("str", self.channel_layer_alias))
                if self.channel_layer is not None:
                    self.channel_name = await self.channel_layer.new_channel()
                    vars(self).pop("channel_receive", None)
                    connection.listen(self.channel_layer, self.channel_name)
                    connection.limit(rules_of(connection, self._limits, self.channel_layer))
                await connection.run()
            finally:
                door.leave()

    @functools.cached_property
    def channel_receive(self) -> Callable[[], Awaitable[Message]]:
        """Receives from the consumer's own channel. Only there where there is a layer."""
        # Made when it is asked for: no connection needs it to whom the layer tells of messages.
        return functools.partial(self.channel_layer.receive, self.channel_name)

    async def dispatch(self, message: Message) -> None:
        """Run the handler of one event.

        Raises:
            ValueError: there is no such handler, or the type is malformed.
        """
        await self._begin_handler(message)

    def _begin_handler(self, message: Message) -> Awaitable[Any]:
        # The path of every event, which spares what calls it can: get_handler_name() for a type
        # that has a name already, and a cast(), for which Any stands.
        try:
            name = _handler_names[message["type"]]
        except (KeyError, TypeError):
            name = get_handler_name(message)
        handler: Any = getattr(self, name, None)
        if handler is None:
            handler = fallback_handler(self, message) or _handle_nothing
        begun: Awaitable[Any] = handler(message)
        return begun

    # Any, so that both families may override it with a type of their own.
    def on_error(self, exc: Exception) -> Any:
        """An exception ends the connection. Called before anything is closed, at most once; a
        coroutine in async consumers.

        Return a close code (1000 to 4999) to end it with that, for the client and for
        ``disconnect``; then the exception leaves nothing behind, not even in the log. With ``None``
        the code is 1011, and the exception leaves the application, which is how servers come to
        log it. So does what this method raises, with the first exception as its context.
        """
        return _say_nothing()

    async def ask_on_error(self, exc: Exception) -> Any:
        """What :meth:`on_error` says, for the connection."""
        return await self.on_error(exc)

    @markcoroutinefunction
    def send(self, message: Message) -> Awaitable[Any]:
        """Send one ASGI event to the client.

        The awaitable's result is ``False`` where nothing was sent because the connection is closed.
        """
        # Not a coroutine of its own: this is the path of every message.
        sending: Awaitable[Any] = self.base_send(message)
        return sending

    async def channels_close(self, message: Message) -> None:
        """Somebody has closed the connection from outside, see :mod:`channels.closing`."""
        _close_soon(self, message)

    @classmethod
    def as_asgi(
        cls, *, connection_limits: Mapping[str, Any] | None = None, **initkwargs: Any
    ) -> ConsumerApplication:
        """An ASGI application that makes an instance for each connection.

        ``initkwargs`` are given to every instance: do not put mutable values in.
        ``connection_limits`` are added to those of the class.

        Raises:
            ValueError: ``connection_limits`` are not a dictionary of limits.
        """
        limits = cls.connection_limits
        if connection_limits is not None:
            Limits().but(connection_limits, f"{cls.__qualname__}.as_asgi(connection_limits=…)")
            limits = {**(limits or {}), **connection_limits}

        async def app(scope: Scope, receive: Receive, send: Send) -> Any:
            consumer = cls(**initkwargs)
            if connection_limits is not None:
                consumer.connection_limits = limits
            return await consumer(scope, receive, send)

        functools.update_wrapper(app, cls, updated=())
        application = cast("ConsumerApplication", app)
        application.consumer_class = cls
        application.consumer_initkwargs = initkwargs
        return application

    def _begin_connection(self) -> None:
        """Set what belongs to one connection, before anything of it happens."""

    def _make_base_send(self, connection: Connection) -> Callable[[Message], Any]:
        return connection.gate.offer

    def _dispatcher(self) -> Callable[[Message], Awaitable[Any]]:
        """What runs a handler: :meth:`dispatch`, or where that is ours what it awaits, which spares
        each event a coroutine."""
        own = inspect.getattr_static(self, "dispatch") is _OWN_DISPATCH[0]
        return self._begin_handler if own else self.dispatch

    def _takes_frames(self) -> bool:
        """Whether finished frames may pass the consumer by: nobody of the user's wants to see
        them."""
        own = inspect.getattr_static(self, "dispatch") in _OWN_DISPATCH
        return own and not hasattr(self, "websocket_send")


async def _say_nothing() -> None:
    """What an async consumer's ``on_error`` says by default."""


class _InThread(DatabaseSyncToAsync[..., None]):
    """``database_sync_to_async`` for the one method that every event of a sync consumer goes
    through."""

    async def __call__(self, consumer: AsyncConsumer, message: Message) -> None:
        connection = consumer._connection  # pyright: ignore[reportPrivateUsage]
        strand = None if connection is None else connection.lane_strand()
        if strand is not None:
            await self.call_in(strand, consumer, message)
        else:
            await super().__call__(consumer, message)

    def __get__(self, parent: Any, objtype: Any = None) -> Any:
        return self if parent is None else MethodType(self, parent)


class SyncConsumer(AsyncConsumer):
    """A connection's events, handled by functions, each in a thread.

    The guarantees of :class:`AsyncConsumer` hold. Handlers of one connection never overlap; those
    of different connections run beside one another, in a bounded pool of threads, so a slow one
    delays nobody else.
    """

    _sync = True

    @_InThread
    def dispatch(  # pyright: ignore[reportIncompatibleMethodOverride] # a coroutine, by a class
        self, message: Message
    ) -> None:
        """Run the handler of one event, in a thread.

        Raises:
            ValueError: there is no such handler, or the type is malformed.
        """
        handler = getattr(self, get_handler_name(message), None)
        if handler is None:
            handler = fallback_handler(self, message)
        if handler is not None:
            handler(message)

    def channels_close(  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        self, message: Message
    ) -> None:
        _close_soon(self, message)

    def on_error(self, exc: Exception) -> Any:
        """As in :class:`AsyncConsumer`, but a function that runs in a thread."""
        return None

    async def ask_on_error(self, exc: Exception) -> Any:
        if type(self).on_error is SyncConsumer.on_error:
            return None  # it costs no thread
        return await database_sync_to_async(self.on_error)(exc)

    def send(self, message: Message) -> Any:
        """Send one ASGI event to the client.

        A frame or a part of a response goes ahead of the server: at most 16 of them, or 1 MiB, then
        this waits. Anything else is waited for. Works from any thread but the event loop's.

        Returns ``False`` where nothing was sent because the connection is closed.

        Raises:
            Exception: what the server raised for this event, or for an earlier one that went ahead.
        """
        return self.base_send(message)

    def _make_base_send(self, connection: Connection) -> Callable[[Message], Any]:
        strand = current_strand()
        if strand is None:
            # Handlers run in a thread that waits in async_to_sync, as in Django's TestCase.
            return async_to_sync(connection.gate.offer)
        outbox = Outbox(connection.gate, strand)
        connection.send_by(outbox)
        return outbox.put


def _close_soon(consumer: AsyncConsumer, message: Message) -> None:
    connection = consumer._connection  # pyright: ignore[reportPrivateUsage]
    if connection is not None:
        connection.loop.call_soon_threadsafe(
            connection.close_soon, message["code"], message["reason"]
        )


_OWN_DISPATCH = tuple(vars(base)["dispatch"] for base in (AsyncConsumer, SyncConsumer))


UNASKED = (*ENDINGS, "group.gap")
"""Types of what nobody sent, so that nobody can be told that there is no handler."""


def fallback_handler(consumer: AsyncConsumer, message: Message) -> Callable[[Message], Any] | None:
    """What handles a message that the consumer has no method for; ``None`` for an ending and for a
    layer's notice of a gap, which a consumer need not care for.

    Raises:
        ValueError: nothing does.
    """
    if message["type"] in UNASKED:
        return None
    connection = consumer._connection  # pyright: ignore[reportPrivateUsage]
    if message["type"] == "websocket.send" and connection is not None:
        # A finished frame that a dispatch of somebody else's wanted to see first.
        send_frame = connection.gate.send_frame
        return async_to_sync(send_frame) if consumer._sync else send_frame  # pyright: ignore[reportPrivateUsage]
    kind = message["type"]
    # A type may be made of what a client sent, and one error is to be one line of a log.
    shown = kind if kind.isprintable() else repr(kind)
    unknown = ValueError(f"No handler for message type {shown}")
    name = get_handler_name(message)
    if name.isidentifier():
        cure = f"Define {type(consumer).__qualname__}.{name}(self, event), or send"
    else:
        cure = f"No method of {type(consumer).__qualname__} can have that name; send"
    unknown.add_note(f"{cure} messages of a type that it handles.")
    raise unknown


async def _handle_nothing(message: Message) -> None:
    """What becomes of an ending that the consumer has no method for."""


async def _tidy() -> None:
    # Looked up in this module at each call: test suites replace the name here.
    await aclose_old_connections()


# The rest of the names are only here because others import them from here.
__all__ = [
    "AsyncConsumer",
    "StopConsumer",
    "SyncConsumer",
    "aclose_old_connections",
    "database_sync_to_async",
    "get_channel_layer",
    "get_handler_name",
]
