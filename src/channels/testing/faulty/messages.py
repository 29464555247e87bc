"""Faults of what a message holds."""

from typing import Any

from channels.testing.faulty.base import FaultyLayer
from channels.typing import Message


class MakesBytesText(FaultyLayer, caught_by=("plain_values",)):
    """Returns text for bytes."""

    async def receive(self, channel: str) -> Message:
        message = await super().receive(channel)
        return {
            key: value.decode("latin-1") if isinstance(value, bytes) else value
            for key, value in message.items()
        }


class MakesKeysText(FaultyLayer, caught_by=("special_values",)):
    """Accepts any key in an inner dictionary and returns text, as JSON does."""

    async def receive(self, channel: str) -> Message:
        return {
            key: self._as_text(value) for key, value in (await super().receive(channel)).items()
        }

    def _as_text(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): self._as_text(inner) for key, inner in value.items()}
        return value


class CutsLongText(FaultyLayer, caught_by=("large_message",)):
    """Returns no more than 64 KiB of a text."""

    async def receive(self, channel: str) -> Message:
        message = await super().receive(channel)
        return {
            key: value[:65536] if isinstance(value, str) else value
            for key, value in message.items()
        }


class KeepsTheSendersDict(FaultyLayer, caught_by=("senders_own_dict",)):
    """Copies a message when it is received and not when it is sent."""

    async def send(self, channel: str, message: Message) -> None:
        await super().send(channel, message)
        waiting = self.waiting(channel)
        if waiting:
            _, snapshot = waiting[-1]
            snapshot._message = message


class AcceptsAnyMessage(FaultyLayer, caught_by=("only_dicts",)):
    """Drops what is not a dictionary without a word."""

    async def send(self, channel: str, message: Message) -> None:
        if isinstance(message, dict):
            await super().send(channel, message)


class IgnoresTheReservedKey(FaultyLayer, caught_by=("reserved_key",)):
    """Sends a message with the reserved key, without that key."""

    async def send(self, channel: str, message: Message) -> None:
        if isinstance(message, dict):
            message = {key: message[key] for key in message if key != "__asgi_channel__"}
        await super().send(channel, message)
