# ruff: noqa: I001
# fmt: off
from . import consumers

class MyConsumer(consumers.MyConsumer):
    # MyConsumer类中的处理JSON消息的逻辑
    async def receive_json(self, content):
        if content['type'] == 'message':
            # 处理收到的消息
            message = content['content']
            # 做一些处理...

            # 发送响应消息给其他客户端
            await self.channel_layer.group_send(
                'my_group',
                {
                    'type': 'send_response',
                    'content': 'Message received: ' + message,
                }
            )
