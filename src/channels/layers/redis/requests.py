"""Memberships of channels that other processes own: asked for in their mail, answered in ours."""

import asyncio
from typing import TYPE_CHECKING

from channels.exceptions import BrokerUnavailableError
from channels.layers.redis.envelope import ADD, DONE, seal
from channels.layers.redis.sending import publish

if TYPE_CHECKING:
    from channels.layers.redis.hub import Hub


class Requests:
    """What one hub has asked of others and has not been answered yet."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._asked: dict[str, asyncio.Future[None]] = {}

    async def ask(self, kind: bytes, owner: str, group: str, channel: str) -> None:
        """Have the process that owns a channel change one of its memberships.

        Raises:
            BrokerUnavailableError: no answer in time. The process may be gone, or may do it still.
        """
        hub, number = self._hub, self._hub.new_id().decode()
        timeout = hub.options.send_timeout
        answer: asyncio.Future[None] = hub.loop.create_future()
        self._asked[number] = answer
        try:
            async with asyncio.timeout(timeout):
                # Before the question, so that the answer is heard when it comes.
                await hub.wait_until_live(hub.open_mail())
                await publish(
                    hub, "p", owner, seal(kind, [number, hub.id, group, channel]), number.encode()
                )
                await answer
        except TimeoutError as error:
            raise BrokerUnavailableError(
                f"The process that owns the channel {channel!r} did not answer within {timeout} s."
            ) from error
        finally:
            del self._asked[number]

    def do(self, kind: bytes, words: list[str]) -> None:
        """Do what another process asks for, and answer."""
        if len(words) == 4:
            self._hub.start(self._do(kind, *words))

    async def _do(self, kind: bytes, number: str, process: str, group: str, channel: str) -> None:
        hub = self._hub
        try:
            await (hub.join if kind == ADD else hub.leave)(group, channel)
            await publish(hub, "p", process, seal(DONE, [number]), hub.new_id())
        except BrokerUnavailableError:
            pass  # who asked hears nothing, and raises

    def answered(self, words: list[str]) -> None:
        """An answer came."""
        answer = self._asked.get(words[0]) if words else None
        if answer is not None and not answer.done():
            answer.set_result(None)
