"""Every exception that Raceway raises on purpose.

::

    Exception
    ├── RequestAborted, RequestTimeout    kept for imports only, raised nowhere
    ├── InvalidChannelLayerError (ValueError)
    ├── AcceptConnection, DenyConnection  answers of connect()
    ├── ChannelFull                       the channel named by send() is at its capacity
    ├── MessageTooLarge                   a layer refuses the message for its size
    ├── BrokerUnavailableError (ConnectionError)  the broker did not answer in time
    ├── UnreadableMessageError (ValueError)   bytes from the broker are not a message
    ├── TooManyGroupsError                a connection may be in no further group
    └── StopConsumer                      the consumer is done
"""


class RequestAborted(Exception):  # noqa: N818 - upstream's name
    """Kept because code imports it; nothing raises it."""


class RequestTimeout(RequestAborted):
    """Kept because code imports it; nothing raises it."""


class InvalidChannelLayerError(ValueError):
    """``CHANNEL_LAYERS`` does not describe a usable layer, or a consumer lacks the one it needs."""


class AcceptConnection(Exception):  # noqa: N818 - upstream's name
    """Raised in ``connect()`` to accept the connection."""


class DenyConnection(Exception):  # noqa: N818 - upstream's name
    """Raised in ``connect()`` to deny the connection."""


class ChannelFull(Exception):  # noqa: N818 - upstream's name
    """Raised by ``layer.send()``: the channel holds as many messages as its capacity allows.

    The message was not accepted. ``group_send()`` never raises it.
    """


class MessageTooLarge(Exception):  # noqa: N818 - upstream's name
    """Raised by ``layer.send()`` and ``group_send()``: the message is too large for the layer."""


class BrokerUnavailableError(ConnectionError):
    """Raised by a layer's methods: its broker did not do what was asked, in the time there was.

    What was asked may have been done nevertheless: a message that was being sent may arrive.
    ``receive()`` never raises it.
    """


class UnreadableMessageError(ValueError):
    """What came from the broker is not a message, or not one that this process's keys can read.

    Layers do not raise it from ``receive()``: they drop what they cannot read, count it and log it.
    """


class TooManyGroupsError(Exception):
    """Raised by ``layer.group_add()``: the connection is in as many groups as its limit allows.

    Nothing was changed. ``CHANNELS["LIMITS"]["groups_per_connection"]`` is the limit, or that of
    the consumer.
    """

    def __init__(self, group: str, channel: str, most: int) -> None:
        super().__init__(group, channel, most)
        self.group: str = group
        self.channel: str = channel
        self.most: int = most

    def __str__(self) -> str:
        return (
            f"{self.channel!r} is in {self.most} groups and cannot join {self.group!r}: that is "
            "the limit groups_per_connection."
        )


class StopConsumer(Exception):  # noqa: N818 - upstream's name
    """Raised in a handler to end the consumer without an error."""
