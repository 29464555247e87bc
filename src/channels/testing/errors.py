"""What the testing tools raise when a test and an application disagree.

All are ``AssertionError``: a test runner shows them as a failure and not as an error, and tests
that expect the ``assert`` of other communicators keep passing. They are raised and not asserted,
so ``python -O`` keeps them.
"""

from typing import Any


class UnexpectedMessageError(AssertionError):
    """The application sent something else than the test was waiting for.

    ``got`` is the message as it was sent, ``expected`` says in words what was wanted.
    """

    def __init__(self, text: str, *, got: Any, expected: str) -> None:
        super().__init__(text)
        self.got = got
        self.expected = expected
        self.add_note(f"The application sent {_shortened(got)}; expected was {expected}.")


class ArgumentTypeError(AssertionError, TypeError):
    """An argument of a testing tool has the wrong type."""


class ArgumentValueError(AssertionError, ValueError):
    """An argument of a testing tool has the right type and an unusable value."""


def unexpected(got: Any, expected_type: str) -> UnexpectedMessageError:
    """The error for a message that is not of ``expected_type``."""
    came = message_type(got)
    error = UnexpectedMessageError(
        f"Expected type {expected_type!r}, but was {came!r}",
        got=got,
        expected=f"a message of type {expected_type!r}",
    )
    if came == "websocket.close":
        error.add_note("The application closed the connection instead.")
    return error


def message_type(message: Any) -> Any:
    """The ``type`` of what an application sent, which need not be a message at all."""
    return message.get("type") if isinstance(message, dict) else None


def _shortened(value: Any, limit: int = 500) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
