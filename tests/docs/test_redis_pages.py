"""The pages about the Redis layer say what the code does: options, entries of hosts, keys."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from channels.layers.redis import RedisChannelLayer
from channels.layers.redis.entries import parse_hosts
from channels.layers.redis.options import WITHOUT_MEANING

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reference" / "redis.md").read_text(encoding="utf-8")
COMING = (DOCS / "how-to" / "move-from-channels-redis.md").read_text(encoding="utf-8")

UNITS = {"expiry": "seconds", "send_timeout": "seconds", "group_expiry": "seconds"}
UNITS |= {"capacity": "messages", "channel_capacity": "messages", "random_prefix_length": "bytes"}

CHANNELS_REDIS = {
    "hosts",
    "prefix",
    "expiry",
    "group_expiry",
    "capacity",
    "channel_capacity",
    "symmetric_encryption_keys",
    "random_prefix_length",
    "serializer_format",
    "on_disconnect",
    "on_reconnect",
}
"""The options of both layers of channels_redis 4.3."""


def rows() -> dict[str, list[str]]:
    table = PAGE.split("<!-- options: begin -->")[1].split("<!-- options: end -->")[0]
    lines = [line.strip("|").split("|") for line in table.strip().splitlines()[2:]]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in lines}


def parameters() -> dict[str, Any]:
    signature = inspect.signature(RedisChannelLayer)
    return {name: p.default for name, p in signature.parameters.items() if name != "clock"}


def test_every_option_stands_on_the_page_with_its_unit_and_default() -> None:
    on_page = {
        name: (unit, ast.literal_eval(default.strip("`")))
        for name, (unit, default, _) in rows().items()
    }
    in_code = {name: (UNITS.get(name, ""), default) for name, default in parameters().items()}
    assert on_page == in_code


def test_every_option_of_channels_redis_is_accepted() -> None:
    assert parameters().keys() >= CHANNELS_REDIS


def test_options_without_effect_are_called_so() -> None:
    for name, (_, _, text) in rows().items():
        assert text.startswith("no effect") == (name in WITHOUT_MEANING), name
    (named,) = re.findall(r"names those that you changed: (.*?)\. `symm", COMING, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", named)) == set(WITHOUT_MEANING)


@pytest.mark.parametrize(
    "example",
    re.findall(
        r"^\| .* \| (`.*`)[^`|]*\|$",
        PAGE.split("## `hosts`")[1].split("These are")[0],
        re.MULTILINE,
    ),
)
def test_every_example_of_an_entry_is_one(example: str) -> None:
    found = re.findall(r"`(.*?)`", example)
    for entry in found:
        (host,) = parse_hosts([ast.literal_eval(entry.replace("…", ""))])
        assert host.seeds


async def test_the_keys_are_named_as_the_page_says() -> None:
    layer = RedisChannelLayer()
    try:
        hub = layer._links.claim()
        for kind, name in re.findall(r"`asgi:\{(\w):([^}]*)\}`", PAGE):
            assert hub.key(kind, name) == f"asgi:{{{kind}:{name}}}".encode()
        assert set(re.findall(r"`asgi:\{(\w):", PAGE)) == {"g", "p", "c"}
    finally:
        await layer.close()
