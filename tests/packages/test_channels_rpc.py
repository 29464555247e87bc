"""channels-rpc: JSON-RPC 2.0, by overriding `receive`, `receive_json` and the encoding."""

from channels_rpc import AsyncJsonRpcWebsocketConsumer, RpcContext

from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator

ended: list[int] = []


class Calculator(AsyncJsonRpcWebsocketConsumer):
    groups = ["calculators"]

    async def news(self, event):
        await self.send_json({"jsonrpc": "2.0", "method": "news", "params": [event["text"]]})

    async def disconnect(self, code):
        ended.append(code)
        await super().disconnect(code)


@Calculator.rpc_method()
async def add(a: int, b: int) -> int:
    return a + b


@Calculator.rpc_method()
async def path(ctx: RpcContext) -> str:
    return ctx.consumer.scope["path"]


async def test_calls_a_group_and_the_end() -> None:
    ended.clear()
    client = WebsocketCommunicator(Calculator.as_asgi(), "/rpc")
    assert await client.connect() == (True, None)

    await client.send_json_to({"jsonrpc": "2.0", "id": 1, "method": "add", "params": [2, 3]})
    assert await client.receive_json_from() == {"jsonrpc": "2.0", "id": 1, "result": 5}
    await client.send_json_to({"jsonrpc": "2.0", "id": 2, "method": "path", "params": []})
    assert await client.receive_json_from() == {"jsonrpc": "2.0", "id": 2, "result": "/rpc"}

    layer = get_channel_layer()
    await layer.group_send("calculators", {"type": "news", "text": "pi is 3"})
    assert (await client.receive_json_from())["params"] == ["pi is 3"]

    await client.disconnect(4000)
    assert ended == [4000]
    assert layer.groups == {}


async def test_an_unknown_method_is_answered() -> None:
    async with WebsocketCommunicator(Calculator.as_asgi(), "/rpc") as client:
        await client.send_json_to({"jsonrpc": "2.0", "id": 3, "method": "gone"})
        assert (await client.receive_json_from())["error"]["code"] == -32601
