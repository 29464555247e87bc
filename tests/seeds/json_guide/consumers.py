# ruff: noqa: I001
# fmt: off
from channels.generic.websocket import AsyncJsonWebsocketConsumer

class MyConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        # 验证用户是否有权限连接
        if not self.scope['user'].is_authenticated:
            await self.close()

        # 加入指定的群组
        await self.channel_layer.group_add(
            'my_group',
            self.channel_name
        )

        await self.accept()

    async def disconnect(self, close_code):
        await self.channel_layer.group_discard(
            'my_group',
            self.channel_name
        )

    async def receive_json(self, content):
        # 处理收到的JSON消息的逻辑

        # 向指定群组中的客户端发送响应消息
        await self.channel_layer.group_send(
            'my_group',
            {
                'type': 'send_response',
                'content': 'response_message',
            }
        )

    async def send_response(self, event):
        # 发送响应消息的逻辑
        await self.send_json({
            'type': 'response',
            'content': event['content'],
        })
