"""What a broker needs of the place where its keys are: scripts run there, announcements from there.

One server here; a Cluster has the same face. Which connection serves a key is decided behind it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from channels.exceptions import BrokerUnavailableError
from channels.layers.redis.connection import (
    FOREVER,
    Commands,
    ConnectionLostError,
    Open,
    ReplyError,
)
from channels.layers.redis.scripts import Script
from channels.layers.redis.subscriber import Subscriber

Announce: TypeAlias = Callable[[Any], tuple[bytes, bytes]]
"""From a script's answer the channel and the announcement that the script made."""

NOT_NOW = frozenset({"LOADING", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "NOREPLICAS"})
"""Errors of a server that did nothing and may do it later."""

NOT_HERE = frozenset({"READONLY", "NOPERM_REPLICA"})
"""Errors of a server that is no longer the one to ask: the address is looked up again."""

PAUSE = 0.05
"""Seconds before a server that said "not now" is asked again."""


class Listener(NamedTuple):
    """Whom a server tells what."""

    on_message: Callable[[bytes, bytes], None]
    """The channel, and what was published there."""
    on_subscribed: Callable[[bytes], None]
    """The channel: everything published from now on comes. Also after a loss, so that what came in
    between can be read."""
    on_up: Callable[[], None]
    """Commands are taken, for the first time or again."""


class Server:
    """One server with its two connections: one for commands, and one for announcements that is
    opened with the first subscription.

    Args:
        open_connection: opens a connection to whichever server is to be asked now.
        name: what the log calls it.
        listener: told of announcements.
    """

    publish_command: bytes = b"PUBLISH"

    def __init__(self, open_connection: Open, name: str, listener: Listener) -> None:
        self.name: str = name
        self.commands: Commands = Commands(open_connection, name)
        self.commands.when_up(listener.on_up)
        self.subscriber: Subscriber = Subscriber(
            open_connection,
            name,
            on_message=listener.on_message,
            on_subscribed=listener.on_subscribed,
        )
        self._loop = asyncio.get_running_loop()

    @property
    def up(self) -> bool:
        """Whether commands are taken."""
        return self.commands.up

    def want(self) -> None:
        """Connect, unless that is done or under way."""
        self.commands.want()

    async def run(
        self,
        script: Script,
        key: bytes,
        *args: Any,
        again: tuple[Any, ...] | None = None,
        deadline: float = FOREVER,
        patient: bool = True,
        announce: Announce | None = None,
    ) -> Any:
        """Run a script on the server that has ``key``, until it was run for certain.

        Args:
            again: the arguments for another attempt after one whose answer was lost; the same ones
                where to run it twice does no harm.
            deadline: on the loop's clock. An answer that is under way is waited for beyond it, as
                long as the server is not taken for lost.
            patient: whether to wait for a connection.
            announce: what the script announced, from its answer; for places that have to say it
                again elsewhere. One server has not.

        Raises:
            BrokerUnavailableError: not before the deadline. It may have been run.
            ReplyError: the script, or the server, refused.
        """
        while True:
            commands = self.commands
            if not commands.clear:
                await commands.ready(deadline, patient=patient)
            try:
                try:
                    return await commands.call(b"EVALSHA", script.sha, 1, key, *args)
                except ReplyError as error:
                    if error.code != "NOSCRIPT":
                        raise
                    return await commands.call(b"EVAL", script.source, 1, key, *args)
            except ConnectionLostError as error:
                self._check(deadline, error)
                if again is not None:
                    args = again
            except ReplyError as error:
                if error.code in NOT_HERE:
                    commands.drop()
                elif error.code not in NOT_NOW:
                    raise
                self._check(deadline, error)
                await asyncio.sleep(PAUSE)

    def _check(self, deadline: float, error: Exception) -> None:
        if self._loop.time() >= deadline:
            raise BrokerUnavailableError(
                f"{self.commands.name} did not answer before the call's deadline: {error} The "
                "message may have arrived."
            ) from error

    def subscribe(self, channel: bytes) -> None:
        """Hear what is announced on a channel; ``on_subscribed`` tells from when on."""
        self.subscriber.subscribe(channel)

    def unsubscribe(self, channel: bytes) -> None:
        self.subscriber.unsubscribe(channel)

    async def delete_keys(self, pattern: bytes) -> None:
        """Delete every key whose name matches a glob, on whichever server it is."""
        await self.commands.ready(self._loop.time() + 10)
        cursor: Any = b"0"
        while True:
            cursor, keys = await self.commands.call(
                b"SCAN", cursor, b"MATCH", pattern, b"COUNT", 1000
            )
            if keys:
                await self.commands.call(b"UNLINK", *keys)
            if int(cursor) == 0:
                return

    def close(self) -> None:
        """Close the connections. Commands under way raise."""
        self.commands.close()
        self.subscriber.close()
