"""The smallest site whose workers tell a group what they do: settings and application in one."""

import asyncio
import os
import sys

SECRET_KEY = "tests only"
INSTALLED_APPS = ["channels"]
ASGI_APPLICATION = "work.application"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels.layers.redis.RedisChannelLayer",
        "CONFIG": {"hosts": [os.environ["BROKER"]], "capacity": 1000},
    }
}
LOGGING = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}


def application(scope, receive, send):
    from channels.consumer import AsyncConsumer, SyncConsumer
    from channels.routing import ChannelNameRouter, ProtocolTypeRouter

    class Work(AsyncConsumer):
        async def tell(self, message, **more):
            report = {"type": "done", "n": message["n"], "worker": os.environ["WORKER"], **more}
            await self.channel_layer.group_send("results", report)

        async def work_do(self, message):
            await self.tell(message)

        async def work_hold(self, message):
            """Waits in the middle for a line on the process's standard input."""
            print("holding", message["n"])
            await asyncio.to_thread(sys.stdin.readline)
            await self.tell(message)

    class SyncWork(SyncConsumer):
        def work_do(self, message):
            report = {"type": "done", "n": message["n"], "worker": os.environ["WORKER"]}
            self.channel_layer.sync.group_send("results", report)

    router = ChannelNameRouter({"work": Work.as_asgi(), "syncwork": SyncWork.as_asgi()})
    return ProtocolTypeRouter({"channel": router})(scope, receive, send)
