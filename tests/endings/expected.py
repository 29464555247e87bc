"""Every ending, and what comes of it: the code that ``disconnect`` gets and what the client sees.

``"cut"`` is a TCP connection that ends without a close frame, ``"open"`` one that does not end.
"""

from dataclasses import dataclass, field
from typing import Any, Final

SERVERS: Final = ("uvicorn", "daphne", "hypercorn", "granian")
VARIANTS: Final = {"uvicorn-frames": "uvicorn"}
"""Servers that are set up in another way, and whose connections end no other way for it."""
GONE: Final = ""
"""There is no client to see anything."""
OURS: Final = "uvicorn"
"""The one that is tried in every run."""


@dataclass(frozen=True)
class Ending:
    """One way to end a connection."""

    words: str
    code: int
    """What ``disconnect`` gets."""
    saw: Any
    """What the client sees."""
    consumer: str = "plain"
    """By which name the application knows it."""
    raises: str = ""
    """What leaves the application, so that the server logs it."""
    elsewhere: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Code and view behind servers that differ; ``None`` for a ``disconnect`` that never comes."""

    def behind(self, server: str) -> tuple[Any, Any]:
        return self.elsewhere.get(VARIANTS.get(server, server), (self.code, self.saw))


ENDINGS: Final = {
    "client_closes": Ending(
        "the client closes with 4001",
        4001,
        4001,
        elsewhere={"daphne": (4001, 1000), "hypercorn": (1006, 4001)},
    ),
    "client_closes_bare": Ending(
        "the client closes without a code",
        1005,
        1005,
        elsewhere={"daphne": (1005, 1000), "hypercorn": (1006, 1005)},
    ),
    "client_vanishes": Ending(
        "the client vanishes without a close frame",
        1006,
        GONE,
        elsewhere={"uvicorn": (1005, GONE), "granian": (1005, GONE)},
    ),
    "consumer_closes": Ending(
        "`close(4002)` in a handler",
        4002,
        4002,
        "close",
        elsewhere={"hypercorn": (1000, 4002), "granian": (1005, 4002)},
    ),
    "layer_handler_closes": Ending(
        "`close(4002)` in the handler of a layer's message",
        4002,
        4002,
        "layer_handler_closes",
        elsewhere={"hypercorn": (1000, 4002), "granian": (1005, "open")},
    ),
    "consumer_stops": Ending("a handler raises `StopConsumer`", 1000, 1000, "stop"),
    "denied": Ending(
        "`close()` in `connect`",
        1006,
        "HTTP 403",
        "deny",
        elsewhere={"hypercorn": (1000, "HTTP 403"), "granian": (1005, "HTTP 403")},
    ),
    "connect_raises": Ending(
        "`connect` raises",
        1011,
        "HTTP 500",
        "connect_raises",
        raises="Failed",
        elsewhere={"granian": (1011, "HTTP 403")},
    ),
    "connect_raises_late": Ending(
        "`connect` raises after `accept`", 1011, 1011, "connect_raises_late", raises="Failed"
    ),
    "handler_raises": Ending("a handler raises", 1011, 1011, "receive_raises", raises="Failed"),
    "on_error": Ending("a handler raises, `on_error` returns 4003", 4003, 4003, "on_error"),
    "layer_handler_raises": Ending(
        "the handler of a layer's message raises",
        1011,
        1011,
        "layer_handler_raises",
        raises="Failed",
    ),
    "layer_fails": Ending(
        "the channel layer fails", 1011, 1011, "layer_fails", raises="ConnectionError"
    ),
    "hangs_closed": Ending(
        "a handler hangs, the client closes with 4001",
        4001,
        4001,
        "hang",
        elsewhere={"daphne": (4001, 1000), "hypercorn": (1006, 4001)},
    ),
    "hangs_vanished": Ending(
        "a handler hangs, the client vanishes",
        1006,
        GONE,
        "hang",
        elsewhere={"uvicorn": (1005, GONE), "granian": (1005, GONE)},
    ),
    "cancelled": Ending(
        "the application is cancelled",
        1006,
        "cut",
        "cancel",
        raises="CancelledError",
        elsewhere={
            "daphne": (1006, "open"),
            "hypercorn": (1006, 1011),
            "granian": (1006, 1005),
        },
    ),
    "sigterm": Ending("SIGTERM", 1012, 1012, elsewhere={"daphne": (None, "cut")}),
    "sigterm_hangs": Ending(
        "SIGTERM, a handler hangs", 1012, 1012, "hang", elsewhere={"daphne": (None, "cut")}
    ),
}


def shown(server: str, ending: Ending) -> str:
    code, saw = ending.behind(server)
    told = "never" if code is None else str(code)
    return told if saw == GONE else f"{told} / {saw}"


def table() -> str:
    """The results as the documentation has them."""
    rows = [["ending", *SERVERS], ["---"] * (len(SERVERS) + 1)]
    rows += [
        [ending.words, *[shown(server, ending) for server in SERVERS]]
        for ending in ENDINGS.values()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
