"""The chat: one consumer per open page, one group per room."""

from __future__ import annotations

import secrets
import uuid
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from rooms.identity import SESSION_KEY, to_person
from rooms.models import MAX_MESSAGE_LENGTH, messages_after, post_message
from rooms.names import BadRoomNameError, clean_room_name, room_group

HISTORY_LIMIT = 100
BAD_ROOM = 4404


class BadMessageError(ValueError):
    """What the page sent cannot be said in a room; `str()` is a sentence for its reader."""


class ChatConsumer(AsyncJsonWebsocketConsumer):
    """Talks in one room.

    From the page: ``{"type": "message", "content": …, "nonce": …}`` (the nonce, a UUID, is
    optional) and ``{"type": "ping"}``. To the page: ``message``, ``presence``, ``notice``,
    ``error`` and ``pong``. With ``?after=ID`` in the URL, what was said since that message comes
    first.
    """

    # The name under which the others in the room know this connection; none before it joined.
    connection_id: str | None = None

    async def connect(self) -> None:
        await self.accept()
        try:
            self.room = clean_room_name(self.scope["url_route"]["kwargs"]["group_name"])
        except BadRoomNameError as exc:
            # Accepted first, because a browser shows no reason for a refused handshake.
            await self.close(code=BAD_ROOM, reason=str(exc))
            return
        guest = await self.scope["session"].aget(SESSION_KEY)
        self.person = to_person(self.scope["user"], guest)
        self.group = room_group(self.room)
        self.connection_id = secrets.token_hex(8)

        # Joined before the history is read, so that nothing falls between the two. What is said
        # meanwhile waits for this handler to end; the page drops what it then sees twice.
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.send_history()
        await self.channel_layer.group_send(
            self.group, {**self.presence("here"), "reply_to": self.channel_name}
        )

    async def disconnect(self, code: int) -> None:
        if self.connection_id is None:
            return
        await self.channel_layer.group_discard(self.group, self.channel_name)
        await self.channel_layer.group_send(self.group, self.presence("left"))

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "message":
            try:
                text, nonce = read_message(content)
            except BadMessageError as exc:
                reply = {"type": "error", "content": str(exc), "nonce": content.get("nonce")}
                await self.send_json(reply)
            else:
                await self.say(text, nonce)
        elif kind == "ping":
            await self.send_json({"type": "pong"})
        else:
            await self.send_json({"type": "error", "content": "Send a message or a ping."})

    async def say(self, text: str, nonce: uuid.UUID) -> None:
        message, is_new = await database_sync_to_async(post_message)(
            self.room, self.person, text, nonce
        )
        if is_new:
            await self.channel_layer.group_send(
                self.group, {"type": "chat.message", "message": message.as_event()}
            )
        else:
            # Sent again by a page that never saw it arrive; the others have it already.
            await self.send_json(message.as_event())

    async def send_history(self) -> None:
        after = parse_qs(self.scope["query_string"].decode("latin-1")).get("after", [""])[0]
        if not (after.isascii() and after.isdigit() and len(after) < 19):
            return
        messages = await database_sync_to_async(messages_after)(
            self.room, int(after), HISTORY_LIMIT + 1
        )
        if len(messages) > HISTORY_LIMIT:
            del messages[0]
            notice = f"Only the last {HISTORY_LIMIT} messages are shown."
            await self.send_json({"type": "notice", "content": notice})
        for message in messages:
            await self.send_json(message.as_event())

    # Handlers of what comes through the channel layer.

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send_json(event["message"])

    async def chat_presence(self, event: dict[str, Any]) -> None:
        """Tell the page who came, is here or left; answer those who ask who is here."""
        await self.send_json(
            {key: event[key] for key in ("event", "connection", "person")} | {"type": "presence"}
        )
        reply_to = event.get("reply_to")
        if reply_to and reply_to != self.channel_name:
            # Full means a crowd: the newcomer's list of people is cut short, nothing else suffers.
            with suppress(ChannelFull):
                await self.channel_layer.send(reply_to, self.presence("here"))

    def presence(self, event: str) -> dict[str, Any]:
        return {
            "type": "chat.presence",
            "event": event,
            "connection": self.connection_id,
            "person": self.person.as_dict(),
        }


def read_message(content: dict[str, Any]) -> tuple[str, uuid.UUID]:
    """Return text and nonce of a message from a page.

    Raises:
        BadMessageError: the text is missing, empty or too long, or the nonce is no UUID.
    """
    text = content.get("content")
    if not isinstance(text, str):
        raise BadMessageError("A message needs its text in “content”.")
    text = text.strip()
    if not text:
        raise BadMessageError("The message is empty.")
    if len(text) > MAX_MESSAGE_LENGTH:
        raise BadMessageError(
            f"A message has at most {MAX_MESSAGE_LENGTH} characters; this one has {len(text)}."
        )
    try:
        nonce = uuid.UUID(content["nonce"]) if "nonce" in content else uuid.uuid4()
    except (ValueError, TypeError, AttributeError):
        raise BadMessageError("“nonce” must be a UUID.") from None
    return text, nonce
