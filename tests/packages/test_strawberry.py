"""strawberry-graphql: GraphQL over WebSocket and HTTP.

Its consumers override `dispatch` to put messages of the layer into queues, work in tasks of their
own beside the handlers, and inherit from `AsyncHttpConsumer` and a second one at once; its router
subclasses `ProtocolTypeRouter`, its communicator `WebsocketCommunicator`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest
import strawberry
from django.contrib.auth.models import User
from strawberry.channels import GraphQLProtocolTypeRouter
from strawberry.channels.testing import GraphQLWebsocketCommunicator
from strawberry.subscriptions import GRAPHQL_WS_PROTOCOL
from strawberry.types import Info

from channels.layers import get_channel_layer
from channels.testing import HttpCommunicator

Context = dict[str, object]


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str) -> str:
        return f"Hello {name}"

    @strawberry.field
    async def users(self) -> int:
        return await User.objects.acount()


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int) -> AsyncGenerator[int, None]:
        for number in range(to):
            yield number

    @strawberry.subscription
    async def news(self, info: Info[Context, None]) -> AsyncGenerator[str, None]:
        consumer = info.context["ws"]
        async with consumer.listen_to_channel("news.item", groups=["news"]) as items:
            yield "listening"
            async for item in items:
                yield item["title"]


application = GraphQLProtocolTypeRouter(strawberry.Schema(Query, subscription=Subscription))


async def test_subscription() -> None:
    async with GraphQLWebsocketCommunicator(application, "/graphql") as client:
        numbers = [result.data async for result in client.subscribe("subscription{count(to:3)}")]
    assert numbers == [{"count": 0}, {"count": 1}, {"count": 2}]


async def test_query_over_websocket() -> None:
    async with GraphQLWebsocketCommunicator(application, "/graphql") as client:
        results = [result.data async for result in client.subscribe('{ hello(name: "Eva") }')]
    assert results == [{"hello": "Hello Eva"}]


async def test_group_message_and_end() -> None:
    layer = get_channel_layer()
    async with GraphQLWebsocketCommunicator(application, "/graphql") as client:
        results = client.subscribe("subscription { news }")
        assert (await anext(results)).data == {"news": "listening"}
        for title in ("rain", "sun"):
            await layer.group_send("news", {"type": "news.item", "title": title})
            assert (await anext(results)).data == {"news": title}
        assert list(layer.groups) == ["news"]
        await results.aclose()
    assert layer.groups == {}


async def test_two_subscriptions_of_one_connection() -> None:
    """They work beside each other and beside the consumer's own handlers."""
    layer = get_channel_layer()
    async with GraphQLWebsocketCommunicator(application, "/graphql") as client:
        for number in ("1", "2"):
            payload = {"query": "subscription { news }"}
            await client.send_json_to({"id": number, "type": "subscribe", "payload": payload})
            assert (await client.receive_json_from())["payload"]["data"] == {"news": "listening"}
        await layer.group_send("news", {"type": "news.item", "title": "wind"})
        got = [await client.receive_json_from() for _ in range(2)]
        assert sorted(one["id"] for one in got) == ["1", "2"]
        await client.send_json_to({"id": "1", "type": "complete"})
        await client.send_json_to({"type": "ping"})
        assert await client.receive_json_from() == {"type": "pong"}


async def test_the_older_protocol() -> None:
    client = GraphQLWebsocketCommunicator(application, "/graphql", protocol=GRAPHQL_WS_PROTOCOL)
    async with client:
        payload = {"query": "subscription { count(to: 1) }"}
        await client.send_json_to({"id": "1", "type": "start", "payload": payload})
        answer = await client.receive_json_from()
        assert (answer["type"], answer["payload"]) == ("data", {"data": {"count": 0}})
        assert await client.receive_json_from() == {"id": "1", "type": "complete"}


async def test_an_unknown_protocol_is_refused() -> None:
    client = GraphQLWebsocketCommunicator(application, "/graphql", protocol="smoke-signals")
    assert (await client.connect())[0] is True
    closing = await client.receive_output()
    assert (closing["type"], closing["code"]) == ("websocket.close", 4406)


@pytest.mark.django_db(transaction=True)
async def test_query_over_http() -> None:
    body = json.dumps({"query": '{ hello(name: "Max") users }'}).encode()
    headers = [(b"content-type", b"application/json")]
    client = HttpCommunicator(application, "POST", "/graphql", body=body, headers=headers)
    response = await client.get_response(timeout=5)
    assert response["status"] == 200
    assert json.loads(response["body"]) == {"data": {"hello": "Hello Max", "users": 0}}


async def test_many_at_once() -> None:
    async def one(to: int) -> list[int]:
        async with GraphQLWebsocketCommunicator(application, "/graphql") as client:
            query = f"subscription {{ count(to: {to}) }}"
            return [result.data["count"] async for result in client.subscribe(query)]

    assert await asyncio.gather(*(one(to) for to in range(20))) == [
        list(range(to)) for to in range(20)
    ]
