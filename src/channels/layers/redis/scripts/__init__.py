"""The scripts that run in the server, each in a file of its own beside this one."""

import hashlib
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """One script, and the name by which the server knows it once it has seen it."""

    source: bytes
    sha: bytes


def _load(name: str) -> Script:
    source = files(__name__).joinpath(f"{name}.lua").read_bytes()
    # Redis's own name for it, and no safeguard.
    return Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode())


PUBLISH: Script = _load("publish")
FOLLOW: Script = _load("follow")
PUSH: Script = _load("push")
TAKE: Script = _load("take")
ACKNOWLEDGE: Script = _load("acknowledge")
GIVE_BACK: Script = _load("give_back")
