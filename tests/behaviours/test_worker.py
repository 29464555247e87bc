"""Workers: channels.worker.Worker and `manage.py runworker`."""

import asyncio
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test.utils import override_settings

from channels.consumer import AsyncConsumer, SyncConsumer
from channels.layers import InMemoryChannelLayer, get_channel_layer
from channels.management.commands.runworker import Command
from channels.routing import ChannelNameRouter, ProtocolTypeRouter
from channels.worker import Worker
from tests.behaviours.lines import behaviour, differs, expected
from tests.behaviours.tools import Message, until

seen: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


class Notes(AsyncConsumer):
    def __init__(self) -> None:
        self.count = 0

    async def work_note(self, message: Message) -> None:
        self.count += 1
        seen.append((self.scope["type"], self.scope["channel"], message["n"], self.count))

    async def work_fail(self, message: Message) -> None:
        raise RuntimeError("asked to fail")


class SyncNotes(SyncConsumer):
    def work_note(self, message: Message) -> None:
        seen.append(("sync", message["n"]))


application = ProtocolTypeRouter(
    {"channel": ChannelNameRouter({"notes": Notes.as_asgi(), "sync": SyncNotes.as_asgi()})}
)


class Running:
    """A worker at work in a task, and what is left of it cancelled at the end."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    async def __aenter__(self) -> Worker:
        self.before = asyncio.all_tasks()
        self.task = asyncio.create_task(self.worker.arun())
        return self.worker

    async def __aexit__(self, *_: object) -> None:
        # Upstream's worker leaves its listeners and instances to the end of the loop.
        left = asyncio.all_tasks() - self.before
        for task in left:
            task.cancel()
        await asyncio.wait(left)


@behaviour("Worker: Worker(application, channels, channel_layer, max_applications=1000)")
def test_attributes() -> None:
    layer = InMemoryChannelLayer()
    worker = Worker(application, ["notes"], layer)
    assert worker.application is application
    assert list(worker.channels) == ["notes"]
    assert worker.channel_layer is layer
    assert worker.max_applications == 1000
    named = Worker(application=application, channels=["a"], channel_layer=layer, max_applications=2)
    assert named.max_applications == 2
    assert asyncio.iscoroutinefunction(worker.listener)
    assert asyncio.iscoroutinefunction(worker.handle)
    assert callable(worker.run)


@behaviour("Worker: without a channel layer it is ValueError")
def test_no_layer() -> None:
    with pytest.raises(ValueError) as caught:
        Worker(application, ["notes"], None)
    assert str(caught.value) == "Channel layer is not valid"


@behaviour("Worker: one application instance per channel lives on between its messages")
async def test_one_instance() -> None:
    layer = get_channel_layer()
    async with Running(Worker(application, ["notes"], layer)):
        for n in range(3):
            await layer.send("notes", {"type": "work.note", "n": n})
            await until(lambda n=n: len(seen) == n + 1)
    assert seen == [("channel", "notes", n, n + 1) for n in range(3)]


# Upstream hands the consumer a plain function to send with, and asgiref warns of it.
@pytest.mark.filterwarnings("ignore:async_to_sync was passed a non-async-marked callable")
@behaviour("Worker: listens on all of its channels, with consumers of both families")
async def test_channels() -> None:
    layer = get_channel_layer()
    async with Running(Worker(application, ["notes", "sync"], layer)):
        await layer.send("sync", {"type": "work.note", "n": 1})
        await layer.send("notes", {"type": "work.note", "n": 2})
        await until(lambda: len(seen) == 2)
    assert sorted(seen, key=str) == [("channel", "notes", 2, 1), ("sync", 1)]


@behaviour("Worker: an error in a handler is logged, and a new instance takes the next message")
async def test_error(caplog: pytest.LogCaptureFixture) -> None:
    layer = get_channel_layer()
    async with Running(Worker(application, ["notes"], layer)) as worker:
        worker.application_checker_interval = 0.01  # upstream looks for dead instances by polling
        await layer.send("notes", {"type": "work.note", "n": 1})
        await layer.send("notes", {"type": "work.fail"})
        await until(lambda: "asked to fail" in caplog.text)
        await layer.send("notes", {"type": "work.note", "n": 2})
        await until(lambda: len(seen) == 2)
    assert seen == [("channel", "notes", 1, 1), ("channel", "notes", 2, 1)]


@behaviour("Worker: a message without a type")
@differs(upstream="ends the worker with ValueError", ours="is logged, and the worker goes on")
async def test_no_type(caplog: pytest.LogCaptureFixture) -> None:
    layer = get_channel_layer()
    running = Running(Worker(application, ["notes"], layer))
    async with running:
        await layer.send("notes", {"n": 1})
        if expected(upstream=True, ours=False):
            with pytest.raises(ValueError, match="Worker received message with no type"):
                await asyncio.wait_for(running.task, 5)
        else:
            await layer.send("notes", {"type": "work.note", "n": 2})
            await until(lambda: seen)
            assert "Worker received message with no type" in caplog.text


@behaviour("Worker: subclasses override listener(channel) and handle()")
async def test_subclass() -> None:
    class Own(Worker):
        async def listener(self, channel: str) -> None:
            seen.append(channel)
            await super().listener(channel)

    layer = get_channel_layer()
    async with Running(Own(application, ["notes"], layer)):
        await layer.send("notes", {"type": "work.note", "n": 1})
        await until(lambda: len(seen) == 2)
    assert seen == ["notes", ("channel", "notes", 1, 1)]


class Recorded:
    """Stands in for a worker, and keeps what the command made it with."""

    def __init__(self, **kwargs: Any) -> None:
        seen.append(kwargs)

    def run(self) -> None:
        seen.append("run")


class OwnCommand(Command):
    worker_class = Recorded


MEMORY = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
SETTINGS = {
    "ASGI_APPLICATION": f"{__name__}.application",
    "CHANNEL_LAYERS": {"default": MEMORY, "other": MEMORY},
}


@behaviour("runworker: worker_class is made with application, channels, channel_layer, and run")
def test_runworker() -> None:
    with override_settings(**SETTINGS):
        call_command(OwnCommand(), "one", "two")
        layer = get_channel_layer()
    assert seen == [
        {"application": application, "channels": ["one", "two"], "channel_layer": layer},
        "run",
    ]


@behaviour("runworker: --layer ALIAS chooses the layer")
def test_runworker_layer() -> None:
    with override_settings(**SETTINGS):
        call_command(OwnCommand(), "one", "--layer", "other")
        assert seen[0]["channel_layer"] is get_channel_layer("other")
        assert seen[0]["channel_layer"] is not get_channel_layer()


@behaviour("runworker: without CHANNEL_LAYERS it is CommandError")
def test_runworker_no_layer() -> None:
    with override_settings(**SETTINGS | {"CHANNEL_LAYERS": {}}):
        with pytest.raises(CommandError, match="You do not have any CHANNEL_LAYERS configured"):
            call_command(OwnCommand(), "one")
    assert seen == []


@behaviour("runworker: without a channel it is CommandError")
def test_runworker_no_channels() -> None:
    with override_settings(**SETTINGS), pytest.raises(CommandError):
        call_command(OwnCommand())


@behaviour("runworker: Command.worker_class is Worker, and layer and verbosity are kept on it")
def test_runworker_attributes() -> None:
    assert Command.worker_class is Worker
    command = OwnCommand()
    with override_settings(**SETTINGS):
        call_command(command, "one", verbosity=2)
        assert command.channel_layer is get_channel_layer()
    assert command.verbosity == 2


@behaviour("runworker: says on the logger django.channels.worker which channels it runs")
def test_runworker_logs(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(**SETTINGS), caplog.at_level("INFO", "django.channels.worker"):
        call_command(OwnCommand(), "one")
    assert [record.getMessage() for record in caplog.records if "Running" in record.msg] == [
        "Running worker for channels ['one']"
    ]
