from __future__ import annotations

import uuid

from django.db import models, transaction
from django.utils import timezone

from rooms.identity import Person
from rooms.names import MAX_LENGTH as MAX_NAME_LENGTH

MAX_MESSAGE_LENGTH = 2000


class Room(models.Model):
    """A room that something was said in; `name` is as `clean_room_name` returns it."""

    name = models.CharField(max_length=MAX_NAME_LENGTH, unique=True)
    last_message_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        ordering = [models.F("last_message_at").desc(nulls_last=True), "name"]

    def __str__(self) -> str:
        return self.name


class Message(models.Model):
    """One thing that was said. The sender's name is kept as it was then."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="messages")
    nonce = models.UUIDField()
    sender_id = models.CharField(max_length=40)
    sender_name = models.CharField(max_length=150)
    sender_is_guest = models.BooleanField()
    content = models.CharField(max_length=MAX_MESSAGE_LENGTH)
    sent_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [
            # A page that lost its connection sends again what nobody confirmed.
            models.UniqueConstraint(fields=["room", "nonce"], name="one_message_per_nonce"),
        ]

    def __str__(self) -> str:
        return f"{self.sender_name}: {self.content[:40]}"

    def as_event(self) -> dict[str, object]:
        """Return the message as browsers get it."""
        return {
            "type": "message",
            "id": self.pk,
            "nonce": str(self.nonce),
            "content": self.content,
            "sender": {
                "id": self.sender_id,
                "name": self.sender_name,
                "is_guest": self.sender_is_guest,
            },
            "sent_at": self.sent_at.isoformat(),
        }


def post_message(
    room_name: str, person: Person, content: str, nonce: uuid.UUID
) -> tuple[Message, bool]:
    """Keep a message and say whether it is new: the same nonce in the same room is not."""
    with transaction.atomic():
        room, _ = Room.objects.get_or_create(name=room_name)
        message, is_new = Message.objects.get_or_create(
            room=room,
            nonce=nonce,
            defaults={
                "sender_id": person.id,
                "sender_name": person.name,
                "sender_is_guest": person.is_guest,
                "content": content,
            },
        )
        if is_new:
            Room.objects.filter(pk=room.pk).update(last_message_at=message.sent_at)
    return message, is_new


def messages_after(room_name: str, message_id: int, limit: int) -> list[Message]:
    """Return the newest `limit` messages of the room with a higher id, oldest first."""
    newest = Message.objects.filter(room__name=room_name, id__gt=message_id).order_by("-id")
    return list(reversed(newest[:limit]))
