"""Workers and the commands that run them, derived from as task runners do."""

from typing import Any

from channels.consumer import AsyncConsumer, SyncConsumer
from channels.layers import get_channel_layer
from channels.management.commands.runworker import Command as RunworkerCommand
from channels.routing import ChannelNameRouter, get_default_application
from channels.typing import Message, Scope
from channels.worker import Worker


class Thumbnails(SyncConsumer):
    def thumbnails_make(self, message: Message) -> None:
        self.scope["channel"]


class Mail(AsyncConsumer):
    channel_layer_alias = "mail"

    async def mail_send(self, message: dict[str, Any]) -> None:
        await self.channel_layer.send("done", {"type": "mail.sent", "to": message["to"]})


class TracedWorker(Worker):
    async def listener(self, channel: str) -> None:
        await super().listener(channel)

    async def application_send(self, scope: Scope, message: Message) -> None:
        assert scope["channel"] in self.channels

    async def application_exception(self, exception: Exception, application_details: Any) -> None:
        await super().application_exception(exception, application_details)


class Command(RunworkerCommand):
    worker_class = TracedWorker

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)


application = ChannelNameRouter({"thumbnails": Thumbnails.as_asgi(), "mail": Mail.as_asgi()})


def run() -> None:
    Worker(application, ["thumbnails"], get_channel_layer()).run()
    worker = TracedWorker(
        application=get_default_application(),
        channels=("thumbnails", "mail"),
        channel_layer=get_channel_layer("mail"),
        max_applications=10,
    )
    worker.stop()
