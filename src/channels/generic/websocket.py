"""WebSocket consumers with a method for each thing that happens, sync and async, text and JSON."""

import copy
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync, markcoroutinefunction

# Not called here: test suites replace the name in this module, as they do in channels.consumer.
from channels.connection import Connection
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.db import aclose_old_connections
from channels.exceptions import AcceptConnection, DenyConnection, StopConsumer
from channels.generic.events import (
    Headers,
    accept_event,
    close_event,
    closing_code,
    explain_bad_json,
    frame_content,
    frame_event,
    groups_to_join,
    groups_to_leave,
    refuse_frame,
)
from channels.jsontext import codec
from channels.typing import Message

if TYPE_CHECKING:
    from channels.gate import Gate

__all__ = [
    "AsyncJsonWebsocketConsumer",
    "AsyncWebsocketConsumer",
    "JsonWebsocketConsumer",
    "WebsocketConsumer",
    "aclose_old_connections",
]


class _OwnGroups:
    """``groups`` of an instance are its own: a list or set of the class is never changed."""

    groups: Any = None
    """Names of groups to join before ``connect()`` and to leave before ``disconnect()``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Takes whatever as_asgi() was given, and keeps it from `object`: subclasses read it before
        # or after they call super().
        self._own_groups()

    def _begin_connection(self) -> None:
        self._own_groups()  # a subclass's __init__ may have done without ours

    def _own_groups(self) -> None:
        if "groups" not in vars(self):
            self.groups = [] if self.groups is None else copy.copy(self.groups)


class WebsocketConsumer(_OwnGroups, SyncConsumer):
    """A WebSocket, handled by functions that run in a thread.

    Override :meth:`connect`, :meth:`receive` and :meth:`disconnect`.
    """

    def websocket_connect(self, message: Message) -> None:
        for group in groups_to_join(self):
            async_to_sync(self.channel_layer.group_add)(group, self.channel_name)
        try:
            self.connect()
        except AcceptConnection:
            self.accept()
        except DenyConnection:
            self.close()

    def connect(self) -> None:
        """A client wants to connect: :meth:`accept` or :meth:`close`.

        May raise :class:`~channels.exceptions.AcceptConnection` or ``DenyConnection`` instead.
        """
        self.accept()

    def accept(self, subprotocol: str | None = None, headers: Headers | None = None) -> Any:
        """Accept the connection. After the first ``accept`` or ``close`` this does nothing and
        returns ``False``."""
        return super().send(accept_event(subprotocol, headers))

    def websocket_receive(self, message: Message) -> None:
        self.receive(**frame_content(message))

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A frame came; exactly one of the two is given."""

    def send(  # type: ignore[override] # upstream's signatures: the base sends ASGI events
        self,
        text_data: str | None = None,
        bytes_data: bytes | str | None = None,
        close: bool | int = False,
    ) -> Any:
        """Send a frame, and close afterwards if ``close`` is true or a code.

        Returns ``False`` where nothing was sent because the connection is closed.

        Raises:
            ValueError: neither text nor bytes were given.
        """
        answer = super().send(frame_event(text_data, bytes_data))
        if close:
            self.close(close)
        return answer

    def close(self, code: int | bool | None = None, reason: str | None = None) -> Any:
        """Close the connection, or deny it if it was not accepted. A second close does nothing
        and returns ``False``.

        The consumer goes on until the ``websocket.disconnect`` event.
        """
        return super().send(close_event(code, reason))

    def websocket_disconnect(self, message: Message) -> None:
        # The stack works off all that it holds, the last first: a group that cannot be left hides
        # neither the others nor the end from the consumer. Then the error leaves.
        with ExitStack() as end:
            end.callback(self.disconnect, closing_code(message))
            for group in groups_to_leave(self):
                discard = async_to_sync(self.channel_layer.group_discard)
                end.callback(discard, group, self.channel_name)
        raise StopConsumer

    def disconnect(self, code: int) -> None:
        """The connection has ended. Called exactly once for every connection, whatever ended it,
        also if it was denied or :meth:`connect` raised."""


class JsonWebsocketConsumer(WebsocketConsumer):
    """A WebSocket that speaks JSON. Override :meth:`receive_json`, send with :meth:`send_json`."""

    def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        if not text_data:
            refuse_frame(text_data, bytes_data)
        try:
            content = self.decode_json(text_data)
        except ValueError as error:
            explain_bad_json(error, text_data)
            raise
        self.receive_json(content, **kwargs)

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        """A text frame came; ``content`` is what it decodes to."""

    def send_json(self, content: Any, close: bool | int = False) -> Any:
        """Send ``content`` as JSON in a text frame; the rest as in :meth:`send`."""
        return super().send(text_data=self.encode_json(content), close=close)

    @classmethod
    def decode_json(cls, text_data: str) -> Any:
        """What a text frame means. May be overridden.

        Raises:
            ValueError: it is not JSON.
        """
        return codec().decode(text_data)

    @classmethod
    def encode_json(cls, content: Any) -> str:
        """``content`` as text. May be overridden.

        Raises:
            TypeError: it has a value that JSON has no form for.
        """
        return codec().encode(content)


class AsyncWebsocketConsumer(_OwnGroups, AsyncConsumer):
    """A WebSocket, handled by coroutines.

    Override :meth:`connect`, :meth:`receive` and :meth:`disconnect`.
    """

    _is_unwrapped = False
    """Whether nobody stands between :meth:`send` and ``base_send``."""
    _direct_gate: "Gate | None" = None
    """Where text may be written to at once, past all that :meth:`send` else calls."""
    _gate_send: Callable[[Message], Any]

    async def websocket_connect(self, message: Message) -> None:
        for group in groups_to_join(self):
            await self.channel_layer.group_add(group, self.channel_name)
        try:
            await self.connect()
        except AcceptConnection:
            await self.accept()
        except DenyConnection:
            await self.close()

    async def connect(self) -> None:
        """A client wants to connect: :meth:`accept` or :meth:`close`.

        May raise :class:`~channels.exceptions.AcceptConnection` or ``DenyConnection`` instead.
        """
        await self.accept()

    async def accept(self, subprotocol: str | None = None, headers: Headers | None = None) -> Any:
        """Accept the connection. After the first ``accept`` or ``close`` this does nothing and
        returns ``False``."""
        try:
            return await super().send(accept_event(subprotocol, headers))
        except OSError as error:
            return self._note_loss(error)

    @markcoroutinefunction
    def websocket_receive(self, message: Message) -> Awaitable[None]:
        # Not a coroutine of its own: this is the path of every frame.
        text = message.get("text")
        if text is not None:
            return self.receive(text_data=text)
        return self.receive(bytes_data=message["bytes"])

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A frame came; exactly one of the two is given."""

    async def send(  # type: ignore[override] # as in WebsocketConsumer
        self,
        text_data: str | None = None,
        bytes_data: bytes | str | None = None,
        close: bool | int = False,
    ) -> Any:
        """Send a frame, and close afterwards if ``close`` is true or a code.

        Returns ``False`` where nothing was sent because the connection is closed.

        Raises:
            ValueError: neither text nor bytes were given.
        """
        if (
            self._direct_gate is not None
            and type(text_data) is str
            and not close
            and self._write_directly(text_data)
        ):
            return None
        sending = self.base_send if self._is_unwrapped else super().send
        try:
            if text_data is not None:
                answer = await sending({"type": "websocket.send", "text": text_data})
            else:
                answer = await sending(frame_event(text_data, bytes_data))
        except OSError as error:
            answer = self._note_loss(error)
        if close:
            await self.close(close)
        return answer

    async def close(self, code: int | bool | None = None, reason: str | None = None) -> Any:
        """Close the connection, or deny it if it was not accepted. A second close does nothing
        and returns ``False``.

        The consumer goes on until the ``websocket.disconnect`` event.
        """
        try:
            return await super().send(close_event(code, reason))
        except OSError as error:
            return self._note_loss(error)

    def _make_base_send(self, connection: Connection) -> Callable[[Message], Any]:
        # Without the coroutine that other consumers have around it: this family's methods are
        # coroutines already, and see for themselves what a server raises.
        gate = connection.gate
        self._gate_send = gate.send
        self._is_unwrapped = _sends(type(self)) == _OWN_SENDS
        self._direct_gate = gate if self._is_unwrapped and gate.write is not None else None
        return self._gate_send

    def _write_directly(self, text: str | bytes) -> bool:
        """Send a text frame on the direct way, if there is one and ``base_send`` is still ours:
        whoever replaces it wants to see what is sent."""
        gate = self._direct_gate
        return gate is not None and self.base_send is self._gate_send and gate.write_text(text)

    def _note_loss(self, error: OSError) -> bool:
        """``False`` where a server says by ``error`` that the client has gone.

        Raises:
            OSError: ``error``, which says something else.
        """
        if self._connection is None or not self._connection.gate.lost(error):
            raise error
        return False

    async def websocket_disconnect(self, message: Message) -> None:
        async with AsyncExitStack() as end:  # as in the sync family
            end.push_async_callback(self.disconnect, closing_code(message))
            for group in groups_to_leave(self):
                discard = self.channel_layer.group_discard
                end.push_async_callback(discard, group, self.channel_name)
        raise StopConsumer

    async def disconnect(self, code: int) -> None:
        """The connection has ended. Called exactly once for every connection, whatever ended it,
        also if it was denied or :meth:`connect` raised."""


class AsyncJsonWebsocketConsumer(AsyncWebsocketConsumer):
    """A WebSocket that speaks JSON. Override :meth:`receive_json`, send with :meth:`send_json`."""

    # What decode_json() and encode_json() do, where nobody has overridden them: found once for each
    # connection, it spares each frame a coroutine. What is written needs no string in between.
    __decode: Callable[[str], Any] | None = None
    __payload: Callable[[Any], bytes] | None = None

    def _begin_connection(self) -> None:
        super()._begin_connection()
        own_decode, own_encode = _OWN_JSON
        self.__decode = codec().decode if _function(self.decode_json) is own_decode else None
        self.__payload = codec().payload if _function(self.encode_json) is own_encode else None

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        if not text_data:
            refuse_frame(text_data, bytes_data)
        try:
            decode = self.__decode
            content = decode(text_data) if decode else await self.decode_json(text_data)
        except ValueError as error:
            explain_bad_json(error, text_data)
            raise
        await self.receive_json(content, **kwargs)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """A text frame came; ``content`` is what it decodes to."""

    async def send_json(self, content: Any, close: bool | int = False) -> Any:
        """Send ``content`` as JSON in a text frame; the rest as in :meth:`send`."""
        if self.__payload is None:
            text = await self.encode_json(content)
        else:
            payload = self.__payload(content)
            if self._direct_gate is not None and not close and self._write_directly(payload):
                return None
            text = payload.decode()
        return await super().send(text_data=text, close=close)

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """What a text frame means. May be overridden.

        Raises:
            ValueError: it is not JSON.
        """
        return codec().decode(text_data)

    @classmethod
    async def encode_json(cls, content: Any) -> str:
        """``content`` as text. May be overridden.

        Raises:
            TypeError: it has a value that JSON has no form for.
        """
        return codec().encode(content)


def _sends(consumer_class: type) -> list[Any]:
    """The ``send`` methods that text of the consumer passes below the generic classes: ours, and
    those of mixins that stand between, or of whoever has replaced ours in the class."""
    mro = consumer_class.__mro__
    json = AsyncJsonWebsocketConsumer
    first = mro.index(json if json in mro else AsyncWebsocketConsumer)
    return [vars(base)["send"] for base in mro[first:] if "send" in vars(base)]


_OWN_SENDS = _sends(AsyncJsonWebsocketConsumer)


def _function(class_method: Any) -> Any:
    return getattr(class_method, "__func__", None)


# As they are here, before anybody replaces them in the class.
_OWN_JSON = tuple(
    map(_function, (AsyncJsonWebsocketConsumer.decode_json, AsyncJsonWebsocketConsumer.encode_json))
)
