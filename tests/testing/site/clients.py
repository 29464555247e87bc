"""What the tests talk to a server with."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.sync.client import ClientConnection, connect

LONG = 30


def get(url: str) -> tuple[int, str]:
    """Status and text of a page."""
    try:
        with urllib.request.urlopen(url, timeout=LONG) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@contextmanager
def socket(url: str) -> Iterator[ClientConnection]:
    """A WebSocket connection."""
    with connect(url, open_timeout=LONG, close_timeout=LONG) as connection:
        yield connection
