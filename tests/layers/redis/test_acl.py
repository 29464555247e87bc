"""The rights that the guide tells operators to give are enough."""

import re
from pathlib import Path

import pytest

from channels.layers.redis import RedisChannelLayer
from tests.redis_servers import FLAVOURS, redis_server

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "run-redis.md"


def rights() -> list[str]:
    """The rules of the guide's ``ACL SETUSER``."""
    (line,) = re.findall(r"ACL SETUSER channels (.*)$", GUIDE.read_text("utf-8"), re.MULTILINE)
    rules: list[str] = line.split()
    return rules


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_user_with_these_rights_can_do_everything(flavour: str) -> None:
    rules = rights()
    assert not {"+@all", "allcommands", "~*", "&*", "allkeys", "allchannels"} & set(rules)
    password = next(rule[1:] for rule in rules if rule.startswith(">"))
    with redis_server(flavour) as server:
        server.command("ACL", "SETUSER", "channels", *rules)
        entry = {
            "host": "127.0.0.1",
            "port": server.port,
            "username": "channels",
            "password": password,
        }
        layers = [RedisChannelLayer(hosts=[entry], prefix="asgi") for _ in range(2)]
        here, there = layers
        try:
            mine, other = await here.new_channel(), await there.new_channel()
            for layer, channel in ((here, mine), (there, other)):
                await layer.group_add("room", channel)
            await here.group_send("room", {"type": "x", "n": 1})
            assert (await here.receive(mine))["n"] == 1
            assert (await there.receive(other))["n"] == 1
            await here.send(other, {"type": "x", "n": 2})
            assert (await there.receive(other))["n"] == 2
            await here.group_discard("room", mine)
            await here.send("jobs", {"type": "x", "n": 3})
            assert (await there.receive("jobs"))["n"] == 3
            await here.group_add("room", other)
            await here.flush()
        finally:
            for layer in layers:
                await layer.close()
        denied = [entry for entry in server.command("ACL", "LOG") if b"channels" in entry]
        assert denied == []
