"""A layer that says when it is closed."""

from channels.layers import InMemoryChannelLayer


class Layer(InMemoryChannelLayer):
    async def close(self):
        await super().close()
        print("layer closed", flush=True)
