"""The layer on one server: what the suite of promises leaves open."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
import redis
import uvloop

from channels.consumer import AsyncConsumer
from channels.exceptions import BrokerUnavailableError, ChannelFull, StopConsumer
from channels.layers import channel_layers
from channels.layers.redis import RedisChannelLayer
from channels.testing import ApplicationCommunicator
from tests.layers.tools import numbered
from tests.redis_servers import Server, redis_server


class Place:
    """Layers that share a prefix on one server: each is to the others another process."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.prefix = uuid4().hex
        self.client: redis.Redis = redis.Redis.from_url(server.url)
        self.layers: list[RedisChannelLayer] = []

    def layer(self, **options: Any) -> RedisChannelLayer:
        made = RedisChannelLayer(hosts=[self.server.url], prefix=self.prefix, **options)
        self.layers.append(made)
        return made

    def all_keys(self) -> list[bytes]:
        return self.client.keys(f"{self.prefix}:*")

    def subscriptions(self) -> list[bytes]:
        return self.client.pubsub_channels(f"{self.prefix}:*")

    async def close(self) -> None:
        for layer in self.layers:
            await layer.close()
        if keys := self.all_keys():
            self.client.delete(*keys)
        self.client.close()


@pytest.fixture
async def place(redis7: Server) -> AsyncIterator[Place]:
    found = Place(redis7)
    yield found
    await found.close()


async def receive(layer: RedisChannelLayer, channel: str, count: int = 1) -> list[Any]:
    async with asyncio.timeout(10):
        return [await layer.receive(channel) for _ in range(count)]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def member(layer: RedisChannelLayer, group: str = "room") -> str:
    channel = await layer.new_channel()
    await layer.group_add(group, channel)
    return channel


# What crosses to the server, and what stays there.


async def test_a_message_crosses_once_for_all_members_of_a_process(place: Place) -> None:
    layer = place.layer()
    members = [await member(layer) for _ in range(20)]
    (group_key,) = [key for key in place.subscriptions() if b"{g:room}" in key]
    assert place.client.pubsub_numsub(group_key) == [(group_key, 1)]
    await place.layer().group_send("room", {"type": "x"})
    for channel in members:
        assert await receive(layer, channel) == [{"type": "x"}]


async def test_a_group_is_followed_as_long_as_it_has_members(place: Place) -> None:
    layer = place.layer()
    first, second = await member(layer), await member(layer)
    await layer.group_discard("room", first)
    assert len([key for key in place.subscriptions() if b"{g:room}" in key]) == 1
    await layer.group_discard("room", second)
    await until(lambda: not [key for key in place.subscriptions() if b"{g:room}" in key])


async def test_joining_and_leaving_at_once_ends_as_the_last_call_says(place: Place) -> None:
    layer = place.layer()
    channel = await layer.new_channel()
    for _ in range(20):
        await layer.group_add("room", channel)
        await layer.group_discard("room", channel)
    await layer.group_add("room", channel)
    await place.layer().group_send("room", {"type": "x"})
    assert await receive(layer, channel) == [{"type": "x"}]


async def test_concurrent_sends_share_one_connection_and_few_writes(place: Place) -> None:
    layer = place.layer()
    await member(layer)
    before = place.client.info("stats")["total_connections_received"]
    await asyncio.gather(*(layer.group_send("other", {"type": "x"}) for _ in range(200)))
    assert place.client.info("stats")["total_connections_received"] == before


async def test_keys_end_with_the_expiry(place: Place) -> None:
    layer = place.layer(expiry=0.3)
    channel = await member(layer)
    await layer.group_send("room", {"type": "x"})
    await layer.send(channel, {"type": "x"})
    await layer.send("general", {"type": "x"})
    assert len(place.all_keys()) == 3
    await layer.close()
    await until(lambda: not place.all_keys())


async def test_followers_keep_the_log(place: Place) -> None:
    layer = place.layer(expiry=0.3)
    await member(layer)
    (key,) = [key for key in place.all_keys() if b"{g:room}" in key]
    until_then = time.monotonic() + 1
    await until(lambda: time.monotonic() > until_then)
    assert place.client.exists(key)


async def test_without_history_nobody_keeps_anything(place: Place) -> None:
    layer = place.layer(history=False)
    assert await layer.group_send("nobody", {"type": "x"}) is None
    assert place.all_keys() == []
    channel = await member(layer)
    assert (await layer.group_send("room", {"type": "x"})).offset == 1
    assert await receive(layer, channel) == [{"type": "x"}]


async def test_the_databases_of_a_server_are_separate(place: Place) -> None:
    other = RedisChannelLayer(hosts=[place.server.url[:-1] + "1"], prefix=place.prefix)
    layer = place.layer()
    channels = [await member(layer), await member(other)]
    await layer.group_send("room", {"type": "x", "n": 0})
    await other.group_send("room", {"type": "x", "n": 1})
    assert await receive(layer, channels[0]) == [{"type": "x", "n": 0}]
    assert await receive(other, channels[1]) == [{"type": "x", "n": 1}]
    assert (layer.drops.counts["gap"], other.drops.counts["gap"]) == (0, 0)
    await other.flush()
    await other.close()


async def test_closing_leaves_nothing_and_the_layer_can_be_used_again(place: Place) -> None:
    layer = place.layer()
    await member(layer)
    connections = place.client.info("clients")["connected_clients"]
    await layer.close()
    await until(lambda: place.client.info("clients")["connected_clients"] == connections - 2)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    channel = await member(layer)
    await layer.group_send("room", {"type": "x"})
    assert await receive(layer, channel) == [{"type": "x"}]


def test_a_loop_that_ends_without_closing_leaves_nothing(redis7: Server) -> None:
    layer = RedisChannelLayer(hosts=[redis7.url], prefix=uuid4().hex)

    async def use() -> None:
        channel = await member(layer)
        await layer.group_send("room", {"type": "x"})
        assert await receive(layer, channel) == [{"type": "x"}]

    for _ in range(2):
        asyncio.run(use())
    assert layer._links.links() == []


# Gaps


class Watcher(AsyncConsumer):
    """Tells its client of everything."""

    async def websocket_connect(self, event: Any) -> None:
        await self.channel_layer.group_add("room", self.channel_name)
        await self.send({"type": "websocket.accept"})

    async def chat_message(self, event: Any) -> None:
        await self.send({"type": "websocket.send", "text": f"message {event['n']}"})

    async def websocket_disconnect(self, event: Any) -> None:
        raise StopConsumer


class GapWatcher(Watcher):
    async def group_gap(self, event: Any) -> None:
        await self.send({"type": "websocket.send", "text": f"{event['group']}: {event['missed']}"})


@pytest.fixture
def default_layer(place: Place) -> Any:
    layer = place.layer()
    old = channel_layers.set("default", layer)
    yield layer
    channel_layers.backends.pop("default")
    if old is not None:
        channel_layers.set("default", old)


async def lose_the_log(place: Place, layer: RedisChannelLayer) -> None:
    (key,) = [key for key in place.all_keys() if b"{g:room}" in key]
    place.client.delete(key)
    await layer.group_send("room", {"type": "chat.message", "n": 1})


async def test_a_consumer_is_told_of_a_gap_before_what_follows(
    place: Place, default_layer: RedisChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    client = ApplicationCommunicator(GapWatcher.as_asgi(), {"type": "websocket"})
    await client.send_input({"type": "websocket.connect"})
    assert (await client.receive_output())["type"] == "websocket.accept"
    await lose_the_log(place, default_layer)
    assert (await client.receive_output(5))["text"] == "room: None"
    assert (await client.receive_output(5))["text"] == "message 1"
    await client.send_input({"type": "websocket.disconnect", "code": 1000})
    await client.wait(5)
    assert default_layer.drops.counts["gap"] == 1
    (line,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "RedisChannelLayer" in line.getMessage()
    assert "group 'room': gap" in line.getMessage()


async def test_a_consumer_without_a_handler_for_gaps_lives_on(
    place: Place, default_layer: RedisChannelLayer
) -> None:
    client = ApplicationCommunicator(Watcher.as_asgi(), {"type": "websocket"})
    await client.send_input({"type": "websocket.connect"})
    assert (await client.receive_output())["type"] == "websocket.accept"
    await lose_the_log(place, default_layer)
    assert (await client.receive_output(5))["text"] == "message 1"
    await client.send_input({"type": "websocket.disconnect", "code": 1000})
    await client.wait(5)


async def test_a_receiver_gets_what_was_sent_and_no_notices(place: Place) -> None:
    layer = place.layer()
    channel = await member(layer)
    await lose_the_log(place, layer)
    assert await receive(layer, channel) == [{"type": "chat.message", "n": 1}]
    assert layer.drops.counts["gap"] == 1


async def test_an_announcement_that_was_lost_is_noticed(place: Place) -> None:
    """Nobody says so, and no later message tells: a silent log is looked at now and then."""
    layer = place.layer(expiry=1)
    channel = await member(layer)
    (key,) = [key for key in place.all_keys() if b"{g:room}" in key]
    top = place.client.xrevrange(key, count=1)[0][0].decode()
    payload = b"m\n" + layer.serialize({"type": "x"})
    epoch, _, offset = top.partition("-")
    fields = {"i": "id", "t": int(time.time() * 1000), "d": payload}
    place.client.xadd(key, fields, id=f"{epoch}-{int(offset) + 1}")
    assert await receive(layer, channel) == [{"type": "x"}]
    assert layer.drops.counts["gap"] == 0


# Mailboxes


async def test_what_a_full_member_misses_is_counted(place: Place) -> None:
    layer = place.layer(capacity=2)
    full, other = await member(layer), await member(layer)
    for number in range(5):
        await layer.group_send("room", {"type": "x", "n": number})
        assert await receive(layer, other) == [{"type": "x", "n": number}]
    assert layer.drops.counts["full"] == 3
    assert [m["n"] for m in await receive(layer, full, 2)] == [0, 1]


async def test_direct_mail_of_another_process_to_a_full_channel_is_counted(place: Place) -> None:
    layer, peer = place.layer(capacity=2), place.layer()
    channel = await layer.new_channel()
    other = await member(layer)
    for message in numbered(1, 2, 3):
        await peer.send(channel, message)
    await peer.send(other, {"type": "x"})
    assert await receive(layer, other) == [{"type": "x"}]
    assert layer.drops.counts["full"] == 1
    with pytest.raises(ChannelFull):
        await layer.send(channel, {"type": "x"})
    assert await receive(layer, channel, 2) == numbered(1, 2)


async def test_group_and_direct_messages_of_a_peer_keep_their_order(place: Place) -> None:
    layer, peer = place.layer(), place.layer()
    channel = await member(layer)
    for number in range(40):
        message = {"type": "x", "n": number}
        await (peer.send(channel, message) if number % 2 else peer.group_send("room", message))
    assert [m["n"] for m in await receive(layer, channel, 40)] == list(range(40))


# Memberships of other processes' channels


async def test_a_general_channel_cannot_be_a_member(place: Place) -> None:
    with pytest.raises(ValueError, match="is a general channel"):
        await place.layer().group_add("room", "general")


async def test_a_channel_of_nobody_cannot_be_added(place: Place) -> None:
    layer = place.layer(send_timeout=0.2)
    with pytest.raises(BrokerUnavailableError, match="did not answer within"):
        await layer.group_add("room", "specific.0123456789ab!x")


async def test_two_processes_change_each_others_memberships(place: Place) -> None:
    layers = place.layer(), place.layer()
    channels = [await layer.new_channel() for layer in layers]
    for layer, channel in zip(layers, channels, strict=True):
        open_mail = asyncio.ensure_future(layer.receive(channel))
        await asyncio.sleep(0)
        open_mail.cancel()
    await asyncio.gather(
        layers[0].group_add("room", channels[1]), layers[1].group_add("room", channels[0])
    )
    await layers[0].group_send("room", {"type": "x"})
    for layer, channel in zip(layers, channels, strict=True):
        assert await receive(layer, channel) == [{"type": "x"}]
    await layers[0].group_discard("room", channels[1])
    assert layers[1]._links.links()[0].memberships.groups == {}


# Outages


async def test_a_send_waits_for_the_broker() -> None:
    with redis_server() as server:
        layer = RedisChannelLayer(hosts=[server.url])
        await layer.group_send("room", {"type": "x"})
        channel = await member(layer)
        await asyncio.to_thread(server.stop)
        sending = asyncio.ensure_future(layer.group_send("room", {"type": "x", "n": 1}))
        receiving = asyncio.ensure_future(receive(layer, channel))
        await asyncio.sleep(0.3)
        assert not sending.done()
        assert not receiving.done()
        await asyncio.to_thread(server.start)
        await sending
        assert await receiving == [{"type": "x", "n": 1}]
        await layer.close()


@pytest.mark.parametrize("call", ["send", "post", "group_send", "group_add"])
async def test_a_call_gives_up_in_the_end(call: str) -> None:
    with redis_server() as server:
        layer = RedisChannelLayer(hosts=[server.url], send_timeout=0.3)
        channel = await layer.new_channel()
        await asyncio.to_thread(server.stop)
        calls: dict[str, Callable[[], Any]] = {
            "send": lambda: layer.send("general", {"type": "x"}),
            "post": lambda: layer.send("specific.0123456789ab!x", {"type": "x"}),
            "group_send": lambda: layer.group_send("room", {"type": "x"}),
            "group_add": lambda: layer.group_add("room", channel),
        }
        with pytest.raises(BrokerUnavailableError):
            await calls[call]()
        await layer.close()


async def test_a_send_may_be_told_not_to_wait() -> None:
    with redis_server() as server:
        layer = RedisChannelLayer(hosts=[server.url], on_outage="raise", send_timeout=60)
        await layer.group_send("room", {"type": "x"})
        await asyncio.to_thread(server.stop)
        started = time.monotonic()
        for _ in range(3):
            with pytest.raises(BrokerUnavailableError, match="on_outage='raise'"):
                await layer.group_send("room", {"type": "x"})
        assert time.monotonic() - started < 10
        await asyncio.to_thread(server.start)
        while True:
            try:
                await layer.group_send("room", {"type": "x"})
            except BrokerUnavailableError:
                await asyncio.sleep(0.02)
            else:
                break
        await layer.close()


async def test_the_log_says_once_that_the_broker_is_away_and_once_that_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "django.channels.layers")
    with redis_server() as server:
        layer = RedisChannelLayer(hosts=[server.url])
        await layer.group_send("room", {"type": "x"})
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
        await layer.group_send("room", {"type": "x"})
        await layer.close()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_on_uvloop(redis7: Server, redis_tls: Server) -> None:
    """Its transports are others, with TLS and without."""

    async def use(server: Server) -> None:
        layer = RedisChannelLayer(hosts=server.hosts, prefix=uuid4().hex)
        channel = await member(layer)
        for number in range(20):
            await layer.group_send("room", {"type": "x", "n": number, "text": "x" * 50_000})
        assert [m["n"] for m in await receive(layer, channel, 20)] == list(range(20))
        await layer.flush()

    for server in (redis7, redis_tls):
        uvloop.run(use(server))
