"""djangochannelsrestframework: REST views over a WebSocket, and observers of models.

Its consumer replaces `self.groups` by a set, overrides `websocket_connect`, and sends from signal
handlers that run in threads.
"""

import pytest
from django.contrib.auth.models import Group
from djangochannelsrestframework.consumers import view_as_consumer
from djangochannelsrestframework.decorators import action
from djangochannelsrestframework.generics import GenericAsyncAPIConsumer
from djangochannelsrestframework.mixins import CreateModelMixin, ListModelMixin, PatchModelMixin
from djangochannelsrestframework.observer import model_observer
from djangochannelsrestframework.permissions import AllowAny
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator

pytestmark = pytest.mark.django_db(transaction=True)


class GroupSerializer(serializers.ModelSerializer):
    class Meta:
        model = Group
        fields = ["id", "name"]


class Groups(CreateModelMixin, PatchModelMixin, ListModelMixin, GenericAsyncAPIConsumer):
    queryset = Group.objects.all()
    serializer_class = GroupSerializer
    permission_classes = (AllowAny,)

    @action()
    async def watch(self, request_id, **kwargs):
        await self.changes.subscribe(request_id=request_id)
        return {"watching": True}, 200

    @action()
    def count(self, **kwargs):
        return {"count": Group.objects.count()}, 200

    @model_observer(Group)
    async def changes(self, message, subscribing_request_ids=(), **kwargs):
        for request_id in subscribing_request_ids:
            await self.reply(data=message, action="changed", request_id=request_id)

    @changes.serializer
    def changes(self, instance, action, **kwargs):
        return {"name": instance.name, "action": action.value}


def request(action: str, number: int, **rest: object) -> dict[str, object]:
    return {"action": action, "request_id": number, **rest}


async def test_actions_and_observed_models() -> None:
    client = WebsocketCommunicator(Groups.as_asgi(), "/")
    other = WebsocketCommunicator(Groups.as_asgi(), "/")
    assert await client.connect() == (True, None)
    assert await other.connect() == (True, None)

    await client.send_json_to(request("create", 1, data={"name": "readers"}))
    answer = await client.receive_json_from()
    assert answer["response_status"] == 201
    assert answer["data"]["name"] == "readers"
    await client.send_json_to(request("count", 2))
    assert (await client.receive_json_from())["data"] == {"count": 1}
    await client.send_json_to(request("list", 3))
    assert [row["name"] for row in (await client.receive_json_from())["data"]] == ["readers"]

    # A change by somebody else reaches the observer through a group.
    await client.send_json_to(request("watch", 4))
    assert (await client.receive_json_from())["data"] == {"watching": True}
    await database_sync_to_async(Group.objects.create)(name="writers")
    message = await client.receive_json_from()
    assert message["data"] == {"name": "writers", "action": "create"}
    assert message["request_id"] == 4

    pk = answer["data"]["id"]
    await other.send_json_to(request("patch", 5, pk=pk, data={"name": "people"}))
    assert (await other.receive_json_from())["response_status"] == 200
    assert (await client.receive_json_from())["data"] == {"name": "people", "action": "update"}
    assert await other.receive_nothing()

    await client.disconnect()
    await other.disconnect()
    assert get_channel_layer().groups == {}


async def test_errors_are_answered() -> None:
    async with WebsocketCommunicator(Groups.as_asgi(), "/") as client:
        await client.send_json_to(request("patch", 1, pk=100, data={"name": "x"}))
        assert (await client.receive_json_from())["response_status"] == 404
        await client.send_json_to(request("no_such_action", 2))
        assert (await client.receive_json_from())["response_status"] == 405


async def test_a_view_as_consumer() -> None:
    class Hello(APIView):
        permission_classes = ()

        def get(self, request, *args, **kwargs):
            return Response({"groups": Group.objects.count()})

    async with WebsocketCommunicator(view_as_consumer(Hello.as_view()).as_asgi(), "/") as client:
        await client.send_json_to(request("retrieve", 1))
        answer = await client.receive_json_from()
        assert (answer["response_status"], answer["data"]) == (200, {"groups": 0})
