"""The contract of a channel layer: what every layer promises, names and capacities.

A layer carries messages between mailboxes. It promises, unless its documentation says otherwise:

* **order**: first in, first out for each pair of sending task and receiving channel, whether it is
  sent to the channel or to groups that it is in;
* **loss**: at most once. A message is lost when it waits longer than ``expiry`` seconds, and when a
  group message meets a channel that is at its capacity; ``send`` to such a channel raises instead;
* **duplication**: none. A message to a channel goes to exactly one receiver;
* **isolation**: every receiver gets a dictionary of its own;
* **cancellation**: a cancelled ``receive`` loses nothing: either it returned the message or the
  next receiver gets it. A cancelled ``send`` may have arrived.

:mod:`channels.testing.conformance` checks these promises for any layer.
"""

import fnmatch
import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from channels.layers.sync import SyncLayer
from channels.typing import Message

if TYPE_CHECKING:
    from channels.layers.log import Position

Pattern: TypeAlias = str | re.Pattern[str]
"""Which channels a capacity is for: a glob such as ``"http.request"`` or ``"chat.*"``, or a
compiled regular expression that the name has to match from its beginning."""

Capacities: TypeAlias = Sequence[tuple[re.Pattern[str], int]]


class MessageTypeError(AssertionError, TypeError):
    """A message that is not a dictionary. (Upstream raises a bare ``AssertionError``.)"""


class ReservedKeyError(AssertionError, ValueError):
    """A message that uses ``__asgi_channel__``. (Upstream raises a bare ``AssertionError``.)"""


class NamesError(AssertionError, ValueError):
    """Not a list of names. (Upstream raises a bare ``AssertionError``.)"""


class Inbox(Protocol):
    """The receiving end of one channel, as :meth:`BaseChannelLayer.attach` hands it out."""

    def take(self) -> Any:
        """The oldest message that waits, as a :class:`~channels.layers.snapshot.Snapshot`, or
        ``None``. Never waits."""
        ...

    def empty(self) -> bool:
        """Whether nothing waits; what has expired may still count."""
        ...

    def count_drop(self, reason: str) -> None:
        """Count one message that was taken and could not be delivered."""

    def close(self) -> None:
        """Leave every group, drop what waits and detach. More than one call is harmless."""


class BaseChannelLayer:
    """What a layer is derived from; third-party layers too.

    Args:
        expiry: seconds that a message may wait before it is dropped.
        capacity: how many messages a channel holds.
        channel_capacity: capacities of channels by name, see :data:`Pattern`; the first pattern
            that matches decides.
    """

    MAX_NAME_LENGTH: ClassVar[int] = 100
    """A name has to be shorter than this."""

    extensions: ClassVar[list[str]] = []
    """What the layer can do beyond ``send``, ``receive`` and ``new_channel``: ``"groups"``,
    ``"flush"``, ``"positions"`` (``group_send`` returns one), ``"exclude"``, ``"general-members"``
    (a general channel, which no process owns, may be in a group), ``"processes"`` (it reaches other
    processes and can :meth:`attach`: :mod:`channels.closing` orders them through it)."""

    channel_name_regex: ClassVar[re.Pattern[str]] = re.compile(
        r"[a-zA-Z0-9\-_.]+(![a-zA-Z0-9\-_.]*)?\Z"
    )
    group_name_regex: ClassVar[re.Pattern[str]] = re.compile(r"[a-zA-Z0-9\-_.]+\Z")
    invalid_name_error: ClassVar[str] = (
        "{} name must be a valid unicode string with length < 100 containing only ASCII "
        "alphanumerics, hyphens, underscores, or periods."
    )

    def __init__(
        self,
        expiry: float = 60,
        capacity: int = 100,
        channel_capacity: Mapping[Pattern, int] | None = None,
    ) -> None:
        self.expiry = expiry
        self.capacity = capacity
        self.channel_capacity: Any = channel_capacity or {}

    @property
    def sync(self) -> SyncLayer:
        """``send``, ``group_send``, ``group_add`` and ``group_discard`` for sync code."""
        return SyncLayer(self)

    # What a layer implements.

    async def send(self, channel: str, message: Message) -> None:
        """Put a message into a channel.

        Raises:
            ChannelFull: the channel is at its capacity; the message was not accepted.
            TypeError: the name is not valid or the message is not a dictionary.
        """
        raise NotImplementedError("send() should be implemented in a channel layer")

    async def receive(self, channel: str) -> Message:
        """Wait for the next message of a channel. One message goes to one receiver."""
        raise NotImplementedError("receive() should be implemented in a channel layer")

    async def new_channel(self) -> str:
        """A name that is in nobody's use, for a channel that only this process reads."""
        raise NotImplementedError("new_channel() should be implemented in a channel layer")

    async def flush(self) -> None:
        """Forget all messages and groups."""
        raise NotImplementedError("flush() not implemented (flush extension)")

    async def group_add(self, group: str, channel: str) -> None:
        """Make a channel a member. Has taken effect when it returns."""
        raise NotImplementedError("group_add() not implemented (groups extension)")

    async def group_discard(self, group: str, channel: str) -> None:
        """End a membership; silent where there is none."""
        raise NotImplementedError("group_discard() not implemented (groups extension)")

    async def group_send(
        self, group: str, message: Message, *, exclude: Collection[str] = ()
    ) -> "Position | None":
        """Send a message to every member but the channels in ``exclude``. Never raises
        :class:`~channels.exceptions.ChannelFull`."""
        raise NotImplementedError("group_send() not implemented (groups extension)")

    def attach(self, channel: str, wake: Callable[[], None]) -> Inbox | None:
        """Have ``wake`` called when a message is put into ``channel``, instead of waiting for it.

        ``wake`` is called on the running loop of the caller of ``attach``, in a callback of the
        loop (``call_soon``) and never inside a task, at least once for every message: a call may
        take no more than one.

        Returns ``None`` where the layer can only be waited for (:meth:`receive`): the default.
        """
        return None

    # Capacities.

    def compile_capacities(
        self, channel_capacity: Mapping[Pattern, int] | Sequence[tuple[Pattern, int]]
    ) -> Capacities:
        """Patterns as regular expressions, in the order given. What was compiled already, or given
        as pairs, is accepted too."""
        pairs = (
            channel_capacity.items() if isinstance(channel_capacity, Mapping) else channel_capacity
        )
        return [
            (re.compile(fnmatch.translate(pattern)) if isinstance(pattern, str) else pattern, most)
            for pattern, most in pairs
        ]

    def get_capacity(self, channel: str) -> int:
        """How many messages ``channel`` holds."""
        capacities = self.channel_capacity
        if isinstance(capacities, Mapping):
            # A subclass that never compiled them, or compiles them after this class's __init__.
            capacities = self.compile_capacities(capacities)
        for pattern, capacity in capacities:
            if pattern.match(channel):
                return int(capacity)
        return self.capacity

    # Names.

    def match_type_and_length(self, name: object) -> bool:
        """Whether ``name`` is a string of a length that names may have."""
        return isinstance(name, str) and 0 < len(name) < self.MAX_NAME_LENGTH

    def require_valid_channel_name(self, name: str, receive: bool = False) -> bool:
        """Return ``True`` for a valid name.

        Args:
            receive: the name is one to receive on in a layer that shares one mailbox for a process:
                a specific name has to end at its ``!``.

        Raises:
            TypeError: it is not a string, too long, or has a character that names may not have.
        """
        if not self.match_type_and_length(name) or not self.channel_name_regex.match(name):
            raise self._invalid_name("Channel", name, allowed="!")
        if receive and "!" in name and not name.endswith("!"):
            raise TypeError("Specific channel names in receive() must end at the !")
        return True

    def require_valid_group_name(self, name: str) -> bool:
        """Return ``True`` for a valid name.

        Raises:
            TypeError: it is not a string, too long, or has a character that names may not have.
        """
        if not self.match_type_and_length(name) or not self.group_name_regex.match(name):
            raise self._invalid_name("Group", name)
        return True

    def valid_channel_names(self, names: Sequence[str], receive: bool = False) -> bool:
        """Return ``True`` for a list of valid names. Kept for compatibility.

        Raises:
            NamesError: it is not a list, or empty.
            TypeError: one of the names is not valid.
        """
        if not isinstance(names, list) or not names:
            raise NamesError("names must be a non-empty list")
        return all(self.require_valid_channel_name(name, receive) for name in names)

    def valid_channel_name(self, channel_name: str, receive: bool = False) -> bool:
        """Deprecated upstream: :meth:`require_valid_channel_name`."""
        warnings.warn(
            "valid_channel_name is deprecated, use require_valid_channel_name instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.require_valid_channel_name(channel_name, receive)

    def valid_group_name(self, group_name: str) -> bool:
        """Deprecated upstream: :meth:`require_valid_group_name`."""
        warnings.warn(
            "valid_group_name is deprecated, use require_valid_group_name instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.require_valid_group_name(group_name)

    def non_local_name(self, name: str) -> str:
        """The part of a channel name up to and with its ``!``, or the whole name."""
        head, mark, _ = name.partition("!")
        return head + mark

    def _invalid_name(self, kind: str, name: object, allowed: str = "") -> TypeError:
        error = TypeError(self.invalid_name_error.format(kind))
        error.add_note(name_fault(name, self.MAX_NAME_LENGTH, allowed))
        return error

    # Messages.

    def require_valid_message(self, message: object, text: str = "message is not a dict") -> None:
        """Refuse what is not a message; ``text`` is the error's first line.

        Raises:
            MessageTypeError: it is not a dictionary.
            ReservedKeyError: it uses a key that layers reserve.
        """
        if not isinstance(message, dict):
            wrong = MessageTypeError(text)
            # Not the value: messages hold what users wrote, and errors are logged.
            wrong.add_note(
                f"It is of type {type(message).__name__}; send a dict with a 'type' key."
            )
            raise wrong
        if "__asgi_channel__" in message:
            raise ReservedKeyError(
                "The key '__asgi_channel__' is reserved for channel layers; rename it."
            )

    def require_valid_exclude(self, exclude: object) -> None:
        """Refuse what is not a collection of channel names to leave out.

        Raises:
            TypeError: it is a string, whose characters would be taken for names.
        """
        if isinstance(exclude, str):
            raise TypeError(
                f"exclude is the string {exclude!r:.200}; give a collection of channel names, such "
                f"as [{exclude!r:.200}]."
            )


def name_fault(name: object, max_length: int, allowed: str = "") -> str:
    """What exactly is wrong with a channel or group name, and the cure."""
    if not isinstance(name, str):
        return f"It is {name!r:.200}, which is not a string."
    if not name:
        return "It is empty."
    if len(name) >= max_length:
        return f"It has {len(name)} characters: {name!r:.200}. Hash long names."
    for position, character in enumerate(name):
        if not (character.isascii() and (character.isalnum() or character in f"-_.{allowed}")):
            return (
                f"Character {position + 1} of {name!r} is {character!r}. "
                "Hash or encode names that come from users."
            )
    return f"It is {name!r}; one '!' at most, and a name before it."
