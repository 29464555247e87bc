"""Checks of ``send``, ``receive`` and ``new_channel``."""

import asyncio
import threading
import time
from collections import Counter

from channels.testing.conformance.bench import (
    Bench,
    BrokenPromiseError,
    expect,
    numbered,
    numbers,
)
from channels.testing.conformance.check import check
from channels.typing import Message


@check()
async def send_then_receive(bench: Bench) -> None:
    """A message that was sent to a channel of this process is received from it, and holds what was
    sent and nothing else."""
    channel = await bench.layer.new_channel()
    sent = {"type": "conformance.message", "number": 1}
    await bench.layer.send(channel, dict(sent))
    message = await bench.receive(bench.layer, channel)
    expect(message == sent, f"sent was {sent!r}, this came: {message!r}")


@check()
async def receive_then_send(bench: Bench) -> None:
    """A receiver that waits already gets the message that is sent later."""
    channel = await bench.layer.new_channel()
    receiver = bench.task(bench.receive(bench.layer, channel))
    await bench.let_others_run()
    expect(not receiver.done(), "receive() returned before anything was sent")
    await bench.layer.send(channel, {"type": "conformance.message"})
    await receiver


@check()
async def general_channel(bench: Bench) -> None:
    """A message to a general channel waits until somebody receives from that channel."""
    channel = bench.name("general")
    await bench.layer.send(channel, {"type": "conformance.message"})
    await bench.receive(bench.layer, channel)


@check()
async def order(bench: Bench) -> None:
    """A channel gives one sender's messages in the order in which they were sent."""
    channel = await bench.layer.new_channel()
    for message in numbered(30):
        await bench.layer.send(channel, message)
    received = numbers(await bench.receive_all(bench.layer, channel))
    expect(received == sorted(received), f"they came in this order: {received}")


@check()
async def received_once(bench: Bench) -> None:
    """A message to a channel is received once."""
    channel = await bench.layer.new_channel()
    for message in numbered(5):
        await bench.layer.send(channel, message)
    counts = Counter(numbers(await bench.receive_all(bench.layer, channel)))
    repeated = [number for number, count in counts.items() if count > 1]
    expect(not repeated, f"these came more than once: {repeated}")


@check()
async def one_receiver(bench: Bench) -> None:
    """Of several receivers that wait on one general channel, each message reaches exactly one."""
    channel = bench.name("shared")
    received: list[Message] = []

    async def work() -> None:
        while (message := await bench.layer.receive(channel))["type"] != "conformance.stop":
            received.append(message)

    workers = [bench.task(work()) for _ in range(3)]
    await bench.let_others_run()
    for message in numbered(20):
        await bench.layer.send(channel, message)
    for _ in workers:
        await bench.layer.send(channel, {"type": "conformance.stop"})
    _, waiting = await asyncio.wait(workers, timeout=bench.patience)
    expect(not waiting, f"{len(waiting)} of 3 receivers never got the last message")
    for worker in workers:
        await worker
    counts = Counter(numbers(received))
    wrong = {n: counts[n] for n in range(20) if counts[n] != 1}
    expect(not wrong, f"receivers by message that did not reach exactly one: {wrong}")


@check()
async def channels_are_separate(bench: Bench) -> None:
    """A receiver gets the messages of its channel and no others, also between channels of one
    process."""
    first, second = await bench.layer.new_channel(), await bench.layer.new_channel()
    await bench.layer.send(first, {"type": "conformance.message", "for": "first"})
    await bench.layer.send(second, {"type": "conformance.message", "for": "second"})
    for channel, expected in ((second, "second"), (first, "first")):
        came = [message["for"] for message in await bench.receive_all(bench.layer, channel)]
        expect(set(came) <= {expected}, f"the {expected} channel got what was sent to: {came}")


@check()
async def cancelled_receive(bench: Bench) -> None:
    """A ``receive`` that is cancelled loses nothing: the next one gets what it did not return."""
    channel = await bench.layer.new_channel()
    lost = []
    for number in range(20):
        receiver = bench.task(bench.layer.receive(channel))
        await bench.let_others_run(number % 4)
        await bench.layer.send(channel, {"type": "conformance.message", "number": number})
        await bench.let_others_run(number // 4)
        receiver.cancel()
        came: object = (await asyncio.gather(receiver, return_exceptions=True))[0]
        if isinstance(came, asyncio.CancelledError):
            try:
                came = await bench.receive(bench.layer, channel)
            except BrokenPromiseError:
                lost.append(number)
                break
        expect(not isinstance(came, BaseException), f"receive() raised {came!r}")
    expect(not lost, f"cancelling the receiver lost message {lost}")


@check()
async def order_after_cancel(bench: Bench) -> None:
    """Cancelling a ``receive`` does not change the order of the messages that wait."""
    for turns in range(8):
        channel = await bench.layer.new_channel()
        received: list[Message] = []
        receiver = bench.task(bench.layer.receive(channel))
        await bench.let_others_run(1)
        for message in numbered(3):
            await bench.layer.send(channel, message)
        await bench.let_others_run(turns)
        receiver.cancel()
        received += [
            m for m in await asyncio.gather(receiver, return_exceptions=True) if isinstance(m, dict)
        ]
        received += await bench.receive_all(bench.layer, channel)
        came = numbers(received)
        expect(came == sorted(came), f"they came in this order: {came}")


@check()
async def many_tasks(bench: Bench) -> None:
    """Tasks that send and receive at the same time do not disturb each other."""
    # Room for all, also in a layer that counts the messages of a process together.
    layer = bench.another(capacity=1000)
    channels = [await layer.new_channel() for _ in range(20)]

    async def send(channel: str) -> None:
        for message in numbered(10):
            await layer.send(channel, {**message, "channel": channel})

    async def receive(channel: str) -> list[Message]:
        received = [await bench.receive(layer, channel)]
        while received[-1].get("number") != 9:
            received.append(await bench.receive(layer, channel))
        return received

    receivers = [bench.task(receive(channel)) for channel in channels]
    await asyncio.gather(*(send(channel) for channel in channels))
    for channel, messages in zip(channels, await asyncio.gather(*receivers), strict=True):
        foreign = [message for message in messages if message["channel"] != channel]
        expect(not foreign, f"{channel!r} got messages of other channels: {foreign[:3]}")
        came = set(numbers(messages))
        expect(came == set(range(10)), f"of ten messages {channel!r} got {came}")


@check()
async def another_event_loop(bench: Bench) -> None:
    """A send from another thread, with its own event loop, wakes a receiver that waits in this
    one."""
    for _ in range(3):
        await _woken_from_a_thread(bench, await bench.layer.new_channel())


async def _woken_from_a_thread(bench: Bench, channel: str) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    receiver = bench.task(bench.receive(bench.layer, channel))
    await bench.let_others_run()
    raised: list[Exception] = []

    def send() -> None:
        # Until the loop is most likely asleep: one that is awake finds the message by itself.
        time.sleep(0.01)
        try:
            asyncio.run(bench.layer.send(channel, {"type": "conformance.message"}))
        except Exception as error:
            raised.append(error)

    # A bare thread: its end must not wake this loop, that is the layer's part.
    thread = threading.Thread(target=send, name="conformance")
    thread.start()
    try:
        await receiver
    finally:
        thread.join()
        for error in raised:
            raise error
    # The end of the wait would have woken the loop, too.
    expect(loop.time() - started < bench.patience, "the receiver slept until something else came")


@check()
async def new_channel_names(bench: Bench) -> None:
    """``new_channel`` returns a valid name that it returned to nobody before."""
    names = [await bench.layer.new_channel() for _ in range(200)]
    expect(len(set(names)) == len(names), "two of 200 names were the same")
    wrong = [n for n in names if not isinstance(n, str) or not 0 < len(n) < 100 or "!!" in n]
    expect(not wrong, f"these are not channel names: {wrong[:3]}")
    for name in names[:3]:
        await bench.layer.send(name, {"type": "conformance.message"})
