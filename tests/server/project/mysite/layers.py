"""A layer for a worker in a process of its own."""

from channels.layers import BaseChannelLayer


class FilledLayer(BaseChannelLayer):
    """Has messages for whoever receives, numbered from 1, without end."""

    def __init__(self):
        super().__init__()
        self.n = 0

    async def receive(self, channel):
        self.n += 1
        return {"type": "work", "n": self.n}
