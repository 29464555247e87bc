"""Workers: processes that run consumers for the messages of general channels."""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any, TypedDict

from channels.lifespan import close_channel_layers
from channels.stop_signals import LEFTOVERS, end_process_within, stop_on_signals
from channels.typing import ASGIApplication, Message, Scope

logger: logging.Logger = logging.getLogger("django.channels.worker")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between attempts to receive while the layer fails; doubled each time."""


class ApplicationDetails(TypedDict):
    """What a worker knows of one application instance."""

    scope: Scope
    input_queue: "Lane"
    future: "asyncio.Task[None]"
    last_used: float
    """On :func:`time.monotonic`'s clock."""


class Worker:
    """Receives from each of its channels and gives the messages to the application.

    Each channel has an application instance of its own, with the scope ``{"type": "channel",
    "channel": name}``, which lives on between messages.

    Guarantees: the messages of a channel are handled one after another, in the order in which the
    layer gives them; different channels do not wait for each other. A message is only received when
    the one before it was handled, so what nobody has begun yet stays in the layer, also when the
    worker ends. A message whose handler fails, or that is in hand when the process dies, is lost:
    delivery is at most once.

    An exception that leaves the application is logged on ``django.channels.worker`` with its
    traceback, and the channel's next message gets a fresh instance. A layer that fails to receive
    is asked again after a pause of at most five seconds, and each failure is logged.
    """

    def __init__(
        self,
        application: ASGIApplication,
        channels: Iterable[str],
        channel_layer: Any,
        max_applications: int = 1000,
    ) -> None:
        """
        Args:
            application: usually a :class:`~channels.routing.ProtocolTypeRouter` with a
                :class:`~channels.routing.ChannelNameRouter` for ``channel``.
            channels: names of the channels to listen on.
            channel_layer: where to receive from.
            max_applications: how many instances may live at a time. The one that was idle longest
                ends when there would be more; if none is idle, a message waits for one.

        Raises:
            ValueError: there is no channel layer, or ``max_applications`` is below 1.
        """
        if channel_layer is None:
            missing = ValueError("Channel layer is not valid")
            missing.add_note(
                "It is None. Give the worker a layer, such as "
                'get_channel_layer("default"), and check that CHANNEL_LAYERS has that alias.'
            )
            raise missing
        if max_applications < 1:
            raise ValueError(f"max_applications is {max_applications!r}; it must be at least 1.")
        self.application = application
        self.channels: list[str] = list(channels)
        self.channel_layer = channel_layer
        self.max_applications = max_applications
        self.application_instances: dict[str, ApplicationDetails] = {}
        self._lanes: dict[str, Lane] = {}
        self._idle = asyncio.Event()
        self._handing_over: set[asyncio.Task[Any] | None] = set()
        self._listeners: list[asyncio.Task[None]] = []
        self._main: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    # Running

    def run(self) -> None:
        """Work until :meth:`stop`, or until SIGINT or SIGTERM where this is the main thread. Then
        the channel layers close their connections.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed again while a message was in hand; it is lost.
                The process has half a second to leave then.
        """
        with stop_on_signals(lambda number: self.stop()), asyncio.Runner() as runner:
            try:
                runner.run(self._run_and_close())
            except KeyboardInterrupt:
                # The runner joins the threads, and a sync handler cannot be interrupted.
                end_process_within(LEFTOVERS, 1)
                raise

    async def _run_and_close(self) -> None:
        try:
            await self.arun()
        finally:
            await close_channel_layers()

    async def arun(self) -> None:
        """Work until :meth:`stop`. When it returns, every application instance has ended."""
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        try:
            if not self._stopping:
                await self.handle()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._loop = self._main = None
            await self._end_instances(list(self.application_instances))

    def stop(self) -> None:
        """End after the messages in hand, from any thread or a signal handler.

        Messages that were not received yet stay in the layer. A second call does nothing.
        """
        if self._stopping:
            return
        self._stopping = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop_receiving)

    def _stop_receiving(self) -> None:
        if self._handing_over:
            logger.info(
                "The worker ends after %d message(s) in hand. Ctrl-C once more gives them up.",
                len(self._handing_over),
            )
        if not self._listeners and self._main is not None:
            # handle() is somebody else's.
            self._main.cancel()
        for listener in self._listeners:
            if listener not in self._handing_over:
                listener.cancel()

    async def handle(self) -> None:
        """Run a :meth:`listener` for each channel until they are stopped or one fails.

        Raises:
            TypeError: the layer takes no such channel name.
            ValueError: there is no channel.
            Exception: what ended a listener, when the messages in hand were handled.
        """
        if not self.channels:
            raise ValueError("The worker has no channels to listen on; name at least one.")
        for channel in self.channels:
            # Once, here: what receive() raises later is taken for a failure that will pass.
            require_channel_name(self.channel_layer, channel)
        self._listeners = [asyncio.create_task(self.listener(channel)) for channel in self.channels]
        try:
            await asyncio.wait(self._listeners, return_when=asyncio.FIRST_EXCEPTION)
            self.stop()
            await asyncio.wait(self._listeners)
        finally:
            for listener in self._listeners:
                listener.cancel()
        for listener in self._listeners:
            if not listener.cancelled():
                listener.result()

    async def listener(self, channel: str) -> None:
        """Receive from one channel and have its messages handled, for ever.

        Cancelled when the worker ends: while it receives, or when a message was handled.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                message = await self.channel_layer.receive(channel)
            except Exception:
                logger.exception(
                    "Receiving from channel %r failed; the next attempt is in %.1f s.",
                    channel,
                    pause,
                )
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            if not isinstance(message, dict) or not message.get("type"):
                logger.error(
                    "Worker received message with no type on channel %r and dropped it: %.200r",
                    channel,
                    message,
                )
                continue
            scope = {"type": "channel", "channel": channel}
            await self.get_or_create_application_instance(channel, scope).put(message)

    # Application instances

    def get_or_create_application_instance(self, scope_id: str, scope: Scope) -> "Lane":
        """The way to the application instance of ``scope_id``, which is made when it is needed."""
        lane = self._lanes.get(scope_id)
        if lane is None:
            lane = self._lanes[scope_id] = Lane(self, scope_id, scope)
        return lane

    def delete_application_instance(self, scope_id: str) -> None:
        """Cancel the application instance of ``scope_id``; its next message gets a fresh one."""
        self.application_instances.pop(scope_id)["future"].cancel()

    async def application_send(self, scope: Scope, message: Message) -> None:
        """Called for what an application sends to its client.

        Raises:
            NotImplementedError: a worker has no client. Subclasses may have one.
        """
        raise NotImplementedError(
            f"The application of channel {scope.get('channel')!r} sent {message!r:.200} to its "
            "client, but in a worker there is none. Send to a channel or a group instead: "
            "self.channel_layer.send(...) or group_send(...)."
        )

    async def application_exception(
        self, exception: Exception, application_details: ApplicationDetails
    ) -> None:
        """Called with an exception that ended an application instance. Logs it."""
        logger.error(
            "Exception inside application of channel %r: %s. Its next message gets a fresh "
            "instance.",
            application_details["scope"].get("channel"),
            exception,
            exc_info=exception,
        )

    async def _start_instance(self, scope_id: str, lane: "Lane") -> None:
        while len(self.application_instances) >= self.max_applications:
            idle = [i for i in self.application_instances if not self._lanes[i].is_busy]
            if idle:
                idle.sort(key=lambda i: self.application_instances[i]["last_used"])
                await self._end_instances(idle[:1])
            else:
                self._idle.clear()
                await self._idle.wait()
        self.application_instances[scope_id] = {
            "scope": lane.scope,
            "input_queue": lane,
            "future": asyncio.create_task(self._run_instance(scope_id, lane)),
            "last_used": time.monotonic(),
        }

    async def _run_instance(self, scope_id: str, lane: "Lane") -> None:
        details = self.application_instances[scope_id]

        async def send(message: Message) -> None:
            await self.application_send(lane.scope, message)

        try:
            await self.application(dict(lane.scope), lane.receive, send)
        except Exception as error:
            await self.application_exception(error, details)
        finally:
            if self.application_instances.get(scope_id) is details:
                del self.application_instances[scope_id]

    async def _end_instances(self, scope_ids: list[str]) -> None:
        tasks = [self.application_instances[i]["future"] for i in scope_ids]
        for scope_id in scope_ids:
            self.delete_application_instance(scope_id)
        if tasks:
            await asyncio.wait(tasks)


class Lane:
    """The messages of one scope, on their way into its application instance, one at a time."""

    def __init__(self, worker: Worker, scope_id: str, scope: Scope) -> None:
        self.scope = scope
        self.is_busy: bool = False
        self._worker = worker
        self._scope_id = scope_id
        self._turn = asyncio.Lock()
        self._waiting: asyncio.Queue[Message] = asyncio.Queue()
        self._handled: asyncio.Future[None] | None = None

    async def put(self, message: Message) -> None:
        """Have the application handle ``message``; return when it did, or failed to.

        An application has handled a message when it asks for the next one, or has ended. Does not
        return, but raises CancelledError after the message, once the worker is to stop: so a
        listener ends here, and not with another message in its hands.
        """
        worker, task = self._worker, asyncio.current_task()
        worker._handing_over.add(task)  # pyright: ignore[reportPrivateUsage]
        try:
            async with self._turn:
                self.is_busy = True
                try:
                    await self._deliver(message)
                finally:
                    self.is_busy = False
                    worker._idle.set()  # pyright: ignore[reportPrivateUsage]
        finally:
            worker._handing_over.discard(task)  # pyright: ignore[reportPrivateUsage]
        if worker._stopping:  # pyright: ignore[reportPrivateUsage]
            raise asyncio.CancelledError

    async def receive(self) -> Message:
        """The application's ``receive``."""
        if self._handled is not None and not self._handled.done() and self._waiting.empty():
            self._handled.set_result(None)
        return await self._waiting.get()

    async def _deliver(self, message: Message) -> None:
        self._waiting.put_nowait(message)
        instances = self._worker.application_instances
        is_new = False
        while not self._waiting.empty():
            if is_new:
                # It was started for this message and ended without looking at it. If it failed,
                # that was logged; a second one would do the same.
                self._waiting.get_nowait()
                logger.error(
                    "The application of channel %r ended without receiving a message, which is "
                    "lost: %.200r",
                    self.scope.get("channel"),
                    message,
                )
                return
            if self._scope_id not in instances:
                is_new = True
                await self._worker._start_instance(self._scope_id, self)  # pyright: ignore[reportPrivateUsage]
            details = instances[self._scope_id]
            details["last_used"] = time.monotonic()
            self._handled = asyncio.get_running_loop().create_future()
            await asyncio.wait(
                [self._handled, details["future"]], return_when=asyncio.FIRST_COMPLETED
            )


def require_channel_name(layer: Any, name: str) -> None:
    """Refuse a name that ``layer`` does not take, as far as the layer can tell.

    Raises:
        TypeError: it is not a channel name.
    """
    # Layers that do not derive from BaseChannelLayer may have no such method.
    if hasattr(layer, "require_valid_channel_name"):
        layer.require_valid_channel_name(name)
