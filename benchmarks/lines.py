"""How the harness talks to its processes: one JSON object a line, a question and its answer."""

import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]


class Lines:
    """The process's side. Takes stdout for itself: whatever else prints goes to stderr."""

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
        os.dup2(2, 1)

    def write(self, message: Message) -> None:
        self._answers.write(json.dumps(message) + "\n")

    def read(self) -> Message | None:
        """Block until the next question; ``None`` when the harness has gone."""
        line = sys.stdin.readline()
        return json.loads(line) if line else None


async def answer_to(message: Message, handle: Callable[[Message], Awaitable[Message]]) -> Message:
    """What ``handle`` says to a question, or the error that it raised."""
    import traceback

    try:
        return await handle(message)
    except Exception:  # whatever it is, the harness shows it
        return {"error": traceback.format_exc()}
