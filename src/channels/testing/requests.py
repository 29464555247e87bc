"""From the arguments of a communicator to the keys of a scope, with the checks in one place."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from channels.testing.errors import ArgumentTypeError, ArgumentValueError

Headers = Iterable[tuple[bytes, bytes]]


def split_url(url: object) -> tuple[str, bytes]:
    """The ``path`` and the ``query_string`` of a scope.

    A whole URL is accepted and its host is ignored.

    Raises:
        TypeError: ``url`` is not a ``str``.
        ValueError: ``url`` cannot be taken apart, or is not a thing that a client could send.
    """
    if not isinstance(url, str):
        error = ArgumentTypeError(f"Expected str, got {type(url)}")
        error.add_note(
            f"The path is {url!r}; give the communicator the path of the URL, such as '/ws/chat/'. "
            "The application comes first, the path second."
        )
        raise error
    try:
        parts = urlsplit(url)
        return unquote(parts.path, errors="strict"), parts.query.encode("utf-8")
    except ValueError as error:
        raise ArgumentValueError(
            f"{url!r} is not a URL that can be requested ({error}); "
            "percent-encode what is not allowed in a path or query string"
        ) from error


def checked_headers(headers: Any) -> Any:
    """``headers`` as they came, if they can be those of a scope; ``[]`` for ``None``.

    Raises:
        TypeError: they are not pairs of ``bytes``. An application would pass over such a header
            without a word, and the test would test something else than it says.
    """
    if not headers:
        return []
    if isinstance(headers, (str, bytes)) or not isinstance(headers, Sequence):
        raise ArgumentTypeError(
            f"headers is {headers!r}; it must be a list of pairs such as [(b'origin', b'http://a')]"
        )
    for header in headers:
        if not _is_pair_of_bytes(header):
            raise ArgumentTypeError(
                f"The header {header!r} is not a pair of bytes such as (b'origin', b'http://a'); "
                "names are lower-case bytes, values are bytes"
            )
    return headers


def _is_pair_of_bytes(header: object) -> bool:
    return (
        isinstance(header, (list, tuple))
        and len(header) == 2
        and all(isinstance(part, bytes) for part in header)
    )
