"""Layers that say when they are closed."""

from channels.layers import InMemoryChannelLayer


class Layer(InMemoryChannelLayer):
    async def close(self):
        await super().close()
        print("layer closed", flush=True)


class Filled(Layer):
    """Has jobs for whoever receives, numbered from 1, without end."""

    n = 0

    async def receive(self, channel):
        self.n += 1
        return {"type": "job", "n": self.n}
