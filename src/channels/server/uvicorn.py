"""The development server on uvicorn."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import uvicorn

from channels.draining import drain
from channels.lifespan import OWN_DRAIN
from channels.server.access_log import AccessLog
from channels.server.base import Address, ServerOptions, ServerStartError, listening_socket
from channels.server.limits import Limits
from channels.server.websocket import WebSocketProtocol
from channels.typing import ASGIApplication, Message, Receive, Scope, Send

logger: logging.Logger = logging.getLogger("django.channels.server")

TICK = 1.0
"""Seconds between two looks of uvicorn at its clock: the ``Date`` header is made once a tick."""

CANCEL_TIMEOUT = 0.5
"""Seconds that applications get after they were cancelled. Who waits for a thread cannot end."""


class UvicornServer:
    """See :class:`channels.server.Server`."""

    def __init__(
        self,
        application: ASGIApplication,
        *,
        host: str,
        port: int,
        ipv6: bool,
        sock: socket.socket | None,
        options: ServerOptions,
    ) -> None:
        self._application = _Entrance(application, options)
        self._host, self._port, self._ipv6 = host, port, ipv6
        self._socket = sock
        self._options = options
        self._address: Address | None = None
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: _Engine | None = None
        self._stopped = False
        self._settled = threading.Event()
        self._failure: BaseException | None = None

    @property
    def address(self) -> Address:
        if self._address is None:
            raise RuntimeError("The server has no address yet: call bind() first.")
        return self._address

    def bind(self) -> None:
        if self._address is not None:
            return
        if self._socket is None:
            self._socket = listening_socket(self._host, self._port, ipv6=self._ipv6)
        self._address = self._socket.getsockname()[:2]

    def run(self) -> None:
        try:
            self.bind()
            with asyncio.Runner(loop_factory=_loop_factory(self._options.event_loop)) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._settled.set()
            if self._socket is not None:
                self._socket.close()

    def wait_ready(self, timeout: float | None = None) -> bool:
        settled = self._settled.wait(timeout)
        if self._failure is not None:
            raise self._failure
        return settled

    def stop(self) -> None:
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            if self._loop is not None and self._engine is not None:
                self._loop.call_soon_threadsafe(self._engine.leave)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(_Executor(self._options.stop_timeout))
        engine = _Engine(self._application, self._options, self._settled.set)
        with self._lock:
            if self._stopped:
                return
            self._loop, self._engine = loop, engine
        assert self._socket is not None
        try:
            await engine.serve(sockets=[self._socket])
        finally:
            with self._lock:
                self._loop = self._engine = None


class _Engine(uvicorn.Server):
    """uvicorn's server without its signal handlers, and with an end that waits for nothing idle.

    uvicorn looks ten times a second whether it is to stop, and then waits for responses without
    end: an open event stream would keep Ctrl-C waiting for ever.
    """

    def __init__(
        self, application: "_Entrance", options: ServerOptions, on_ready: Callable[[], object]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                interface="asgi3",
                ws=WebSocketProtocol,
                # What uvicorn reports goes where the project's LOGGING sends it, and the lines of
                # each request are ours.
                log_config=None,
                access_log=False,
                # As Django's runserver: what a proxy says is looked at by Django's own settings.
                proxy_headers=False,
                server_header=False,
                # Else the environment's WEB_CONCURRENCY would be read.
                workers=1,
            )
        )
        self._entrance = application
        self._stop_timeout = options.stop_timeout
        self._on_ready = on_ready
        self._leaving = asyncio.Event()
        self._starting: asyncio.Task[Any] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    def leave(self) -> None:
        """Stop as soon as the loop comes round. Called in the loop."""
        self.should_exit = True
        self._leaving.set()
        if self._starting is not None:
            self._starting.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._starting = asyncio.current_task()
        try:
            # When the lifespan start-up fails, uvicorn ends the process (SystemExit); its 0.35
            # only leaves the server not started.
            with suppress(SystemExit):
                await super().startup(sockets)
        except asyncio.CancelledError:
            # leave() does it, because an application may never answer its lifespan start-up.
            if not self.should_exit:
                raise
            return
        finally:
            self._starting = None
        if not self.started:
            raise ServerStartError(
                "The application refused to start: "
                + (self._entrance.refusal or "its lifespan start-up failed without a message.")
            )
        self._on_ready()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # Whoever the application knows of is told by it, with a reason, after the handler in hand.
        await drain(seconds=0, deadline=self._stop_timeout)
        connections = list(self.server_state.connections)
        for connection in connections:
            try:
                connection.shutdown()
            except Exception:
                # The others are to be told, too.
                logger.exception("A connection could not be closed in order.")
            # uvicorn waits for a response in progress; a closed transport is what makes it tell
            # the application that the client is gone.
            connection.transport.close()
        await self._end_applications()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.lifespan.shutdown(), self._stop_timeout)

    async def _end_applications(self) -> None:
        tasks = set(self.server_state.tasks)
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._stop_timeout)
        if not late:
            return
        logger.warning(
            "%d connection(s) had not ended %.1f s after the server was told to stop; "
            "their applications are cancelled.",
            len(late),
            self._stop_timeout,
        )
        self._entrance.is_closing = True
        for task in late:
            task.cancel()
        await asyncio.wait(late, timeout=CANCEL_TIMEOUT)


class _Entrance:
    """What every connection goes through first."""

    def __init__(self, application: ASGIApplication, options: ServerOptions) -> None:
        self._application: ASGIApplication = Limits(
            application,
            http=options.http_timeout,
            handshake=options.websocket_handshake_timeout,
        )
        if options.access_log_style is not None:
            # Outside the limits, so that it shows their answers too.
            self._application = AccessLog(self._application, style=options.access_log_style)
        self._root_path = options.root_path
        self.refusal = ""
        """What the application gave as the reason when its lifespan start-up failed."""
        self.is_closing = False
        """Whether applications are cancelled by the server."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            scope.setdefault("extensions", {})[OWN_DRAIN] = {}
            await self._application(scope, receive, self._listening_to(send))
        else:
            if self._root_path:
                scope["root_path"] = self._root_path
            try:
                await self._application(scope, receive, send)
            except asyncio.CancelledError:
                # uvicorn would log it with its traceback. What there is to say has been said.
                if not self.is_closing:
                    raise

    def _listening_to(self, send: Send) -> Send:
        async def listening_send(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                self.refusal = message.get("message", "")
            await send(message)

        return listening_send


class _Executor(ThreadPoolExecutor):
    """The loop's default executor, which is not waited for longer than ``stop_timeout``.

    The loop joins its executor when it closes, and a thread that is blocked cannot be told to end.
    """

    def __init__(self, stop_timeout: float) -> None:
        super().__init__(thread_name_prefix="channels-server")
        self._stop_timeout = stop_timeout

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        ending = threading.Thread(
            target=super().shutdown,
            kwargs={"wait": wait, "cancel_futures": cancel_futures},
            name="channels-server-end",
            daemon=True,
        )
        ending.start()
        ending.join(self._stop_timeout)


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """None is asyncio's own choice."""
    if name == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        if name == "uvloop":
            raise
        return None
    return uvloop.new_event_loop
