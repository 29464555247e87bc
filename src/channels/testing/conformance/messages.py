"""Checks of what a message may hold and of what comes out."""

import datetime as dt
import decimal
import uuid
from typing import Any

from channels.testing.conformance.bench import Bench, expect
from channels.testing.conformance.check import check

PLAIN: dict[str, Any] = {
    "text": "täxt 🙂",
    "empty": "",
    "bytes": b"\x00\xff",
    "int": -(2**53),
    "float": 0.1,
    "true": True,
    "none": None,
    "list": [1, [2, {"deep": ["x"]}]],
    "dict": {"a": {"b": {}}},
}
"""What every layer carries unchanged."""

SPECIAL: dict[str, Any] = {
    "datetime": dt.datetime(2026, 11, 20, 12, 30, 1, 5, tzinfo=dt.UTC),
    "date": dt.date(2026, 11, 20),
    "time": dt.time(12, 30),
    "timedelta": dt.timedelta(days=1, microseconds=5),
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID(int=5),
    "set": {1, 2},
    "integer keys": {1: "one"},
    "a None key": {None: "none"},
    "a large int": 2**70,
}
"""What a layer carries unchanged or refuses when it is sent."""


@check()
async def plain_values(bench: Bench) -> None:
    """Text, bytes, numbers, booleans, ``None``, lists and dictionaries arrive equal."""
    channel = await bench.layer.new_channel()
    await bench.layer.send(channel, {"type": "conformance.message", **PLAIN})
    message = await bench.receive(bench.layer, channel)
    changed = {key: message.get(key) for key in PLAIN if not _same(message.get(key), PLAIN[key])}
    expect(not changed, f"these arrived changed: {changed!r}")


@check()
async def special_values(bench: Bench) -> None:
    """A value that ``send`` accepts arrives equal (a tuple may be a list); others it refuses."""
    changed: dict[str, str] = {}
    for key, value in {**SPECIAL, "tuple": (1, 2)}.items():
        channel = await bench.layer.new_channel()
        try:
            await bench.layer.send(channel, {"type": "conformance.message", "value": value})
        except (TypeError, ValueError, OverflowError):
            continue
        try:
            came = (await bench.receive(bench.layer, channel)).get("value")
        except (TypeError, ValueError) as error:
            changed[key] = f"receive() raised {error!r}"
            continue
        wanted = list(value) if isinstance(came, list) and isinstance(value, tuple) else value
        if not _same(came, wanted):
            changed[key] = repr(came)
    expect(not changed, f"send() accepted what did not arrive as it was: {changed}")


@check()
async def large_message(bench: Bench) -> None:
    """A message of 1 MiB arrives."""
    channel = await bench.layer.new_channel()
    payload = "0123456789abcdef" * 65536
    await bench.layer.send(channel, {"type": "conformance.message", "payload": payload})
    message = await bench.receive(bench.layer, channel)
    expect(message.get("payload") == payload, "the payload of 1 MiB arrived changed")


@check()
async def senders_own_dict(bench: Bench) -> None:
    """What the sender changes in its dictionary after ``send`` has returned, nobody sees."""
    channel = await bench.layer.new_channel()
    message: dict[str, Any] = {"type": "conformance.message", "deep": {"list": [1]}}
    await bench.layer.send(channel, message)
    message["deep"]["list"].append(2)
    message["more"] = True
    received = await bench.receive(bench.layer, channel)
    expect(
        "more" not in received and received["deep"] == {"list": [1]},
        f"a change after the send arrived: {received!r}",
    )


@check()
async def only_dicts(bench: Bench) -> None:
    """``send`` refuses a message that is not a dictionary, with ``TypeError`` or
    ``AssertionError``."""
    channel = await bench.layer.new_channel()
    for value in (None, "text", ["type", "x"], 5):
        try:
            await bench.layer.send(channel, value)
        except (TypeError, AssertionError):
            continue
        expect(False, f"send() accepted {value!r}")


@check()
async def reserved_key(bench: Bench) -> None:
    """``send`` refuses a message with the key ``__asgi_channel__``, which layers reserve."""
    channel = await bench.layer.new_channel()
    try:
        await bench.layer.send(channel, {"type": "conformance.message", "__asgi_channel__": "x"})
    except (AssertionError, ValueError, TypeError):
        return
    expect(False, "send() accepted it")


def _same(came: Any, sent: Any) -> bool:
    """Equal, and of the same type: ``True`` is not ``1`` here, nor ``"1"`` ``1``."""
    if isinstance(sent, dict) and isinstance(came, dict):
        return list(map(repr, came)) == list(map(repr, sent)) and all(
            _same(came[key], sent[key]) for key in sent
        )
    if isinstance(sent, list) and isinstance(came, list):
        return len(came) == len(sent) and all(map(_same, came, sent))
    return type(came) is type(sent) and bool(came == sent)
