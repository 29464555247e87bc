"""Who speaks: the signed-in user, or a guest whose name lives in the session."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest

SESSION_KEY = "guest"

_ADJECTIVES = ("Brisk", "Calm", "Clever", "Gentle", "Jolly", "Kind", "Lucky", "Merry", "Quiet")
_ANIMALS = ("Badger", "Crane", "Dolphin", "Falcon", "Heron", "Lynx", "Marten", "Otter", "Robin")


@dataclass(frozen=True)
class Person:
    """A participant. `id` is public and tells two people of the same name apart."""

    id: str
    name: str
    is_guest: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def new_guest() -> dict[str, str]:
    """Return what the session keeps of a guest: an id that gives nothing away, and a name."""
    name = f"{secrets.choice(_ADJECTIVES)} {secrets.choice(_ANIMALS)}"
    return {"id": f"guest-{secrets.token_hex(6)}", "name": name}


def to_person(
    user: AbstractBaseUser | AnonymousUser | None, guest: Mapping[str, str] | None
) -> Person:
    """Return the user as a person, else the guest, else a guest that nobody has seen before."""
    if user is not None and user.is_authenticated:
        return Person(id=f"user-{user.pk}", name=user.get_username(), is_guest=False)
    return Person(**(guest or new_guest()), is_guest=True)


def person(request: HttpRequest) -> dict[str, Person]:
    """Give every template `person`; a new guest is remembered in the session."""
    if not request.user.is_authenticated and SESSION_KEY not in request.session:
        request.session[SESSION_KEY] = new_guest()
    return {"person": to_person(request.user, request.session.get(SESSION_KEY))}
