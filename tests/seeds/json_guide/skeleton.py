# ruff: noqa: I001
# fmt: off
from channels.generic.websocket import AsyncJsonWebsocketConsumer

class MyConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        # 处理WebSocket连接的逻辑
        ...

    async def disconnect(self, close_code):
        # 处理WebSocket断开连接的逻辑
        ...

    async def receive_json(self, content):
        # 处理收到的JSON消息的逻辑
        ...
