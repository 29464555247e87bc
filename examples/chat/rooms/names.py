"""Room names: what a person may type, and the group that stands for it."""

import hashlib
import re
import unicodedata

MAX_LENGTH = 50

# What a channel layer takes for a group; the prefix that is put before it is short enough.
_PLAIN = re.compile(r"[a-z0-9_.-]+", re.ASCII)
# A slash or a backslash would end the URL's path segment, wherever the name is put.
_FORBIDDEN = re.compile(r"[/\\]")


class BadRoomNameError(ValueError):
    """The text is no room name; `str()` is a sentence for the person who typed it."""


def clean_room_name(text: str) -> str:
    """Return the one spelling of a room's name: lower case, with hyphens in place of spaces.

    Every script is welcome. Cleaning a clean name changes nothing.

    Raises:
        BadRoomNameError: the text is empty, too long, or cannot be a part of a URL.
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    name = "-".join(text.strip().removeprefix("#").split())
    if not name:
        raise BadRoomNameError("Type a name for the room.")
    if len(name) > MAX_LENGTH:
        raise BadRoomNameError(
            f"A room name has at most {MAX_LENGTH} characters; this one has {len(name)}."
        )
    if forbidden := _FORBIDDEN.search(name):
        raise BadRoomNameError(f"A room name cannot contain “{forbidden[0]}”.")
    if any(unicodedata.category(char) in {"Cc", "Cf", "Co", "Cn", "Cs"} for char in name):
        raise BadRoomNameError("A room name cannot contain invisible characters.")
    if not any(char.isalnum() for char in name):
        # Among them "." and "..", which a browser takes out of an address.
        raise BadRoomNameError("A room name needs at least one letter or digit.")
    return name


def room_group(name: str) -> str:
    """Return the group of the room with this clean name.

    Group names are ASCII letters, digits, ``-``, ``_`` and ``.``. A name that has anything else
    gets a digest of itself, under a prefix of its own so that no typed name can meet it.
    """
    if _PLAIN.fullmatch(name):
        return f"room.{name}"
    return f"room-digest.{hashlib.sha256(name.encode()).hexdigest()}"
