"""Clients of every sort: they connect, join, talk, stall, vanish and send rubbish."""

import asyncio
import json
import os
import random
import socket
import struct
from base64 import b64encode
from collections import Counter
from contextlib import suppress
from typing import Any

from tests.fuzz.raw import BINARY, CLOSE, PING, PONG, TEXT, Frame, close, text

ROOMS = [f"r{number}" for number in range(6)]
PATIENCE = 20.0


class Line:
    """One connection: what is read is thrown away, pings are answered."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.status = 0
        self.closed_with: int | None = None

    @classmethod
    async def open(
        cls, port: int, target: str, *, upgrade: bool = True, origin: str | None = None
    ) -> "Line":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        line = cls(reader, writer)
        lines = [f"GET {target} HTTP/1.1", "Host: 127.0.0.1"]
        if upgrade:
            key = b64encode(os.urandom(16)).decode()
            lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
            lines += [f"Sec-WebSocket-Key: {key}"]
        if origin is not None:
            lines.append(f"Origin: {origin}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        with suppress(asyncio.IncompleteReadError, OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                line.status = int(head.split(b" ", 2)[1])
        return line

    async def say(self, what: Any) -> None:
        await self.put(text(json.dumps(what)).encode())

    async def put(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def read(self, seconds: float) -> None:
        """Read for so long, or until the end."""
        with suppress(TimeoutError, asyncio.IncompleteReadError, OSError):
            async with asyncio.timeout(seconds):
                while True:
                    await self._frame()

    async def _frame(self) -> None:
        head = await self._reader.readexactly(2)
        length = head[1] & 0x7F
        if length > 125:
            longer = await self._reader.readexactly(2 if length == 126 else 8)
            length = int.from_bytes(longer, "big")
        payload = await self._reader.readexactly(length)
        if head[0] & 15 == PING:
            await self.put(Frame(PONG, payload).encode())
        elif head[0] & 15 == CLOSE:
            self.closed_with = struct.unpack("!H", payload[:2])[0] if payload else 1005

    async def leave(self) -> None:
        """Close as one should."""
        with suppress(OSError):
            await self.put(close(1000).encode())
            await self.read(PATIENCE)
        self.drop()

    def drop(self) -> None:
        self._writer.close()

    def vanish(self) -> None:
        """Be gone without a word."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def take_little(self) -> None:
        """Leave what comes where it is, and have little room for it."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]


class Crowd:
    """As many clients at once as asked for; who leaves is followed by another.

    The same seed makes the same choices, but what happens when is the machines' affair.
    """

    def __init__(self, port: int, size: int, seed: int) -> None:
        self.lives: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self._port = port
        self._size = size
        self._random = random.Random(seed)
        self._going_on = False
        self._sorts = [
            (30, self._talker),
            (15, self._sync_talker),
            (10, self._staller),
            (15, self._vanisher),
            (10, self._rubbish),
            (5, self._denied),
            (10, self._stream),
            (10, self._leaves_in_the_middle),
        ]

    async def live(self, seconds: float) -> None:
        """Go on for so long, and until the last one has left."""
        self._going_on = True
        async with asyncio.TaskGroup() as group:
            for _ in range(self._size):
                group.create_task(self._lives())
            await asyncio.sleep(seconds)
            self._going_on = False

    async def _lives(self) -> None:
        weights = [weight for weight, _ in self._sorts]
        while self._going_on:
            _, sort = self._random.choices(self._sorts, weights)[0]
            self.lives[sort.__name__.strip("_")] += 1
            with suppress(OSError, asyncio.IncompleteReadError):
                await sort()
            await asyncio.sleep(self._random.uniform(0, 0.05))

    def _room(self) -> str:
        return self._random.choice(ROOMS)

    async def _open(self, target: str, **more: Any) -> Line | None:
        line = await Line.open(self._port, target, **more)
        if line.status in {101, 200}:
            return line
        self.refused[line.status] += 1
        line.drop()
        return None

    async def _talker(self) -> None:
        line = await self._open(f"/talk/{self._room()}/")
        if line is None:
            return
        reading = asyncio.create_task(line.read(60))
        for _ in range(self._random.randrange(15)):
            do = self._random.choice(["say", "say", "say", "frame", "join", "leave", "self"])
            await line.say({"do": do, "room": self._room()})
            await asyncio.sleep(self._random.uniform(0, 0.1))
        if self._random.random() < 0.2:
            await line.say({"do": self._random.choice(["fail", "close"]), "room": self._room()})
        reading.cancel()
        await asyncio.wait([reading])
        await line.leave()

    async def _sync_talker(self) -> None:
        line = await self._open(f"/sync/{self._room()}/")
        if line is None:
            return
        for _ in range(self._random.randrange(8)):
            do = self._random.choice(["say", "say", "say", "slow", "fail"])
            await line.say({"do": do, "room": "", "seconds": 0.01})
            await line.read(0.05)
        await line.leave()

    async def _staller(self) -> None:
        line = await self._open(f"/talk/{self._room()}/")
        if line is None:
            return
        line.take_little()
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                for _ in range(20):  # more than the buffers between the two hold
                    await line.say(["x" * 300_000])
        await asyncio.sleep(self._random.uniform(0, 12))
        line.vanish()

    async def _vanisher(self) -> None:
        line = await self._open(self._random.choice(["/talk/", "/sync/"]) + f"{self._room()}/")
        if line is None:
            return
        for _ in range(self._random.randrange(4)):
            await line.say({"do": "say", "room": self._room()})
        line.vanish()

    async def _leaves_in_the_middle(self) -> None:
        kind = self._random.choice(["/talk/", "/sync/"])
        line = await self._open(f"{kind}{self._room()}/")
        if line is None:
            return
        await line.say({"do": "slow", "room": "", "seconds": self._random.uniform(0.05, 0.5)})
        if self._random.random() < 0.5:
            await line.leave()
        else:
            line.vanish()

    async def _rubbish(self) -> None:
        line = await self._open(self._random.choice(["/talk/", "/sync/"]) + f"{self._room()}/")
        if line is None:
            return
        for _ in range(self._random.randrange(1, 4)):
            await line.put(self._random_piece())
        if self._random.random() < 0.5:
            await line.read(0.3)
        line.vanish()

    def _random_piece(self) -> bytes:
        dice = self._random
        payload = dice.choice(
            [
                dice.randbytes(dice.randrange(200)),
                b'{"do": "say"}',
                b"[" * dice.choice([10, 300, 600, 5000]),
                b'{"do": "say", "room": "not a name!"}',
                b'"\\ud800"',
                b"z" * dice.choice([126, 65_536, 300_000]),
            ]
        )
        if dice.random() < 0.2:
            return payload
        return Frame(
            dice.choice([TEXT, TEXT, TEXT, BINARY, 0, CLOSE, PING, 3, 11]),
            payload,
            final=dice.random() < 0.9,
            reserved=dice.choice([0, 0, 0, 0, 4]),
            masked=dice.random() < 0.9,
            claimed=dice.choice([None, None, None, None, 2**40]),
        ).encode()

    async def _denied(self) -> None:
        if self._random.random() < 0.5:
            line = await self._open("/nowhere/")
        else:
            line = await self._open(f"/talk/{self._room()}/", origin="http://evil.test")
        assert line is None, "it was let in"

    async def _stream(self) -> None:
        line = await self._open("/stream/", upgrade=False)
        if line is None:
            return
        await asyncio.sleep(self._random.uniform(0, 1))
        if self._random.random() < 0.5:
            line.drop()
        else:
            line.vanish()
