"""Workers, with applications of a few lines and with consumers."""

import asyncio
import logging
import threading

import pytest

from channels.consumer import AsyncConsumer, SyncConsumer
from channels.layers import BaseChannelLayer, InMemoryChannelLayer
from channels.routing import ChannelNameRouter, ProtocolTypeRouter
from channels.worker import Worker

LOGGER = "django.channels.worker"
LIMIT = 10


@pytest.fixture
def layer():
    return InMemoryChannelLayer()


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, logger=LOGGER)
    return caplog


class Recorder:
    """An application that notes its messages under the number of the instance that got them."""

    def __init__(self):
        self.seen = []
        self.scopes = []
        self.ended = []
        self.changed = asyncio.Event()
        self.gates = {}
        """Message number -> event that its handling waits for."""

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        instance = len(self.scopes)
        try:
            while True:
                message = await receive()
                self.note((instance, message["n"]))
                if message["n"] in self.gates:
                    await self.gates[message["n"]].wait()
                    self.note((instance, "done"))
                if message.get("fail"):
                    raise RuntimeError("failed on purpose")
                if message.get("leave"):
                    return
        finally:
            self.ended.append(instance)
            self.changed.set()

    def note(self, what):
        self.seen.append(what)
        self.changed.set()

    async def until(self, condition):
        async with asyncio.timeout(LIMIT):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


def message(n, **more):
    return {"type": "work", "n": n, **more}


async def settle():
    """Let everything that can go on in the loop go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def finish(worker, task):
    worker.stop()
    await asyncio.wait_for(task, LIMIT)


def running(application, channels, layer, **arguments):
    worker = Worker(application, channels, layer, **arguments)
    return worker, asyncio.create_task(worker.arun())


async def test_one_instance_per_channel_lives_on_between_messages(layer):
    app = Recorder()
    worker, task = running(app, ["a", "b"], layer)
    for n in range(3):
        await layer.send("a", message(n))
        await app.until(lambda n=n: len(app.seen) == n + 1)
    await layer.send("b", message(9))
    await app.until(lambda: len(app.seen) == 4)
    await finish(worker, task)
    assert app.seen == [(1, 0), (1, 1), (1, 2), (2, 9)]
    assert app.scopes == [
        {"type": "channel", "channel": "a"},
        {"type": "channel", "channel": "b"},
    ]


async def test_messages_of_a_channel_wait_for_each_other_channels_do_not(layer):
    app = Recorder()
    app.gates[0] = asyncio.Event()
    worker, task = running(app, ["a", "b"], layer)
    await layer.send("a", message(0))
    await layer.send("a", message(1))
    await app.until(lambda: app.seen == [(1, 0)])
    await layer.send("b", message(2))
    await app.until(lambda: app.seen == [(1, 0), (2, 2)])
    app.gates[0].set()
    await app.until(lambda: len(app.seen) == 4)
    await finish(worker, task)
    assert app.seen == [(1, 0), (2, 2), (1, "done"), (1, 1)]


async def test_an_error_is_logged_and_the_next_message_gets_a_fresh_instance(layer, log):
    app = Recorder()
    worker, task = running(app, ["a"], layer)
    for n, more in enumerate([{}, {"fail": True}, {}, {}]):
        await layer.send("a", message(n, **more))
    await app.until(lambda: len(app.seen) == 4)
    await finish(worker, task)
    assert app.seen == [(1, 0), (1, 1), (2, 2), (2, 3)]
    errors = [r for r in log.records if r.levelname == "ERROR"]
    assert len(errors) == 1
    assert "Exception inside application of channel 'a': failed on purpose" in log.text
    assert "Traceback" in log.text


async def test_an_instance_that_leaves_by_itself_is_replaced_without_a_word(layer, log):
    app = Recorder()
    worker, task = running(app, ["a"], layer)
    for n, more in enumerate([{"leave": True}, {}]):
        await layer.send("a", message(n, **more))
    await app.until(lambda: len(app.seen) == 2)
    await finish(worker, task)
    assert app.seen == [(1, 0), (2, 1)]
    assert [r for r in log.records if r.levelno > logging.INFO] == []


async def test_an_idle_instance_that_fails_is_logged_at_once_and_replaced(layer, log):
    fail = asyncio.Event()
    failed = asyncio.Event()
    seen = []

    async def application(scope, receive, send):
        seen.append((await receive())["n"])
        if seen == [0]:
            waiting = asyncio.create_task(receive())
            await fail.wait()
            waiting.cancel()
            failed.set()
            raise RuntimeError("failed while idle")
        await receive()

    worker, task = running(application, ["a"], layer)
    await layer.send("a", message(0))
    while not seen:
        await asyncio.sleep(0)
    fail.set()
    await failed.wait()
    await layer.send("a", message(1))
    while len(seen) < 2:
        await asyncio.sleep(0)
    await finish(worker, task)
    assert seen == [0, 1]
    assert "failed while idle" in log.text


async def test_an_application_that_never_receives_does_not_block_its_channel(layer, log):
    async def application(scope, receive, send):
        raise ValueError("No application configured for channel name 'a'")

    worker, task = running(application, ["a"], layer)
    await layer.send("a", message(0))
    await layer.send("a", message(1))
    while len(log.records) < 4:
        await asyncio.sleep(0)
    await finish(worker, task)
    assert log.text.count("ended without receiving a message, which is lost") == 2
    assert log.text.count("No application configured") >= 2


async def test_a_message_without_a_type_is_logged_and_dropped(log):
    app = Recorder()
    layer = ScriptedLayer([{"n": 0}, {"type": "", "n": 1}, "text", message(2)])
    worker, task = running(app, ["a"], layer)
    await app.until(lambda: app.seen)
    await finish(worker, task)
    assert app.seen == [(1, 2)]
    assert log.text.count("Worker received message with no type") == 3
    assert "{'n': 0}" in log.text


class ScriptedLayer(BaseChannelLayer):
    """Receives what the test wrote down: messages, and exceptions to raise. Then waits."""

    def __init__(self, script):
        super().__init__()
        self.script = list(script)
        self.receiving = 0
        self.waiting = asyncio.Event()

    async def receive(self, channel):
        self.receiving += 1
        if not self.script:
            self.waiting.set()
            await asyncio.Event().wait()
        event = self.script.pop(0)
        if isinstance(event, Exception):
            raise event
        return event


async def test_a_layer_that_fails_is_asked_again_after_growing_pauses(log, monkeypatch):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    monkeypatch.setattr("channels.worker.asyncio.sleep", sleep)
    failures = [ConnectionError("gone"), *(ValueError("undecodable") for _ in range(7))]
    app = Recorder()
    layer = ScriptedLayer([*failures, message(0), OSError("gone again"), message(1)])
    worker, task = running(app, ["a"], layer)
    await app.until(lambda: len(app.seen) == 2)
    await finish(worker, task)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 0.1]
    assert app.seen == [(1, 0), (1, 1)]
    assert log.text.count("Receiving from channel 'a' failed") == 9
    assert "ConnectionError: gone" in log.text


async def test_a_stop_ends_a_pause():
    layer = ScriptedLayer([ConnectionError("gone")] * 3)
    worker, task = running(Recorder(), ["a"], layer)
    while not layer.receiving:
        await asyncio.sleep(0)
    async with asyncio.timeout(LIMIT):
        await finish(worker, task)


async def test_a_stop_waits_for_the_message_in_hand_and_leaves_the_rest_in_the_layer(layer):
    app = Recorder()
    app.gates[0] = asyncio.Event()
    worker, task = running(app, ["a", "b"], layer)
    for n in range(3):
        await layer.send("a", message(n))
    await app.until(lambda: app.seen == [(1, 0)])
    worker.stop()
    worker.stop()
    await settle()
    assert not task.done()
    app.gates[0].set()
    await asyncio.wait_for(task, LIMIT)
    assert app.seen == [(1, 0), (1, "done")]
    assert app.ended == [1]
    assert [(await layer.receive("a"))["n"] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("steps", range(8))
async def test_no_message_is_lost_at_the_end_however_the_stop_meets_it(layer, steps):
    app = Recorder()
    worker, task = running(app, ["a"], layer)
    while not layer.channels.get("a"):
        # The listener is receiving once the layer knows the channel.
        if "a" in layer.channels:
            break
        await asyncio.sleep(0)
    await layer.send("a", message(0))
    for _ in range(steps):
        await asyncio.sleep(0)
    await finish(worker, task)
    if app.seen:
        assert app.seen == [(1, 0)]
    else:
        async with asyncio.timeout(LIMIT):
            assert (await layer.receive("a"))["n"] == 0


async def test_a_stop_before_the_start(layer):
    worker = Worker(Recorder(), ["a"], layer)
    worker.stop()
    await asyncio.wait_for(worker.arun(), LIMIT)


async def test_idle_channels_cost_one_task_each_and_no_polling():
    app = Recorder()
    layer = ScriptedLayer([message(0)])
    before = asyncio.all_tasks()
    worker, task = running(app, ["a", "b", "c"], layer)
    await app.until(lambda: app.seen)
    await layer.waiting.wait()
    await settle()
    # The worker, three listeners, one instance.
    assert len(asyncio.all_tasks() - before) == 5
    assert layer.receiving == 4
    await finish(worker, task)
    assert asyncio.all_tasks() == before


async def test_the_instance_that_was_idle_longest_makes_room(layer):
    app = Recorder()
    worker, task = running(app, ["a", "b", "c"], layer, max_applications=2)
    for n, channel in enumerate("abacab"):
        await layer.send(channel, message(n))
        await app.until(lambda n=n: len(app.seen) == n + 1)
        await settle()
        assert len(worker.application_instances) <= 2
    ended = list(app.ended)
    await finish(worker, task)
    # c takes the place of b, not of a, which was made first but used since; b takes that of c.
    assert app.seen == [(1, 0), (2, 1), (1, 2), (3, 3), (1, 4), (4, 5)]
    assert ended == [2, 3]


async def test_a_message_waits_when_no_instance_is_idle(layer):
    app = Recorder()
    app.gates[0] = asyncio.Event()
    worker, task = running(app, ["a", "b"], layer, max_applications=1)
    await layer.send("a", message(0))
    await app.until(lambda: app.seen == [(1, 0)])
    await layer.send("b", message(1))
    await settle()
    assert app.seen == [(1, 0)]
    app.gates[0].set()
    await app.until(lambda: len(app.seen) == 3)
    await finish(worker, task)
    assert app.seen == [(1, 0), (1, "done"), (2, 1)]


async def test_what_an_application_sends_to_its_client_is_an_error_that_says_what_to_do(layer, log):
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.send", "text": "x"})

    worker, task = running(application, ["a"], layer)
    await layer.send("a", message(0))
    while not log.records:
        await asyncio.sleep(0)
    await finish(worker, task)
    assert "NotImplementedError" in log.text
    assert "self.channel_layer.send(...)" in log.text


async def test_consumers_of_both_kinds_work_behind_the_routers(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    from channels.layers import get_channel_layer

    layer = get_channel_layer()
    seen = asyncio.Queue()
    loop = asyncio.get_running_loop()

    class Thumbnails(AsyncConsumer):
        async def make(self, event):
            if event["n"] == 0:
                await self.channel_layer.group_add("thumbnails", self.channel_name)
            if event["n"] == 1:
                raise RuntimeError("no such picture")
            await seen.put(("async", event["n"], self.scope["channel"]))

    class Letters(SyncConsumer):
        def make(self, event):
            in_loop = threading.current_thread() is threading.main_thread()
            loop.call_soon_threadsafe(seen.put_nowait, ("sync", event["n"], in_loop))

    router = ProtocolTypeRouter(
        {
            "channel": ChannelNameRouter(
                {"thumbnails": Thumbnails.as_asgi(), "letters": Letters.as_asgi()}
            )
        }
    )
    worker, task = running(router, ["thumbnails", "letters"], layer)
    async with asyncio.timeout(LIMIT):
        for n in range(3):
            await layer.send("thumbnails", {"type": "make", "n": n})
        assert await seen.get() == ("async", 0, "thumbnails")
        assert await seen.get() == ("async", 2, "thumbnails")
        await layer.send("letters", {"type": "make", "n": 7})
        assert await seen.get() == ("sync", 7, False)
        await finish(worker, task)
    assert layer.groups == {}


async def test_a_bad_channel_name_ends_it_at_once(layer):
    with pytest.raises(TypeError, match="Channel name must be a valid unicode string"):
        await Worker(Recorder(), ["good", "not good"], layer).arun()


async def test_no_channel_is_refused(layer):
    with pytest.raises(ValueError, match="name at least one"):
        await Worker(Recorder(), [], layer).arun()


def test_a_missing_layer_is_refused_with_upstreams_text():
    with pytest.raises(ValueError, match="Channel layer is not valid") as caught:
        Worker(Recorder(), ["a"], None)
    assert str(caught.value) == "Channel layer is not valid"
    assert "CHANNEL_LAYERS" in "".join(caught.value.__notes__)


def test_a_limit_below_one_is_refused(layer):
    with pytest.raises(ValueError, match="max_applications is 0"):
        Worker(Recorder(), ["a"], layer, max_applications=0)


async def test_a_subclass_with_upstreams_listener_works(layer, log):
    class Own(Worker):
        async def listener(self, channel):
            while True:
                message = await self.channel_layer.receive(channel)
                scope = {"type": "channel", "channel": channel, "own": True}
                queue = self.get_or_create_application_instance(channel, scope)
                await queue.put(message)

        async def application_exception(self, exception, application_details):
            failures.append((str(exception), application_details["scope"]["own"]))

    failures = []
    app = Recorder()
    app.gates[2] = asyncio.Event()
    worker = Own(app, ["a"], layer)
    task = asyncio.create_task(worker.arun())
    for n in range(4):
        await layer.send("a", message(n, fail=n == 0))
    await app.until(lambda: len(app.seen) == 3)
    worker.stop()
    app.gates[2].set()
    await asyncio.wait_for(task, LIMIT)
    assert app.seen == [(1, 0), (2, 1), (2, 2), (2, "done")]
    assert failures == [("failed on purpose", True)]
    assert (await layer.receive("a"))["n"] == 3


async def test_a_listener_that_fails_ends_the_worker_after_the_messages_in_hand(layer):
    class Own(Worker):
        async def listener(self, channel):
            if channel == "b":
                await app.until(lambda: app.seen)
                raise LookupError("a bug of the subclass")
            await super().listener(channel)

    app = Recorder()
    app.gates[0] = asyncio.Event()
    task = asyncio.create_task(Own(app, ["a", "b"], layer).arun())
    await layer.send("a", message(0))
    await app.until(lambda: app.seen)
    await settle()
    app.gates[0].set()
    with pytest.raises(LookupError, match="a bug of the subclass"):
        await asyncio.wait_for(task, LIMIT)
    assert app.seen == [(1, 0), (1, "done")]


async def test_a_handle_of_ones_own_is_ended_too(layer):
    class Own(Worker):
        async def handle(self):
            entered.set()
            await asyncio.Event().wait()

    entered = asyncio.Event()
    worker = Own(Recorder(), ["a"], layer)
    task = asyncio.create_task(worker.arun())
    await entered.wait()
    await finish(worker, task)


async def test_cancelling_it_ends_its_instances(layer):
    app = Recorder()
    app.gates[0] = asyncio.Event()
    _, task = running(app, ["a"], layer)
    await layer.send("a", message(0))
    await app.until(lambda: app.seen)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert app.ended == [1]
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_run_is_stopped_from_another_thread(layer):
    app = Recorder()
    worker = Worker(app, ["a"], layer)
    thread = threading.Thread(target=worker.run)
    thread.start()
    worker.stop()
    thread.join(LIMIT)
    assert not thread.is_alive()
